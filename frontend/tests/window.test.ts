import assert from "node:assert/strict";
import { test } from "node:test";
import { secondsOf, wider, WINDOWS, windowOf, withWindow } from "../src/window.ts";

test("the address says which window, an hour when it does not", () => {
  assert.equal(windowOf("?window=6h"), "6h");
  assert.equal(windowOf("?window="), "1h");
  assert.equal(windowOf(""), "1h");
});

test("choosing a window keeps the rest of the address", () => {
  assert.equal(withWindow("?task=a%26b&window=1h", "7d"), "?task=a%26b&window=7d");
});

test("every choice is a window, each wider than the one before", () => {
  const seconds = WINDOWS.map(secondsOf);
  assert.deepEqual([...seconds].sort((a, b) => a - b), seconds);
  assert.ok(seconds.every((s) => s > 0));
  assert.ok(Number.isNaN(secondsOf("5x")));
});

test("an empty window offers the next wider one, the widest none", () => {
  assert.equal(wider(3600), "6h");
  assert.equal(wider(30 * 86_400), null);
});
