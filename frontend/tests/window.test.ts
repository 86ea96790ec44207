import assert from "node:assert/strict";
import { test } from "node:test";
import { limits, rangeIn, rangeOf, secondsOf, wider, WINDOWS, windowOf, withRange, withWindow } from "../src/address/window.ts";

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

test("two moments in the address stand for a window, half a pair does not", () => {
  assert.deepEqual(rangeOf("?since=a&until=b&window=6h"), { since: "a", until: "b" });
  assert.deepEqual(rangeOf("?since=a", "24h"), { window: "24h" });
});

test("choosing a range or a window takes the other and the page of the list out", () => {
  assert.equal(withWindow("?since=a&until=b&cursor=c&task=t", "1h"), "?task=t&window=1h");
  assert.equal(withRange("?window=1h&cursor=c&task=t", "a", "b"), "?task=t&since=a&until=b");
});

test("a window that ends now begins so long before", () => {
  const now = new Date("2026-11-20T12:00:00Z");
  assert.deepEqual(limits({ window: "15m" }, now), { since: "2026-11-20T11:45:00.000Z" });
  assert.deepEqual(limits({ window: "5x" }, now), { since: "5x" }); // refused by the API, in its words
  assert.deepEqual(limits({ since: "a", until: "b" }, now), { since: "a", until: "b" });
});

test("links to other pages take along what the address names, and nothing else", () => {
  assert.deepEqual(rangeIn("?since=a&until=b&task=t&window=6h"), { since: "a", until: "b" });
  assert.deepEqual(rangeIn("?task=t&window=6h"), { window: "6h" });
  assert.deepEqual(rangeIn("?task=t&since=a"), {});
});
