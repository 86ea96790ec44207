import assert from "node:assert/strict";
import { test } from "node:test";
import { fitted, revealing, whole, zoomed } from "../src/runs/pan-zoom.ts";

const FRAME = { width: 800, height: 400 };

test("what is smaller than its frame stands in the middle at its own size", () => {
  assert.deepEqual(fitted({ width: 200, height: 100 }, FRAME), { x: 300, y: 150, scale: 1 });
});

test("what is larger is made as small as it needs to be", () => {
  const { x, y, scale } = fitted({ width: 1536, height: 100 }, FRAME);
  assert.deepEqual([x, y, scale], [16, 175, 0.5]);
});

test("what would not be legible begins at its corner and goes on beyond the frame", () => {
  assert.deepEqual(fitted({ width: 10_000, height: 100 }, FRAME, 0.5), { x: 16, y: 175, scale: 0.5 });
});

test("what is under the pointer stays there when it is zoomed, and there is an end to it", () => {
  const part = { x: 10, y: 20, scale: 1 };
  const larger = zoomed(part, 1.5, { x: 110, y: 220 });
  assert.deepEqual([(110 - larger.x) / larger.scale, (220 - larger.y) / larger.scale], [100, 200]);
  assert.equal(zoomed(part, 1e9, { x: 0, y: 0 }).scale, 2);
  assert.equal(zoomed(part, 1e-9, { x: 0, y: 0 }).scale, 0.05);
});

test("a box is brought into sight by the shortest way, and what is seen moves nothing", () => {
  const part = { x: 0, y: 0, scale: 1 };
  assert.deepEqual(revealing(part, { x: 100, y: 100, width: 200, height: 50 }, FRAME), part);
  assert.deepEqual(revealing(part, { x: 1_000, y: 100, width: 200, height: 50 }, FRAME), { x: -416, y: 0, scale: 1 });
  assert.deepEqual(revealing(part, { x: -50, y: 100, width: 200, height: 50 }, FRAME), { x: 66, y: 0, scale: 1 });
  assert.deepEqual(revealing(part, { x: 500, y: 100, width: 5_000, height: 50 }, FRAME), { x: -484, y: 0, scale: 1 });
});

test("whether all of it is seen is known", () => {
  const drawing = { width: 700, height: 300 };
  assert.equal(whole(fitted(drawing, FRAME), drawing, FRAME), true);
  assert.equal(whole({ x: 0, y: 0, scale: 2 }, drawing, FRAME), false);
  assert.equal(whole({ x: -1, y: 0, scale: 1 }, drawing, FRAME), false);
});
