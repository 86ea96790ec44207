import assert from "node:assert/strict";
import { test } from "node:test";
import { chosenBy, type Cursor, moved, NOWHERE, pointAt } from "../src/charts/cursor.ts";

const walk = (keys: readonly string[], points = 20) =>
  keys.reduce<Cursor>((cursor, key) => moved(key.replace("Shift+", ""), key.startsWith("Shift+"), cursor, points) ?? cursor, NOWHERE);

test("the first step to the left leads to the newest point, to the right to the oldest", () => {
  assert.deepEqual(walk(["ArrowLeft"]), { at: 19, from: null });
  assert.deepEqual(walk(["ArrowRight"]), { at: 0, from: null });
});

test("long steps are a tenth of the chart, and no step leads out of it", () => {
  assert.equal(walk(["Home", "PageUp"]).at, 2);
  assert.equal(walk(["End", "PageDown", "ArrowLeft"]).at, 16);
  assert.equal(walk(["End", "ArrowRight"]).at, 19);
  assert.equal(walk(["Home", "PageDown"]).at, 0);
  assert.equal(walk(["Home", "ArrowRight", "ArrowRight", "ArrowRight"], 2).at, 1);
});

test("with Shift the point where it began stays the other end, without it the stretch is gone", () => {
  const chosen = walk(["End", "Shift+ArrowLeft", "Shift+ArrowLeft"]);
  assert.deepEqual(chosenBy(chosen), [17, 19]);
  assert.deepEqual(chosenBy(walk(["Home", "Shift+End"])), [0, 19]);
  assert.deepEqual(chosenBy(walk(["End", "Shift+ArrowLeft", "ArrowLeft"])), [17, 17]);
  assert.deepEqual(walk(["Shift+ArrowLeft"]), { at: 19, from: 19 });
});

test("other keys and empty charts move nothing", () => {
  assert.equal(moved("a", false, NOWHERE, 20), null);
  assert.equal(moved("ArrowLeft", false, NOWHERE, 0), null);
  assert.equal(chosenBy(NOWHERE), null);
});

test("a moment is in the last point that does not begin after it, also when it has left the chart", () => {
  assert.equal(pointAt([10, 20, 30], 29), 1);
  assert.equal(pointAt([10, 20, 30], 35), 2);
  assert.equal(pointAt([10, 20, 30], 5), 0);
  assert.equal(pointAt([], 5), null);
  assert.equal(pointAt([10], null), null);
});
