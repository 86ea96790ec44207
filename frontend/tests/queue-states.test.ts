import assert from "node:assert/strict";
import { test } from "node:test";
import type { QueueDetail } from "../src/api/queues.ts";
import { answer, complaint, condition, notes, queueMark, reasons, slotsMissing, standing, urgency } from "../src/queues/queue-states.ts";
import * as everywhere from "../src/words/queue-marks.ts";

const plain = (text: string) => text.replaceAll("\u202f", " ");
const worker = { worker: "w1@a", slots: 2, busy: 2, running: 1, held: 3, eta_held: 0, queues: ["mail"] };

function row(changes: Partial<QueueDetail> = {}): QueueDetail {
  const known = {
    queue: "mail", state: "ok", backlog: 0, oldest_seconds: null, held: 0, eta_held: 0, delivered_twice: 0, running: 0, unacked: 0, consumers: 1,
    broker_consumers: null, published: 10, ended: 10, in_per_second: 1, start_per_second: 1, out_per_second: 1, empties_in_seconds: null, notes: [],
    wait_seconds: {}, broker: { kind: "redis", sampled_at: null, visibility_timeout_seconds: 3600 }, workers: [worker],
    tasks: [{ task: "shop.mail", runtime_seconds: { count: 10, total: 20 } }],
  };
  return { ...known, ...changes } as unknown as QueueDetail;
}

test("a queue's figures come to one condition", () => {
  const of = (changes: Partial<QueueDetail>) => condition(row(changes));
  assert.equal(of({}), "empty");
  assert.equal(of({ running: 1 }), "moving");
  assert.equal(of({ eta_held: 2 }), "later");
  assert.equal(of({ backlog: 5, consumers: 0 }), "abandoned");
  assert.equal(of({ backlog: 5, oldest_seconds: 4, consumers: 0, broker_consumers: 2 }), "moving", "the broker knows of workers without a Monitor");
  assert.equal(of({ backlog: 5, oldest_seconds: 4, consumers: 0, broker_consumers: 0 }), "abandoned");
  assert.equal(of({ backlog: 5, oldest_seconds: 40 }), "growing");
  assert.equal(of({ backlog: 5, oldest_seconds: 4 }), "moving");
  assert.equal(of({ backlog: 5, oldest_seconds: 40, empties_in_seconds: 10 }), "moving");
  assert.equal(of({ backlog: 5, oldest_seconds: 400, start_per_second: 0, out_per_second: 0 }), "blocked");
  assert.equal(of({ backlog: null }), "unknown");
  assert.equal(of({ backlog: 5, empties_in_seconds: 9, state: "critical" }), "alert");
  assert.equal(of({ eta_held: 1, delivered_twice: 1 }), "twice");
  assert.equal(of({ published: 0, ended: 0, notes: ["nobody has ever published to this queue"] }), "unused");
  assert.equal(of({ published: 0, ended: 0, notes: ["nobody has ever published to this queue; did you mean 'mial', which nobody consumes?"] }), "noted");
});

test("an unknown depth is never told as zero", () => {
  assert.equal(answer(row({ backlog: null })), "How much waits in the broker is not known");
});

test("the answer says how much waits since when and where that goes", () => {
  const of = (changes: Partial<QueueDetail>) => plain(answer(row({ backlog: 212, oldest_seconds: 41, ...changes })));
  assert.equal(of({ in_per_second: 14.2, out_per_second: 11.1 }), "212 messages wait, the oldest for 41 s; growing by 186 /min");
  assert.equal(of({ empties_in_seconds: 61 }), "212 messages wait, the oldest for 41 s; empty in 1 m 1 s at this rate");
  assert.equal(of({ consumers: 0, oldest_seconds: null }), "212 messages wait, and nobody takes from it");
  assert.equal(plain(answer(row({ backlog: 1, oldest_seconds: 1 }))), "1 message waits, the oldest for 1 s");
});

test("a queue that wants a look says why, also when nothing waits in it", () => {
  const of = (changes: Partial<QueueDetail>) => plain(complaint(row(changes), 3600));
  assert.equal(of({ eta_held: 2, delivered_twice: 2 }), "2 messages are due only after the broker gives them out again (visibility timeout 1 h): will run twice");
  assert.equal(of({ running: 1, state: "warning" }), "Nothing waits in the broker");
  assert.equal(of({ backlog: 1, oldest_seconds: 1, notes: ["did you mean 'mial'?"] }), "1 message waits, the oldest for 1 s; did you mean 'mial'?");
});

test("a full pool is named with what fills it, and with the slots that it lacks", () => {
  const slot = (id: string, task: string) => ({ worker: "w1@a", pid: 1, id, task, seconds: 3 });
  const waiting = [{ slots: [slot("1", "nightly.merge"), slot("2", "shop.mail")] }, { slots: [slot("1", "nightly.merge"), slot("3", "nightly.merge")] }];
  const found = reasons(row({ backlog: 300, running: 1, in_per_second: 1, out_per_second: 1 }), waiting as never).map(plain);
  assert.equal(found[0], "all 2 slots of w1@a are busy, 1 with tasks of other queues; most with nightly.merge");
  assert.equal(found[1], "about 2 more slots for this queue alone would empty it in 5 m");
});

test("more slots are not asked for where some are free, or where it empties soon", () => {
  const busy = { backlog: 300, in_per_second: 1, out_per_second: 1 };
  assert.equal(slotsMissing(row(busy)), 2);
  assert.equal(slotsMissing(row({ ...busy, workers: [{ ...worker, busy: 1 }] })), null);
  assert.equal(slotsMissing(row({ ...busy, empties_in_seconds: 60 })), null);
  assert.equal(slotsMissing(row({ ...busy, tasks: [] })), null);
});

test("messages that will run twice are told with the reason", () => {
  const [told = ""] = reasons(row({ eta_held: 1, delivered_twice: 1 }), []);
  assert.equal(plain(told), "1 message is due only after the broker gives it out again (visibility timeout 1 h): will run twice");
});

test("a note does not repeat what the state says", () => {
  const typo = { backlog: 5, consumers: 0, notes: ["no worker consumes this queue; did you mean 'mail', which is consumed?"] };
  assert.deepEqual(notes(row(typo)), ["did you mean 'mail', which is consumed?"]);
  assert.deepEqual(notes(row({ ...typo, notes: ["no worker consumes this queue"] })), []);
});

test("all queues together are as the worst of them", () => {
  const all = [row(), row({ backlog: 5, oldest_seconds: 40 }), row({ backlog: 5, consumers: 0 })];
  assert.equal(plain(standing(all).text), "2 of 3 queues want a look");
  assert.deepEqual(standing(all).mark, queueMark(all[2]!));
  assert.equal(standing([row()]).text, "Nothing waits");
});

test("a queue that nobody takes from is as severe on every page as its alert, a warning before it fires", () => {
  for (const [state, shape] of [["ok", "▲"], ["warning", "▲"], ["critical", "■"]] as const) {
    const alone = row({ backlog: 5, consumers: 0, state });
    assert.equal(queueMark(alone).shape, shape);
    assert.deepEqual(everywhere.queueMark(alone), queueMark(alone));
  }
});

test("a queue with another alert is as severe as that on every page", () => {
  for (const state of ["warning", "critical"] as const) {
    const told = row({ backlog: 500, empties_in_seconds: 9, state });
    const [here, there] = [queueMark(told), everywhere.queueMark(told)];
    assert.deepEqual([here.shape, here.tone], [there.shape, there.tone]);
  }
});

test("what is critical stands before what is a warning", () => {
  const blocked = row({ backlog: 5, oldest_seconds: 400, start_per_second: 0, out_per_second: 0 });
  const alone = row({ backlog: 5, consumers: 0 });
  assert.ok(urgency(blocked) < urgency(alone));
  assert.ok(urgency({ ...alone, state: "critical" }) < urgency(blocked));
  assert.ok(urgency(alone) < urgency(row({ backlog: 5, oldest_seconds: 40 })));
});
