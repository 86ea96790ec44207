import assert from "node:assert/strict";
import { test } from "node:test";
import { zoomOf } from "../src/charts/zoom.ts";

const NOW = new Date("2026-11-20T12:00:00Z");

test("a window is asked for as it is, and all of it is shown", () => {
  assert.deepEqual(zoomOf({ window: "6h" }, NOW), { window: "6h", edges: null });
});

test("a stretch of time is looked at within the window that reaches back to it", () => {
  const edges = [Date.parse("2026-11-20T11:10:00Z") / 1000, Date.parse("2026-11-20T11:20:00Z") / 1000];
  assert.deepEqual(zoomOf({ since: "2026-11-20T11:10:00Z", until: "2026-11-20T11:20:00Z" }, NOW), { window: "1h", edges });
  assert.equal(zoomOf({ since: "2026-10-01T00:00:00Z", until: "2026-10-02T00:00:00Z" }, NOW).window, "51d");
  assert.equal(zoomOf({ since: "2020-10-01T00:00:00Z", until: "2020-10-02T00:00:00Z" }, NOW).window, "92d");
});

test("what is no stretch of time is left to the API to refuse", () => {
  assert.deepEqual(zoomOf({ since: "soon", until: "later" }, NOW), { window: "soon", edges: null });
});
