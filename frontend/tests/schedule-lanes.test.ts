import assert from "node:assert/strict";
import { test } from "node:test";
import type { Booking, Entry, Sending } from "../src/api/schedule.ts";
import { byTrouble, edgesOf, lane, scheduleMark, worst } from "../src/schedule/schedule-lanes.ts";

const START = "2026-11-20T11:00:00Z";
const END = "2026-11-20T12:00:00Z";
const EDGES: [number, number] = [Date.parse(START), Date.parse(END)];
const NOW = Date.parse(END);
const at = (minute: number) => new Date(EDGES[0] + minute * 60_000).toISOString();

function ran(minute: number, changes: Partial<Sending> = {}): Sending {
  const known = { state: "on_time", count: 1, due_at: at(minute), sent_at: at(minute), late_seconds: 0, overlaps: false, reason: null, id: `id ${minute}`, beat: "b" };
  return { ...known, execution_state: "SUCCESS", started_at: at(minute), ended_at: at(minute), wait_seconds: 0, runtime_seconds: 0, ...changes } as Sending;
}

function missed(minute: number, count = 1): Booking {
  return { state: "missed", count, due_at: at(minute), sent_at: null, late_seconds: null, overlaps: false, reason: "no beat ran", id: null, beat: null };
}

function entry(changes: Partial<Entry> = {}): Entry {
  const counts = { expected: 0, sent: 0, on_time: 0, late: 0, missed: 0, duplicate: 0, unsent: 0, overlapping: 0 };
  return { entry: "nightly", enabled: true, first_sent_at: null, next_due_at: null, ledger: [], runs: [], ...counts, ...changes } as unknown as Entry;
}

test("what was due is hollow, what ran is filled from its sending to its end", () => {
  const found = lane(entry({ on_time: 2, runs: [ran(45, { ended_at: at(51) }), ran(15)] }), EDGES, NOW);
  assert.deepEqual(found.due, [0.25, 0.75]);
  assert.deepEqual(found.marks.map((m) => [m.kind, m.from, m.to]), [["run", 0.25, 0.25], ["run", 0.75, 0.85]]);
  assert.equal(found.band, null);
});

test("what still runs goes on until now, and what was never recorded is where it was sent", () => {
  const found = lane(entry({ on_time: 2, runs: [ran(30, { execution_state: null, ended_at: null }), ran(45, { execution_state: "STARTED", ended_at: null })] }), EDGES, NOW);
  assert.deepEqual(found.marks.map((m) => m.to), [0.5, 1]);
});

test("several that were missed reach to the next sending, or to now", () => {
  const open = lane(entry({ missed: 3, ledger: [missed(30, 3)] }), EDGES, NOW);
  assert.deepEqual(open.marks, [{ kind: "missed", from: 0.5, to: 1, count: 3, state: null }]);
  const closed = lane(entry({ missed: 3, ledger: [missed(30, 3)], runs: [ran(45)] }), EDGES, NOW);
  assert.deepEqual(closed.marks.map((m) => [m.kind, m.from, m.to]), [["missed", 0.5, 0.75], ["run", 0.75, 0.75]]);
});

test("a late one and a double one keep their kind, and stand once where both lists have them", () => {
  const late = ran(20, { state: "late", due_at: at(15) });
  const twice = ran(40, { state: "duplicate", due_at: null });
  const found = lane(entry({ late: 1, duplicate: 1, runs: [twice, late], ledger: [twice, late] }), EDGES, NOW);
  assert.deepEqual(found.marks.map((m) => m.kind), ["late", "duplicate"]);
  assert.deepEqual(found.due, [0.25]);
});

test("neighbours that cannot be told apart are one mark with their number and their worst state", () => {
  const runs = Array.from({ length: 20 }, (_, i) => ran(50 + i / 60, { execution_state: i === 7 ? "FAILURE" : "SUCCESS" }));
  const found = lane(entry({ on_time: 20, runs: runs.reverse() }), EDGES, NOW);
  assert.deepEqual(found.marks.map((m) => [m.count, m.state]), [[20, "FAILURE"]]);
  assert.ok(found.due.length < 5);
});

test("older sendings that are not listed are a band, as far back as no fault is hidden", () => {
  const known = { on_time: 500, first_sent_at: at(6), runs: [ran(54)] };
  assert.deepEqual(lane(entry(known), EDGES, NOW).band, [0.1, 0.9]);
  const faults = Array.from({ length: 50 }, (_, i) => missed(30 + i / 10));
  assert.deepEqual(lane(entry({ ...known, ledger: faults }), EDGES, NOW).band, [0.5, 0.9]);
});

test("what lies outside of the window is not drawn, and what comes next is", () => {
  const edges = edgesOf(START, END);
  const found = lane(entry({ on_time: 1, runs: [ran(-30)], next_due_at: at(61) }), edges, NOW);
  assert.deepEqual(found.marks, []);
  assert.equal(found.due.length, 1);
  assert.ok(found.due[0]! > found.now && found.due[0]! < 1);
});

test("ten thousand lines make no more marks than a lane has room for", () => {
  const runs = Array.from({ length: 10_000 }, (_, i) => ran(i * 0.006));
  assert.ok(lane(entry({ runs }), EDGES, NOW).marks.length < 200);
});

test("entries with the worst faults stand first, and every state has a shape and a word", () => {
  const rows = [entry({ entry: "b", sent: 1 }), entry({ entry: "a", sent: 1 }), entry({ late: 1 }), entry({ missed: 1, late: 5 }), entry({ enabled: false })];
  assert.deepEqual([...rows].sort(byTrouble).map(worst), ["missed", "late", "on_time", "on_time", "off"]);
  assert.equal([...rows].sort(byTrouble)[2]!.entry, "a");
  assert.equal(scheduleMark("toString").word, "toString");
});
