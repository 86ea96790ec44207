import assert from "node:assert/strict";
import { test } from "node:test";
import { csv } from "../src/parts/csv.ts";

test("numbers stay numbers and what is unknown stays empty", () => {
  assert.equal(csv(["task", "p95"], [["a", 0.412], ["b", null], ["c", 0]]), "task,p95\r\na,0.412\r\nb,\r\nc,0\r\n");
});

test("separators, quotes and lines within a text are quoted", () => {
  assert.equal(csv(["x"], [['a,"b"\nc']]), 'x\r\n"a,""b""\nc"\r\n');
});

test("no text is a formula to a spreadsheet", () => {
  for (const text of ["=1+1", "+1", "-1", "@x", "\tx"]) assert.ok(csv(["x"], [[text]]).includes(`'${text}`), text);
  assert.equal(csv(["x"], [[-1]]), "x\r\n-1\r\n");
});
