import assert from "node:assert/strict";
import { test } from "node:test";
import { area, bridged, line, lone, perSecond, settled, shares, stack, top, total } from "../src/charts/scale.ts";

test("a line runs from edge to edge with the highest value at the upper edge", () => {
  assert.equal(line([0, 5, 10], 100, 20, 10), "M0 20L50 10L100 0");
});

test("what is unknown leaves a gap", () => {
  assert.equal(line([1, 1, null, 1, 1], 100, 20, 1), "M0 0L25 0M75 0L100 0");
});

test("a lone value is a dash that can be seen", () => {
  assert.equal(line([null, 4, null], 100, 20, 4), "M49 0h2");
});

test("a value that no line goes through is found", () => {
  assert.deepEqual(lone([1, null, 2, 2, null, 0]), [0, 5]);
  assert.equal(lone([null, 2, 2, null]), null);
});

test("zeros lie on the ground, also when everything is zero", () => {
  assert.equal(line([0, 0], 100, 20, top([0, 0])), "M0 20L100 20");
});

test("an area is closed on the ground, once per run of known values", () => {
  assert.equal(area([1, 1, null, 2, 2], 100, 20, 2), "M0 20L0 10L25 10L25 20ZM75 20L75 0L100 0L100 20Z");
});

test("no values draw nothing", () => {
  assert.equal(line([], 100, 20, 1), "");
  assert.equal(area([], 100, 20, 1), "");
});

test("layers are stacked on what is below them", () => {
  assert.deepEqual(stack([[1, null], [2, 3], [0, 1]]), [[1, 0], [3, 3], [3, 4]]);
});

test("a share of nothing is unknown", () => {
  assert.deepEqual(shares([1, 0], [[3, 0], [1, 0]]), [0.25, null]);
});

test("a sum is unknown only where all its parts are", () => {
  assert.deepEqual(total([[1, null, null], [2, 3, null]]), [3, 3, null]);
});

test("the top is at least its floor", () => {
  assert.equal(top([0.01, null], 0.05), 0.05);
  assert.equal(top([7, 3], 5), 7);
});

test("a lone gap is drawn through, a longer one stays", () => {
  assert.deepEqual(bridged([1, null, 3, null, null, 4, null]), [1, 2, 3, null, null, 4, null]);
});

test("the last step has counted for as long as it has lasted, and a fall of a young one is no news", () => {
  const t = [0, 60, 120];
  assert.deepEqual(perSecond([60, null, 30], t, 60, 150), [1, null, 1]);
  assert.deepEqual(perSecond([60, 60, 3], t, 60, 123), [1, 1, null]);
  assert.deepEqual(perSecond([0, 0, 3], t, 60, 123), [0, 0, 0.15]);
  assert.deepEqual(perSecond([60, 60, 60], t, 60, 500), [1, 1, 1]);
  assert.deepEqual(perSecond([10, 20], [0, 10], 10, 20), [1, 2]);
});

test("a count that still grows is drawn when it is higher already, not when it is lower", () => {
  assert.deepEqual(settled([3, 4, 1]), [3, 4, null]);
  assert.deepEqual(settled([0, 0, 7]), [0, 0, 7]);
  assert.deepEqual(settled([5]), [5]);
});
