import assert from "node:assert/strict";
import { test } from "node:test";
import type { ResourceRow } from "../src/api/workers.ts";
import { costliest, growth, hidden } from "../src/resources/resource-costs.ts";

const plain = (text: string | null) => text?.replaceAll("\u202f", " ");

function row(changes: Partial<ResourceRow> = {}): ResourceRow {
  const known = {
    task: "shop.charge", cpu_seconds: { total: 90, share: 0.67 }, runtime_seconds: { total: 0, share: null }, memory_bytes: { peak: 512 * 2 ** 20 },
    growth: { bytes_per_1000_runs: 0, confidence: "none", max_tasks_per_child: null, note: null }, read_bytes: null, written_bytes: 2048, connections: null,
    network_sent_bytes: null, network_received_bytes: null,
  };
  return { ...known, ...changes } as unknown as ResourceRow;
}

test("the sentence on top names the first of the ranking", () => {
  assert.equal(plain(costliest([row(), row({ task: "other" })], "cpu")), "shop.charge takes 67 % of all CPU time, 1 m 30 s");
  assert.equal(plain(costliest([row()], "memory")), "shop.charge reaches the highest memory, 512 MiB");
  assert.equal(plain(costliest([row()], "io")), "shop.charge moves most bytes from and to disk, 2 KiB");
  assert.equal(plain(costliest([row({ network_sent_bytes: 1024, network_received_bytes: null })], "network")), "shop.charge moves most bytes over the network, 1 KiB");
  assert.equal(costliest([row({ connections: 7 })], "network"), "shop.charge opens most connections, 7");
  assert.match(costliest([row()], "network") ?? "", /^Network traffic is not counted, or there was none; ask/);
  assert.equal(costliest([row()], "time"), null);
  assert.equal(costliest([], "cpu"), null);
});

test("growth is told with how sure it is and what would bound it", () => {
  const leak = row({ growth: { bytes_per_1000_runs: 2 ** 30, confidence: "high", max_tasks_per_child: 64, note: null } });
  assert.equal(plain(growth(leak)), "a child grows by 1 GiB in 1 000 runs (sure); --max-tasks-per-child 64 would bound it");
  assert.equal(plain(costliest([leak], "growth")), "shop.charge makes memory grow most, 1 GiB in 1 000 runs");
  const guess = row({ task: "guess", growth: { bytes_per_1000_runs: 2 ** 31, confidence: "low", max_tasks_per_child: null, note: null } });
  assert.equal(plain(costliest([guess, leak], "growth")), "shop.charge makes memory grow most, 1 GiB in 1 000 runs");
  assert.equal(plain(costliest([guess], "growth")), "No task surely makes memory grow; guess may, by 2 GiB in 1 000 runs");
  assert.equal(costliest([row()], "growth"), "No task was seen to make memory grow");
  const fails = row({ growth: { ...row().growth, note: "9 runs that did not succeed are left out" } });
  assert.equal(growth(fails), "no growth was seen; 9 runs that did not succeed are left out");
});

test("columns of what nobody counted are left out, zeros are not", () => {
  assert.equal(hidden("read", [row()]), true);
  assert.equal(hidden("written", [row()]), false);
  assert.equal(hidden("connections", [row(), row({ connections: 0 })]), false);
  assert.equal(hidden("network", [row()]), true);
  assert.equal(hidden("network", [row(), row({ network_received_bytes: 0 })]), false);
  assert.equal(hidden("task", [row()]), false);
});
