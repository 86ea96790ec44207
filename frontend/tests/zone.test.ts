import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, day } from "../src/words/format.ts";
import { isUtc, setUtc } from "../src/words/zone.ts";

test("times are shown in UTC when that is asked for, without any storage too", () => {
  const at = new Date("2026-11-20T23:30:05Z");
  setUtc(true);
  assert.ok(isUtc());
  assert.equal(clock(at.toISOString(), at), "23:30:05");
  assert.equal(clock("2026-11-19T23:30:05Z", at), "2026-11-19 23:30:05");
  assert.equal(day(at), "2026-11-20");
  setUtc(false);
  assert.ok(!isUtc());
});
