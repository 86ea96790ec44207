import assert from "node:assert/strict";
import { test } from "node:test";
import { waited } from "../src/runs/path-time.ts";
import { attempt, run, step } from "./made-run.ts";

test("what no attempt of the path was running is waiting", () => {
  const of = run([step("a", null, [attempt(0, 1)]), step("b", "a", [attempt(8, 10)])], { path: ["0", "8"] });
  assert.deepEqual(waited(of), { seconds: 7, share: 0.7 });
});

test("attempts of the path that overlap count once, and those beside it not at all", () => {
  const beside = step("c", null, [attempt(6, 7)]);
  const of = run([step("a", null, [attempt(0, 4)]), step("b", "a", [attempt(2, 5)]), beside], { path: ["0", "2"] });
  assert.deepEqual(waited(of), { seconds: 5, share: 0.5 });
});

test("an attempt that runs still has not waited since it began", () => {
  assert.deepEqual(waited(run([step("a", null, [attempt(4, null)])], { path: ["4"] })), { seconds: 4, share: 0.4 });
});

test("without a path or a duration nothing is said", () => {
  assert.equal(waited(run([step("a", null, [attempt(0, 1)])])), null);
  assert.equal(waited(run([step("a", null, [attempt(0, 1)])], { path: ["0"], duration_seconds: null })), null);
});
