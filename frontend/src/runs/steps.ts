/** A run as its page works with it: the steps shown one by one are objects again. */

import type { Num } from "../api/basics.ts";
import type { Fault, RunAnswer, StepColumns } from "../api/runs.ts";

/** Times are seconds since the epoch. */
export interface StepAttempt {
  uid: string;
  parent_uid: string | null;
  state: string;
  worker: string | null;
  started_at: Num;
  ended_at: Num;
  runtime_seconds: Num;
  wait_seconds: Num;
  hold_seconds?: Num;
  retries: Num;
  exception: Fault | null;
}

export interface StepExecution {
  id: string;
  task: string;
  state: string;
  reason: string | null;
  queue: string | null;
  parent_id: string | null;
  group_id: string | null;
  published_at: Num;
  ended_at: Num;
  labels: Record<string, string>;
  infrastructure: boolean;
  on_path: boolean;
  attempt_count: number;
  attempts: StepAttempt[];
}

export interface RunDetail extends Omit<RunAnswer, "executions"> {
  executions: StepExecution[];
}

export function detail(answer: RunAnswer): RunDetail {
  return { ...answer, executions: steps(answer.executions) };
}

function steps(c: StepColumns): StepExecution[] {
  const text = (position: number) => c.texts[position]!;
  const told = (position: Num | undefined) => (position == null ? null : c.texts[position]!);
  const since = c.since ? Date.parse(c.since) : 0;
  const time = (ms: Num | undefined) => (ms == null ? null : (since + ms) / 1000);
  const found = c.id.map((id, i): StepExecution => ({
    id: text(id),
    task: told(c.task[i]) ?? "",
    state: text(c.state[i]!),
    reason: told(c.reason[i]),
    queue: told(c.queue[i]),
    parent_id: told(c.parent_id[i]),
    group_id: told(c.group_id[i]),
    published_at: time(c.published_at[i]),
    ended_at: time(c.ended_at[i]),
    labels: c.labels[i]!,
    infrastructure: c.infrastructure[i]!,
    on_path: c.on_path[i]!,
    attempt_count: c.attempt_count[i]!,
    attempts: [],
  }));
  const a = c.attempts;
  a.execution.forEach((of, i) => found[of]!.attempts.push({
    uid: text(a.uid[i]!),
    parent_uid: told(a.parent_uid[i]),
    state: text(a.state[i]!),
    worker: told(a.worker[i]),
    started_at: time(a.started_at[i]),
    ended_at: time(a.ended_at[i]),
    runtime_seconds: a.runtime_seconds[i]!,
    wait_seconds: a.wait_seconds[i]!,
    hold_seconds: a.hold_seconds[i]!,
    retries: a.retries[i]!,
    exception: a.exception[i]!,
  }));
  return found;
}
