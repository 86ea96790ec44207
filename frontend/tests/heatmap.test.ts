import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cells, chosen, columnAt, durationTicks, level, LEVELS, logScale, pieces, rowAt, spread, stretch, timeTicks, xOf, yOf,
} from "../src/charts/heatmap.ts";

const BOX = { left: 50, top: 10, width: 300, height: 100 };

test("columns fill the box from edge to edge", () => {
  const over = stretch([600, 660, 720], 60);
  assert.deepEqual(over, { start: 600, end: 780 });
  assert.equal(xOf(600, over, BOX), 50);
  assert.equal(xOf(780, over, BOX), 350);
  assert.deepEqual([49, 50, 149.9, 150, 349, 900].map((x) => columnAt(x, 3, BOX)), [0, 0, 0, 1, 2, 2]);
});

test("what is dragged over are whole columns, whichever way it was dragged", () => {
  const t = [600, 660, 720];
  assert.deepEqual(chosen(180, 340, t, 60, BOX), { start: 660, end: 780 });
  assert.deepEqual(chosen(340, 180, t, 60, BOX), { start: 660, end: 780 });
  assert.deepEqual(chosen(60, 61, t, 60, BOX), { start: 600, end: 660 });
});

test("equal ratios of durations are equally far apart", () => {
  const scale = logScale([0.01, 0.1, 1]);
  assert.deepEqual([0.01, 0.1, 1].map((s) => Math.round(yOf(s, scale, BOX))), [110, 60, 10]);
});

test("durations of 0 and beyond the scale stay in the box", () => {
  const scale = logScale([0, 0.01, 1]);
  assert.equal(yOf(0, scale, BOX), 110);
  assert.equal(Math.round(yOf(5, scale, BOX)), 10);
});

test("a task that always takes as long is in the middle of the scale", () => {
  const scale = logScale([1, 1.04]);
  assert.ok(scale.high / scale.low > 3.99);
  assert.ok(Math.abs(yOf(1.02, scale, BOX) - 60) < 1);
});

test("nothing at all has a scale", () => {
  const scale = logScale([]);
  assert.ok(scale.low > 0 && scale.high > scale.low);
  assert.deepEqual(cells([[], []], [], scale, BOX), []);
});

test("cells cover the box without overlap or seam and leave out what is empty", () => {
  const bounds = [0.01, 0.1, 1];
  const found = cells([[1, 8], [3, 0], [2, 2]], bounds, logScale(bounds), BOX);
  assert.equal(found.length, 5);
  const area = found.reduce((sum, c) => sum + c.width * c.height, 0);
  assert.equal(area, 300 * 100 - 100 * 50);
  assert.ok(found.every((c) => Number.isInteger(c.left) && Number.isInteger(c.top) && c.width > 0 && c.height > 0));
});

test("a cell narrower than a pixel is still drawn", () => {
  const many = Array.from({ length: 1000 }, () => [1]);
  assert.ok(cells(many, [1, 4], logScale([1, 4]), BOX).every((c) => c.width === 1));
});

test("one among thousands is seen, and the fullest is the darkest", () => {
  assert.deepEqual([0, 1, 5000].map((n) => level(n, 5000)), [0, 1, LEVELS]);
  assert.equal(level(1, 1), LEVELS);
  const levels = [1, 10, 100, 1000].map((n) => level(n, 1000));
  assert.deepEqual(levels, [...levels].sort((a, b) => a - b));
});

test("a pixel tells its row, and none beside the rows", () => {
  const bounds = [0.01, 0.1, 1];
  const scale = logScale(bounds);
  assert.deepEqual([109, 61, 59, 11].map((y) => rowAt(y, bounds, scale, BOX)), [0, 0, 1, 1]);
  assert.equal(rowAt(9, bounds, scale, BOX), null);
  assert.equal(rowAt(20, [], scale, BOX), null);
});

test("unknown percentiles leave gaps", () => {
  const found = pieces([0.1, 0.1, null, 0.1], logScale([0.01, 1]), BOX);
  assert.deepEqual(found.map((p) => p.map((q) => q.x)), [[87.5, 162.5], [312.5]]);
});

test("durations along the scale are round and few", () => {
  assert.deepEqual(durationTicks({ low: 0.03, high: 4 }, 8), [0.05, 0.1, 0.2, 0.5, 1, 2]);
  assert.deepEqual(durationTicks({ low: 0.00001, high: 100 }, 5), [0.00001, 0.001, 0.1, 10]);
  assert.ok(durationTicks({ low: 2e-6, high: 9e4 }, 5).length <= 5);
});

test("times along the axis are round in the reader's zone", () => {
  const over = { start: 1_763_596_500, end: 1_763_682_900 }; // 23:55 UTC and a day later
  const utc = timeTicks(over, 6, 0);
  assert.deepEqual(utc.map((at) => at % 21_600), [0, 0, 0, 0]);
  const india = timeTicks(over, 6, 19_800);
  assert.ok(india.every((at) => (at + 19_800) % 21_600 === 0));
  assert.ok(timeTicks({ start: 0, end: 92 * 86_400 }, 6, 0).length <= 6);
});

test("labels keep their order and their distance, within the edges", () => {
  assert.deepEqual(spread([50, 51, 52], 12, 10, 110), [50, 62, 74]);
  assert.deepEqual(spread([108, 20, 109], 12, 10, 110), [98, 20, 110]);
  assert.deepEqual(spread([5], 12, 10, 110), [10]);
});
