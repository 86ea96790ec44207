/** The shapes of `/executions`, `/runs`, `/workflows` and what hangs below them, field by field as docs/api.md has them. */

import type { Num } from "./basics.ts";
import type { Waiting } from "./queues.ts";

export interface Fault {
  type: string;
  message: string | null;
  traceback?: string | null;
}

export interface Attempt {
  uid: string;
  state: string;
  reason: string;
  worker: string | null;
  pid: number | null;
  started_at: string | null;
  ended_at: string | null;
  retries: Num;
  routing_key: string | null;
  wait_seconds: Num;
  hold_seconds: Num;
  hold_error_seconds: Num;
  runtime_seconds: Num;
  cpu_seconds: Num;
  rss_bytes: Num;
  rss_growth_bytes: Num;
  read_bytes?: Num;
  written_bytes?: Num;
  /** Of the network: null when nobody asked, or none were moved. */
  connections?: Num;
  network_sent_bytes?: Num;
  network_received_bytes?: Num;
  result_size_class: string | null;
  exception: Fault | null;
  fingerprint: string | null;
  /** null when it was not captured. */
  arguments?: unknown;
  result?: unknown;
}

export interface Execution {
  id: string;
  task: string | null;
  state: string;
  reason: string | null;
  queue: string | null;
  root_id: string | null;
  parent_id: string | null;
  group_id: string | null;
  run_id: string | null;
  workflow: string | null;
  published_at: string | null;
  ended_at: string | null;
  flags: string[];
  attempts: Attempt[];
  /** Where an attempt runs that has not ended; null for none. */
  running: { uid: string; worker: string | null; pid: number | null; started_at: string | null; seconds: Num } | null;
  /** Why it waits; null when it does not, and in lists. */
  waiting?: Waiting | null;
}

export interface Executions {
  executions: Execution[];
  next: string | null;
}

export interface Bottleneck {
  step: string;
  duration_seconds: Num;
  percentage_of_total: Num;
}

export interface Run {
  id: string;
  workflow: string | null;
  root_task: string | null;
  state: string;
  progress: Num;
  published_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  duration_seconds: Num;
  turnaround_seconds: Num;
  known: number;
  completed: number;
  failed: number;
  errors: number;
  retries: number;
  queue_wait_seconds: Num;
  cpu_seconds: Num;
  memory_peak_bytes: Num;
  span_count: number;
  bottleneck: Bottleneck | null;
  labels: Record<string, string>;
  continues_run_id: string | null;
  revision: number;
  tasks: string[];
  workers: string[];
  queues: string[];
}

export interface Runs {
  runs: Run[];
  next: string | null;
}

type Column<T> = readonly T[];

/** A run's executions shown one by one, field by field: texts by their position in `texts`, times in ms since `since`. */
export interface StepColumns {
  since: string | null;
  texts: readonly string[];
  id: Column<number>;
  task: Column<number>;
  state: Column<number>;
  reason: Column<Num>;
  queue: Column<Num>;
  parent_id: Column<Num>;
  group_id: Column<Num>;
  published_at: Column<Num>;
  ended_at: Column<Num>;
  labels: Column<Record<string, string>>;
  infrastructure: Column<boolean>;
  on_path: Column<boolean>;
  attempt_count: Column<number>;
  attempts: {
    /** Position of what it is an attempt of. */
    execution: Column<number>;
    uid: Column<number>;
    parent_uid: Column<Num>;
    state: Column<number>;
    worker: Column<Num>;
    started_at: Column<Num>;
    ended_at: Column<Num>;
    runtime_seconds: Column<Num>;
    wait_seconds: Column<Num>;
    hold_seconds: Column<Num>;
    retries: Column<Num>;
    exception: Column<Fault | null>;
  };
}

/** Executions that are not shown one by one. */
export interface Folded {
  /** The nearest one above them that is shown. */
  parent_id: string | null;
  /** Task of the folded ones that published them; null where the parent did. */
  after: string | null;
  task: string;
  count: number;
  states: Record<string, number>;
  started_at: string | null;
  ended_at: string | null;
  runtime_seconds: Num;
  /** Of all of the parent and task, those shown one by one too. */
  p50_seconds: Num;
}

export interface Planned {
  id: string | null;
  task: string;
  queue: string | null;
  after_id: string | null;
  group_id: string | null;
  body: boolean;
  steps: number;
  state: string;
}

export interface Span {
  id: string | null;
  uid: string | null;
  number: number;
  parent: number | null;
  span: string;
  kind: string | null;
  task: string | null;
  worker: string | null;
  started_at: string | null;
  ended_at: string | null;
  duration_seconds: Num;
  state: string;
  exception: Fault | null;
  api: string | null;
  api_status: Num;
  api_seconds: Num;
  attributes: unknown;
}

export interface Wait {
  wait: string;
  state: string;
  run_id: string | null;
  id: string | null;
  task: string | null;
  workflow: string | null;
  begun_at: string | null;
  ended_at: string | null;
  age_seconds: Num;
  outcome: string | null;
  ended_by: string | null;
}

export interface Names {
  count: number;
  names: string[];
}

export interface RunTotals {
  known: number;
  completed: number;
  succeeded: number;
  failed: number;
  attempts: number;
  errors: number;
  retries: number;
  success_ratio: Num;
  runtime_seconds: Num;
  step_average_seconds: Num;
  queue_wait_seconds: Num;
  cpu_seconds: Num;
  memory_peak_bytes: Num;
  spans: number;
  api_calls: number;
  waits: { wait: string; count: number; open: number; seconds: Num }[];
  tasks: Names;
  workers: Names;
  queues: Names;
}

export interface Measure {
  measure: string;
  kind: string;
  unit: string | null;
  count: number;
  sum: Num;
  avg: Num;
  min: Num;
  max: Num;
  last: Num;
}

/** With `form=columns`. */
export interface RunAnswer extends Run {
  description: string | null;
  continues: boolean;
  expired: boolean;
  totals: RunTotals;
  measures: Measure[];
  path: string[];
  executions: StepColumns;
  folded: Folded[];
  planned: Planned[];
  spans: Span[];
  waits: Wait[];
}

export interface LogRecord {
  at: string | null;
  level: string;
  logger: string;
  message: string;
  extra: unknown;
  exception: string | null;
  id: string | null;
  uid: string | null;
  task: string | null;
  workflow: string | null;
  worker: string | null;
}

export interface Logs {
  logs: LogRecord[];
  next: string | null;
}

export interface Window {
  seconds: number;
  start: string;
  end: string;
  clamped: string | null;
}

/** Statistics over a window, of a workflow, a step, a span or a wait. */
export interface Statistics {
  execution_count: number;
  success_count: number;
  failure_count: number;
  retry_count: number;
  success_rate: Num;
  total_seconds: Num;
  min_seconds: Num;
  max_seconds: Num;
  avg_seconds: Num;
  p50_seconds: Num;
  p95_seconds: Num;
  p99_seconds: Num;
  last_execution_at: string | null;
}

export interface WorkflowStatistics extends Statistics {
  workflow: string;
  /** What was counted: "runs" that are over, or "attempts" of steps where none is. */
  counts: string;
  turnaround_seconds: { avg: Num; p50: Num; p95: Num };
  spark: number[];
}

export interface Workflows {
  window: Window;
  workflows: WorkflowStatistics[];
}

export interface StepStatistics extends Statistics {
  step: string;
  share: Num;
}

export interface WorkflowDetail extends WorkflowStatistics {
  window?: Window;
  steps: StepStatistics[];
  runs: Run[];
}
