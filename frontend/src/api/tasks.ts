/** The shapes of `/tasks`, `/failures` and `/resources`, field by field as docs/api.md has them. */

import type { Execution, Window } from "./runs.ts";
import type { Num, Spread } from "./basics.ts"
import type { Compare, Series, TaskRow } from "./summary.ts";

export interface TaskFigures extends TaskRow {
  revoked: number;
  lost: number;
  turnaround_seconds: Spread;
  memory_bytes: Omit<Spread, "total">;
}

export interface TaskNames {
  window: Window;
  tasks: TaskFigures[];
}

export interface QueueFigures {
  queue: string | null;
  published: number;
  ended: number;
  succeeded: number;
  failed: number;
  retried: number;
  lost: number;
  success_ratio: Num;
  rate_per_second: Num;
  runtime_seconds: Spread;
  wait_seconds: Spread;
}

export interface WorkerFigures {
  worker: string | null;
  ended: number;
  failed: number;
  runtime_seconds: { count: number; avg: Num; max: Num; p50: Num; p95: Num };
}

/** Columns of time, each with its counts by row; row i is above `bounds[i]` seconds and up to `bounds[i + 1]`. */
export interface Heatmap {
  t: number[];
  bounds: number[];
  counts: number[][];
}

export type TaskSeries = Omit<Series, "backlog" | "busy_ratio">;

export interface TaskDetail extends Omit<TaskFigures, "queues"> {
  window: Window & { step_seconds: number };
  queues: QueueFigures[];
  /** null without a period before. */
  compare: Compare | null;
  series: TaskSeries;
  heatmap: Heatmap;
  /** What the newest attempts still stored say; `complete`: they are all of the window. */
  workers: { attempts: number; since: string; complete: boolean; rows: WorkerFigures[] };
  failures: Failure[];
  newest_failures: Execution[];
}

/** Ends with an exception of one kind; the row of all other kinds has no fingerprint. */
export interface Failure {
  fingerprint: string | null;
  exception: string | null;
  message: string | null;
  count: number;
  retried: number;
  first_at: string | null;
  last_at: string | null;
  spark: Num[];
  tasks: { task: string; queue: string; count: number }[];
  workers: { worker: string; count: number; ended: number }[];
  stands_out: { worker: string; times: Num } | null;
  note: string | null;
}

export interface Failures {
  window: Window;
  failed: number;
  lost: number;
  grouped: number;
  kinds: number;
  failures: Failure[];
}

export interface FailureSample {
  id: string;
  uid: string;
  run_id: string | null;
  task: string | null;
  worker: string | null;
  ended_at: string | null;
  type: string;
  message: string | null;
  traceback: string | null;
}

export interface FailureDetail extends Failure {
  window: Window;
  queues: { queue: string; count: number }[];
  series: { t: number[]; failed: Num[]; retried: Num[] };
  sample: FailureSample | null;
  runs: { run_id: string; workflow: string | null }[];
  executions: Execution[];
  next: string | null;
}

export interface TaskResources {
  task: string;
  runs: number;
  attributed_ratio: Num;
  cpu_seconds: { total: Num; avg: Num; p50: Num; p95: Num; max: Num; share: Num };
  memory_bytes: { peak: Num; p50: Num; p95: Num };
  growth: { bytes_per_1000_runs: Num; confidence: string; max_tasks_per_child: Num; note: string | null };
  read_bytes: Num;
  written_bytes: Num;
  network_sent_bytes: Num;
  network_received_bytes: Num;
}

export interface Resources {
  window: Window;
  by: string;
  tasks: TaskResources[];
}
