import assert from "node:assert/strict";
import { test } from "node:test";
import { type Judged, verdict } from "../src/tasks/task-verdict.ts";

const BEFORE = { ended: 100, failed: 1, success_ratio: 0.99, rate_per_second: 1, runtime_p95_seconds: 1, wait_p95_seconds: 1 };

/** Twenty points, of a hundred ends each; `bad` tells how many failed. */
function course(bad: (i: number) => number, p50: (i: number) => number = () => 0.5) {
  const points = Array.from({ length: 20 }, (_, i) => i);
  return { succeeded: points.map((i) => 100 - bad(i)), failed: points.map(bad), runtime_p50: points.map(p50), runtime_p95: points.map(() => 1) };
}

function judged(changes: Partial<Judged> = {}): Judged {
  return {
    ended: 100, failed: 1, lost: 0, success_ratio: 0.99, runtime_seconds: { count: 100, p95: 1.1 }, wait_seconds: { p95: 1.2 },
    compare: BEFORE, series: course(() => 1), ...changes,
  };
}

test("a task that is as it was is as usual", () => {
  assert.deepEqual(verdict(judged()), { shape: "●", word: "as usual", tone: "ok", reasons: [] });
});

test("many more failures are critical, a few more a warning", () => {
  const many = verdict(judged({ failed: 10, success_ratio: 0.9 }));
  assert.equal(many.tone, "critical");
  assert.match(many.reasons[0] ?? "", /^10\u202f% fail or are lost ▲\u202f9\u202fpt$/);
  assert.equal(verdict(judged({ failed: 3, success_ratio: 0.97 })).tone, "warning");
});

test("one failure of few is no catastrophe", () => {
  assert.equal(verdict(judged({ ended: 4, failed: 1, success_ratio: 0.75 })).tone, "warning");
});

test("a task that always fails much says so, as before", () => {
  const found = verdict(judged({ failed: 30, success_ratio: 0.7, compare: { ...BEFORE, success_ratio: 0.7 } }));
  assert.equal(found.tone, "warning");
  assert.match(found.reasons[0] ?? "", /as before$/);
});

test("slower means the p95 of enough attempts", () => {
  assert.equal(verdict(judged({ runtime_seconds: { count: 100, p95: 2 } })).word, "slower");
  assert.equal(verdict(judged({ runtime_seconds: { count: 5, p95: 2 } })).tone, "ok");
});

test("a longer wait counts when somebody feels it", () => {
  assert.equal(verdict(judged({ wait_seconds: { p95: 9 } })).word, "waiting");
  const short = { ...BEFORE, wait_p95_seconds: 0.01 };
  assert.equal(verdict(judged({ wait_seconds: { p95: 0.5 }, compare: short })).tone, "ok");
});

test("without anything before there is nothing to compare, and without ends nothing to judge", () => {
  assert.match(verdict(judged({ compare: null })).reasons[0] ?? "", /nothing was recorded before/);
  assert.equal(verdict(judged({ ended: 0, success_ratio: null })).word, "quiet");
});

test("what began within the window is seen", () => {
  const slow = verdict(judged({ series: course(() => 1, (i) => (i < 15 ? 0.5 : 1.5)) }));
  assert.deepEqual([slow.word, slow.reasons], ["slower", ["lately p50 1.5\u202fs, earlier 500\u202fms"]]);
  const failing = verdict(judged({ series: course((i) => (i < 16 ? 1 : 9)), compare: null }));
  assert.deepEqual([failing.tone, failing.reasons], ["critical", ["lately 9\u202f% fail, earlier 1\u202f%"]]);
});

test("few points tell nothing of lately", () => {
  const series = { succeeded: [1, 1], failed: [0, 1], runtime_p50: [1, 9], runtime_p95: [1, 9] };
  assert.equal(verdict(judged({ series })).word, "as usual");
});
