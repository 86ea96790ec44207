import assert from "node:assert/strict";
import { test } from "node:test";
import type { Execution } from "../src/api/runs.ts";
import type { Summary } from "../src/api/summary.ts";
import { byName, type Named, names, ofRun } from "../src/shell/find.ts";

const KNOWN: Named[] = [
  { name: "nightly report", kind: "workflow" },
  { name: "shop.charge", kind: "task" },
  { name: "shop.chart", kind: "task" },
  { name: "w@host", kind: "worker" },
];
const one = (id: string, workflow: string | null = null) => ({ id, workflow }) as Execution;

test("a name leads to its page", () => {
  assert.equal(byName("nightly report", KNOWN), "/monitor/workflows/nightly%20report");
  assert.equal(byName("shop.charge", KNOWN), "/monitor/tasks/shop.charge");
  assert.equal(byName("w@host", KNOWN), "/monitor/workers/w%40host");
});

test("a part of a name will do when it is the part of one only", () => {
  assert.equal(byName("CHARGE", KNOWN), "/monitor/tasks/shop.charge");
  assert.equal(byName("shop.", KNOWN), null);
  assert.equal(byName("nothing", KNOWN), null);
});

test("an id leads to its run, to the execution when the run is that alone", () => {
  assert.equal(ofRun("a", [one("a"), one("b")]), "/monitor/runs/a");
  assert.equal(ofRun("a", [one("a", "nightly")]), "/monitor/runs/a");
  assert.equal(ofRun("a", [one("a")]), "/monitor/executions/a");
  assert.equal(ofRun("a", []), null);
});

test("workers that are gone and hosts are known by name too, each once", () => {
  const summary = { workflows: [], tasks: [], queues: [], workers: [{ worker: "w@a", role: "worker" }, { worker: "beat@a", role: "beat" }] };
  const found = names(summary as unknown as Summary, [{ worker: "w@a" }, { worker: "old@b" }], [{ host: "b" }]);
  assert.deepEqual(found.map((n) => `${n.kind} ${n.name}`), ["worker w@a", "worker old@b", "host b"]);
  assert.equal(byName("b", found.filter((n) => n.name === "b")), "/monitor/hosts/b");
});
