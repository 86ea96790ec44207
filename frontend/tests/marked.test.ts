import assert from "node:assert/strict";
import { test } from "node:test";
import { marked } from "../src/logs/marked.ts";

const hits = (text: string, wanted: string) => marked(text, wanted).filter((p) => p.hit).map((p) => p.text);
const whole = (text: string, wanted: string) => marked(text, wanted).map((p) => p.text).join("");

test("every place is marked, whatever its case, and nothing is lost", () => {
  assert.deepEqual(hits("Gateway: the gateway is slow", "GATEWAY"), ["Gateway", "gateway"]);
  assert.equal(whole("Gateway: the gateway is slow", "gateway"), "Gateway: the gateway is slow");
});

test("nothing is marked without a text, and characters of patterns are characters", () => {
  assert.deepEqual(hits("a.b", ""), []);
  assert.deepEqual(hits("a.b axb", "a.b"), ["a.b"]);
});

test("a text whose small letters are longer is left as it is", () => {
  assert.equal(whole("İİ error", "error"), "İİ error");
});

test("a letter that is everywhere is marked so many times only, and the text stays whole", () => {
  const text = "a".repeat(1000);
  assert.equal(whole(text, "a"), text);
  assert.ok(marked(text, "a").length <= 102);
});
