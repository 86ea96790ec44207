import assert from "node:assert/strict";
import { test } from "node:test";
import { ticks } from "../src/charts/ticks.ts";

test("an axis has round times, no more than asked for", () => {
  assert.deepEqual(ticks(120, 5), [0, 30, 60, 90, 120]);
  assert.deepEqual(ticks(7.9, 5), [0, 2, 4, 6]);
  assert.deepEqual(ticks(0.05, 5), [0, 0.01, 0.02, 0.03, 0.04, 0.05]);
  assert.deepEqual(ticks(7200, 4), [0, 1800, 3600, 5400, 7200]);
  for (const seconds of [0.0004, 0.3, 3, 59, 61, 4000, 90_000, 7 * 86_400, 400 * 86_400])
    assert.ok(ticks(seconds, 6).length <= 7, `${seconds}`);
});

test("an axis without length has its begin", () => {
  assert.deepEqual([ticks(0, 5), ticks(NaN, 5), ticks(1, 0)], [[0], [0], [0]]);
});
