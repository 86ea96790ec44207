import assert from "node:assert/strict";
import { test } from "node:test";
import { near } from "../src/parts/near.ts";

test("a table that is not long is drawn whole", () => {
  assert.deepEqual(near(149, 26, -5_000, 900), { first: 0, last: 149, above: 0, below: 0 });
});

test("what is drawn covers what is seen with room to go on, and with the room left makes the whole height", () => {
  for (const top of [400, 0, -26, -1_000, -12_345, -25_000, -26_000, -90_000]) {
    const { first, last, above, below } = near(1_000, 26, top, 900);
    assert.ok(first >= 0 && last <= 1_000 && first < last, `${top}: ${first} to ${last}`);
    assert.equal(above + (last - first) * 26 + below, 26_000);
    assert.ok(last - first < 120, `${top}: ${last - first} rows`);
    const [from, to] = [Math.max(0, Math.floor(-top / 26)), Math.min(1_000, Math.ceil((900 - top) / 26))];
    if (from < to) assert.ok(first <= Math.max(0, from - 10) && last >= Math.min(1_000, to + 10), `${top}: ${first} to ${last}`);
  }
});

test("a table below the window is drawn for a few rows, one above it for its last", () => {
  assert.equal(near(1_000, 26, 5_000, 900).first, 0);
  assert.equal(near(1_000, 26, -90_000, 900).last, 1_000);
});
