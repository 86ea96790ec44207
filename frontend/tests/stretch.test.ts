import assert from "node:assert/strict";
import { test } from "node:test";
import { before, capital, stretch } from "../src/words/stretch.ts";
import { setUtc } from "../src/words/zone.ts";

const SHOWN = { seconds: 7200, start: "2020-11-20T10:00:00Z", end: "2020-11-20T12:00:00Z" };

test("a window that ends now is called by its length, another by its ends", () => {
  setUtc(true);
  assert.equal(capital(stretch(SHOWN, { window: "2h" })), "The last 2\u202fh");
  assert.equal(stretch(SHOWN, { since: "a", until: "b" }), "2020-11-20 10:00:00 – 12:00:00");
  assert.equal(before(SHOWN), "the 2\u202fh before");
  setUtc(false);
});
