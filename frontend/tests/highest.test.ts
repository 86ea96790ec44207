import assert from "node:assert/strict";
import { test } from "node:test";
import { highest } from "../src/words/highest.ts";

test("the highest come first, and what is unknown or nothing is left out", () => {
  const rows = [{ n: 1 }, { n: null }, { n: 5 }, { n: 0 }, { n: 3 }];
  assert.deepEqual(highest(rows, (row) => row.n, 2), [{ n: 5 }, { n: 3 }]);
  assert.deepEqual(highest(rows.slice(1, 2), (row) => row.n, 2), []);
  assert.equal(rows.length, 5, "the rows themselves are left as they are");
});
