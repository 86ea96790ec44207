/** The summary behind the overview, and the frames of the live socket. */

import type { ApiError, Num, Spread, State } from "./basics.ts";

export interface Reason {
  state: State;
  text: string;
  rule: string | null;
  subject: string | null;
}

export interface Totals {
  published: number;
  ended: number;
  succeeded: number;
  failed: number;
  retried: number;
  revoked: number;
  lost: number;
  other: number;
  success_ratio: Num;
  rate_per_second: Num;
  running: number;
  runtime_seconds: Spread;
  wait_seconds: Spread;
  cpu_seconds: Spread;
}

export interface Compare {
  ended: Num;
  failed: Num;
  success_ratio: Num;
  rate_per_second: Num;
  runtime_p95_seconds: Num;
  wait_p95_seconds: Num;
}

export interface Lifetime {
  published: number;
  ended: number;
  succeeded: number;
  failed: number;
  retried: number;
  revoked: number;
  lost: number;
  since: string | null;
}

export interface Series {
  /** Start of each step, seconds since the epoch. */
  t: number[];
  published: Num[];
  succeeded: Num[];
  failed: Num[];
  retried: Num[];
  other: Num[];
  runtime_p50: Num[];
  runtime_p95: Num[];
  runtime_p99: Num[];
  wait_p95: Num[];
  backlog: Num[];
  busy_ratio: Num[];
}

export interface TaskRow {
  task: string;
  queues: string[];
  published: number;
  ended: number;
  succeeded: number;
  failed: number;
  retried: number;
  other: number;
  success_ratio: Num;
  rate_per_second: Num;
  runtime_seconds: Spread;
  wait_seconds: Spread;
  cpu_seconds: Spread;
  memory_peak_bytes: Num;
  errors: Record<string, number>;
  last_at: string | null;
  spark: Num[];
}

export interface QueueRow {
  queue: string;
  backlog: Num;
  oldest_seconds: Num;
  held: Num;
  unacked: Num;
  consumers: Num;
  published: number;
  ended: number;
  rate_per_second: Num;
  wait_seconds: Spread;
  state: State;
  spark: Num[];
  note: string | null;
}

export interface Running {
  id: string;
  task: string;
  queue: string;
  pid: number;
  started_at: string;
  seconds: Num;
}

export interface WorkerRow {
  worker: string;
  state: "ok" | "warning" | "lost" | "stopped";
  role: string;
  host: string;
  pid: number;
  pool: string | null;
  slots: Num;
  busy: Num;
  prefetched: Num;
  queues: string[];
  ended: number;
  failed: number;
  rate_per_second: Num;
  cpu_percent: Num;
  rss_bytes: Num;
  host_cpu_percent: Num;
  host_memory_ratio: Num;
  host_disk_ratio: Num;
  started_at: string | null;
  seen_at: string | null;
  spark: Num[];
  running: Running[];
}

export interface StepRow {
  step: string;
  ended: number;
  failed: number;
  runtime_seconds: Spread;
  share: Num;
}

export interface WorkflowRow {
  workflow: string;
  ended: number;
  failed: number;
  runtime_seconds: Spread;
  steps: StepRow[];
}

export interface Alert {
  rule: string;
  subject: string;
  state: "pending" | "firing" | "resolved";
  severity: "warning" | "critical";
  value: Num;
  threshold: Num;
  unit: string;
  since: string | null;
  changed_at: string | null;
  text: string;
}

export interface Health {
  store: string;
  folded_at: string | null;
  fold_lag_seconds: Num;
  ticker: string | null;
  agents: number;
  dropped: Record<string, number>;
  skipped_entries: number;
  stored_bytes: Num;
  notes: string[];
}

export interface Summary {
  namespace: string;
  generated_at: string;
  window: { seconds: number; step_seconds: number; start: string; end: string; clamped: string | null };
  state: State;
  reasons: Reason[];
  checks: { ok: number; total: number };
  totals: Totals;
  /** null when nothing was recorded in the period before. */
  compare: Compare | null;
  lifetime: Lifetime;
  series: Series;
  tasks: TaskRow[];
  queues: QueueRow[];
  workers: WorkerRow[];
  workflows: WorkflowRow[];
  runs: { active: number };
  waits: { open: number };
  schedules: { enabled: number; total: number };
  alerts: Alert[];
  health: Health;
}

/** What the live socket sends. */
export type Frame =
  | { kind: "summary"; summary: Summary }
  | { kind: "error"; error: ApiError }
  | { kind: "alive" };
