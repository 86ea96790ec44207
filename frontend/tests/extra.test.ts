import assert from "node:assert/strict";
import { test } from "node:test";
import { inline } from "../src/words/extra.ts";

test("a few values fit beside a message, many do not", () => {
  assert.equal(inline({ order: 7, gateway: "eu", tags: [1] }), "order=7 gateway=eu tags=[1]");
  assert.equal(inline({}), "");
  assert.deepEqual([inline({ text: "x".repeat(200) }), inline({ text: "a\nb" }), inline("cut {"), inline(null), inline([1])], [null, null, null, null, null]);
});
