import assert from "node:assert/strict";
import { test } from "node:test";
import { rateUnit } from "../src/words/rate-unit.ts";

const plain = (text: string) => text.replaceAll("\u202f", " ");

test("all values of a chart have the unit of its largest", () => {
  const [fast, slow, rare] = [rateUnit([0.1, 250]), rateUnit([null, 0.5]), rateUnit([0.001])];
  assert.deepEqual([250, 0.1, 0].map((v) => plain(fast(v))), ["250 /s", "0.1 /s", "0 /s"]);
  assert.deepEqual([0.5, 0].map((v) => plain(slow(v))), ["30 /min", "0 /min"]);
  assert.equal(plain(rare(0.001)), "3.6 /h");
  assert.equal(fast(null), "–");
});
