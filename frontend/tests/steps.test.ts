import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunAnswer, StepColumns } from "../src/api/runs.ts";
import { detail } from "../src/runs/steps.ts";

const NONE = [null, null];
const columns: StepColumns = {
  since: "2026-11-20T10:00:00.250Z",
  texts: ["a", "t.a", "SUCCESS", "ok", "q", "b", "u1", "u2", "w"],
  id: [0, 5], task: [1, 1], state: [2, 2], reason: [3, null], queue: [4, null], parent_id: [null, 0], group_id: NONE, published_at: [0, null], ended_at: [1500, -250],
  labels: [{ user: "u1" }, {}], infrastructure: [false, true], on_path: [true, false], attempt_count: [2, 0],
  attempts: {
    execution: [0, 0], uid: [6, 7], parent_uid: [null, 6], state: [2, 2], worker: [8, null], started_at: [500, 1000], ended_at: [750, null], runtime_seconds: [0.25, null],
    wait_seconds: NONE, hold_seconds: NONE, retries: [0, 1], exception: [null, { type: "ValueError", message: null }],
  },
};

test("columns are steps again, with their attempts and times in seconds", () => {
  const at = Date.parse("2026-11-20T10:00:00.250Z") / 1000;
  const { executions, state } = detail({ state: "SUCCEEDED", executions: columns } as unknown as RunAnswer);
  const [a, b] = executions;
  assert.equal(state, "SUCCEEDED");
  assert.deepEqual([a!.id, a!.task, a!.queue, a!.parent_id, a!.labels], ["a", "t.a", "q", null, { user: "u1" }]);
  assert.deepEqual([b!.id, b!.parent_id, b!.reason, b!.published_at, b!.ended_at], ["b", "a", null, null, at - 0.25]);
  assert.deepEqual(b!.attempts, []);
  assert.deepEqual(a!.attempts.map((t) => [t.uid, t.parent_uid, t.started_at, t.ended_at, t.retries]), [["u1", null, at + 0.5, at + 0.75, 0], ["u2", "u1", at + 1, null, 1]]);
  assert.equal(a!.attempts[1]!.exception?.type, "ValueError");
});
