/** Runs as the API answers them, made of few words. */

import type { Folded } from "../src/api/runs.ts";
import type { RunDetail, StepAttempt, StepExecution } from "../src/runs/steps.ts";

export const T0 = Date.parse("2026-11-20T10:00:00Z") / 1000;
export const iso = (t: number | null) => (t === null ? null : new Date((T0 + t) * 1000).toISOString());
export const time = (t: number | null) => (t === null ? null : T0 + t);
export const NOW = T0 + 100;
export const NONE = new Set<string>();

/** An attempt from `start` to `end` (null: it runs), s after the begin. */
export function attempt(start: number, end: number | null, more: Partial<StepAttempt> = {}): StepAttempt {
  return {
    uid: `${start}`, parent_uid: null, state: end === null ? "STARTED" : "SUCCESS", worker: "w", started_at: time(start), ended_at: time(end),
    runtime_seconds: end === null ? null : end - start, wait_seconds: null, retries: 0, exception: null, ...more,
  };
}

export function step(id: string, parent: string | null, attempts: StepAttempt[], more: Partial<StepExecution> = {}): StepExecution {
  const end = attempts.at(-1)?.ended_at ?? null;
  return {
    id, task: `t.${id}`, state: attempts.at(-1)?.state ?? "WAITING", reason: null, queue: "q", parent_id: parent, group_id: null,
    published_at: time(0), ended_at: end, labels: {}, infrastructure: false, on_path: false, attempt_count: attempts.length, attempts, ...more,
  };
}

export function run(executions: StepExecution[], more: Partial<RunDetail> = {}): RunDetail {
  return {
    published_at: iso(0), started_at: iso(0), ended_at: null, duration_seconds: 10, state: "SUCCEEDED", executions, folded: [], planned: [], spans: [],
    waits: [], path: [], ...more,
  } as unknown as RunDetail;
}

/** So many executions of a task that are not shown one by one. */
export function folded(parent: string | null, task: string, count: number, more: Partial<Folded> = {}): Folded {
  return {
    parent_id: parent, after: null, task: `t.${task}`, count, states: { SUCCESS: count }, started_at: iso(1), ended_at: iso(2), runtime_seconds: count,
    p50_seconds: 1, ...more,
  };
}
