import assert from "node:assert/strict";
import { test } from "node:test";
import { points, relative } from "../src/words/change.ts";

const plain = (text: string | undefined) => text?.replaceAll("\u202f", " ");

test("slower is worse when less is better", () => {
  const change = relative(0.412, 0.3, true);
  assert.equal(plain(change?.text), "▲ 37 %");
  assert.equal(change?.verdict, "worse");
  assert.equal(relative(0.3, 0.412, true)?.verdict, "better");
});

test("traffic is neither good nor bad", () => {
  assert.equal(relative(2, 1)?.verdict, "neutral");
});

test("small changes are not judged", () => {
  assert.equal(relative(1.03, 1, true)?.verdict, "neutral");
  assert.equal(relative(1.001, 1, true)?.text, "= same");
});

test("without a figure before there is no comparison", () => {
  assert.equal(relative(1, 0, true), null);
  assert.equal(relative(1, null, true), null);
  assert.equal(points(null, 0.1), null);
});

test("growth by factors is told as a factor", () => {
  assert.equal(plain(relative(50, 2)?.text), "▲ × 25");
});

test("shares change in percentage points", () => {
  const change = points(0.003, 0.004, true);
  assert.equal(plain(change?.text), "▼ 0.1 pt");
  assert.equal(points(0.05, 0.01, true)?.verdict, "worse");
});
