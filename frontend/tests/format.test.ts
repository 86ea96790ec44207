import assert from "node:assert/strict";
import { test } from "node:test";
import { age, bytes, clock, count, digits, duration, percent, plural, rate, span, UNKNOWN } from "../src/words/format.ts";

/** Thin spaces as plain ones, to be read here. */
const plain = (text: string) => text.replaceAll("\u202f", " ");

function each<T>(show: (value: T) => string, cases: [T, string][]): void {
  for (const [value, expected] of cases) assert.equal(plain(show(value)), expected, `of ${String(value)}`);
}

test("what is unknown is a dash, never a zero", () => {
  for (const show of [count, duration, bytes, rate, percent]) assert.equal(show(null), UNKNOWN);
});

test("zero is a zero with its unit", () => {
  assert.equal(count(0), "0");
  assert.deepEqual([duration(0), bytes(0), rate(0), percent(0)].map(plain), ["0 s", "0 B", "0 /min", "0 %"]);
});

test("durations change unit so that three digits say it", () => {
  each(duration, [
    [0.000004, "< 10 µs"],
    [0.00042, "420 µs"],
    [0.412, "412 ms"],
    [0.9996, "1 s"],
    [3.2, "3.2 s"],
    [59.94, "59.9 s"],
    [59.96, "1 m"],
    [250.1, "4 m 10 s"],
    [3599.7, "1 h"],
    [7500, "2 h 5 m"],
    [273600, "3 d 4 h"],
    [-2, "−2 s"],
  ]);
});

test("thousands stand apart and nothing is written with an exponent", () => {
  each(count, [[999, "999"], [1240, "1 240"], [99_990_123, "99 990 123"], [-1240, "−1 240"]]);
  each(digits, [[0.0004, "0"], [12.34, "12.3"], [1.5, "1.5"], [100.4, "100"], [123_456_789, "123 456 789"]]);
});

test("bytes are counted in powers of 1024", () => {
  each(bytes, [[512, "512 B"], [52_428_800, "50 MiB"], [536_870_912, "512 MiB"], [2_040_109_465, "1.9 GiB"]]);
});

test("rates choose the unit that needs no small fractions", () => {
  each(rate, [[250, "250 /s"], [20.6666, "1 240 /min"], [0.1, "6 /min"], [0.005, "18 /h"]]);
});

test("a share never rounds to none or all when it is not", () => {
  each(percent, [[0.00001, "< 0.01 %"], [0.003, "0.3 %"], [0.9967, "99.67 %"], [0.99999, "> 99.99 %"], [1, "100 %"], [0.61, "61 %"]]);
});

test("windows are named as people name them", () => {
  each(span, [[900, "15 m"], [3600, "1 h"], [86_400, "24 h"], [604_800, "7 d"]]);
});

test("a time of another day says which", () => {
  const now = new Date(2026, 10, 20, 12, 0, 3);
  assert.equal(clock(now.toISOString(), now), "12:00:03");
  assert.equal(clock(new Date(2026, 10, 19, 23, 5, 0).toISOString(), now), "2026-11-19 23:05:00");
  assert.equal(clock("nonsense", now), UNKNOWN);
});

test("a clock ahead of ours makes no negative age", () => {
  const now = new Date("2026-11-20T12:00:00Z");
  assert.equal(age("2026-11-20T11:59:50Z", now), 10);
  assert.equal(age("2026-11-20T12:00:50Z", now), 0);
  assert.equal(age(null, now), null);
});

test("one is singular", () => {
  assert.deepEqual([plural(1, "queue"), plural(4, "queue"), plural(2, "process", "processes")].map(plain), [
    "1 queue",
    "4 queues",
    "2 processes",
  ]);
});
