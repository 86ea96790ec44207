import assert from "node:assert/strict";
import { test } from "node:test";
import { AROUND, drawn, offsets, revealing, rowAt, STEP, WHOLE } from "../src/runs/row-window.ts";

const begins = offsets(Array.from({ length: 10_000 }, (_, i) => (i % 10 ? 24 : 44)));
const end = begins.at(-1)!;

test("a row is found by any point of it", () => {
  for (const row of [0, 1, 9, 10, 5_000, 9_999])
    for (const point of [begins[row]!, begins[row + 1]! - 1]) assert.equal(rowAt(begins, point), row);
  assert.equal(rowAt(begins, -5), 0);
  assert.equal(rowAt(begins, end + 5), 9_999);
});

test("what is in sight is drawn wherever the list is scrolled to, and little more", () => {
  const height = 600;
  for (let top = 0; top <= end; top += 777) {
    const { first, end: last } = drawn(begins, top - (top % STEP), height);
    assert.ok(begins[first]! <= top && begins[last]! >= Math.min(top + height, end), `at ${top}`);
    assert.ok(last - first <= (height + 2 * STEP) / 24 + 2 * AROUND + 2, `${last - first} rows at ${top}`);
  }
});

test("a short list is drawn whole, an empty one too", () => {
  assert.deepEqual(drawn(offsets(Array(WHOLE).fill(24)), 0, 100), { first: 0, end: WHOLE });
  assert.deepEqual(drawn(offsets([]), 0, 100), { first: 0, end: 0 });
});

test("a row is brought into sight by as little as it takes", () => {
  assert.equal(revealing(begins, 100, begins[100]! - 50, 600), begins[100]! - 50);
  assert.equal(revealing(begins, 100, begins[100]! + 50, 600), begins[100]);
  assert.equal(revealing(begins, 100, 0, 600), begins[101]! - 600);
});
