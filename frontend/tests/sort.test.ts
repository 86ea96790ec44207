import assert from "node:assert/strict";
import { test } from "node:test";
import { kept, sorted } from "../src/parts/sort.ts";

interface Row {
  name: string;
  n: number | null;
}

const name = (row: Row) => row.name;
const names = (rows: Row[]) => rows.map(name).join("");
const rows: Row[] = [
  { name: "b", n: 1 },
  { name: "a", n: null },
  { name: "d", n: 3 },
  { name: "c", n: 1 },
];

test("what is unknown comes last in either direction", () => {
  assert.equal(names(sorted(rows, (r) => r.n, name, true)), "dbca");
  assert.equal(names(sorted(rows, (r) => r.n, name, false)), "bcda");
});

test("equal rows stand in the order of their names, so that a refresh moves none", () => {
  assert.equal(names(sorted([...rows].reverse(), (r) => r.n, name, true)), "dbca");
});

test("rows pointed at keep their places and new ones come last", () => {
  assert.equal(names(kept(rows, name, ["c", "d", "b"])), "cdba");
});

test("names with numbers are sorted as people count", () => {
  const workers = ["w10", "w9"].map((w) => ({ name: w, n: 0 }));
  assert.equal(names(sorted(workers, name, name, false)), "w9w10");
});
