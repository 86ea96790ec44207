/** Answers about workers, hosts and what tasks cost, field by field as docs/api.md has them. */

import type { Num, Spread } from "./basics.ts"
import type { Running, WorkerRow } from "./summary.ts";

export interface Span {
  seconds: number;
  start: string;
  end: string;
  clamped: string | null;
}

export type WorkerState = WorkerRow["state"] | "zombie" | "skewed";

export interface Worker extends Omit<WorkerRow, "state" | "running"> {
  state: WorkerState;
  running: Running[];
  /** Why the state is not ok. */
  note: string | null;
  free: Num;
  prefetch_limit: Num;
  max_memory_per_child_bytes: Num;
  uptime_seconds: Num;
  restarts: number;
  exits: Record<string, number>;
  build: string | null;
  versions: Record<string, string>;
  clock_offset_seconds: Num;
  taken_at: string | null;
}

export interface Workers {
  window: Span;
  workers: Worker[];
}

export interface Process {
  pid: number | null;
  cpu_percent: Num;
  rss_bytes: Num;
  peak_rss_bytes: Num;
  uss_bytes: Num;
  threads: Num;
  fds: Num;
  switches: Num;
  involuntary_switches: Num;
  read_bytes: Num;
  written_bytes: Num;
  started_at: string | null;
  task: { id: string; task: string; queue: string; seconds: number } | null;
}

export interface Death {
  pid: number;
  at: string | null;
  exit: string;
  code: number | null;
  running: { id: string; task: string; started_at: string | null }[];
}

export interface Life {
  started_at: string | null;
  seen_at: string | null;
  stopped: boolean;
  host: string;
  pid: number;
  build: string | null;
}

/** Values per point; `t` is the start of each, in seconds since the epoch. */
export type History<Name extends string> = Record<Name, Num[]> & { t: number[] };

export interface WorkerDetail extends Worker {
  window: Span;
  /** Absent of workers of which only the past is known. */
  main?: Process;
  children?: Process[];
  deaths?: Death[];
  totals: {
    ended: number;
    succeeded: number;
    failed: number;
    retried: number;
    lost: number;
    success_ratio: Num;
    rate_per_second: Num;
    runtime_seconds: Spread;
  };
  lives: Life[];
  series: History<
    | "ended" | "failed" | "runtime_p50" | "runtime_p95" | "runtime_p99" | "cpu_percent" | "rss_bytes" | "busy" | "slots"
    | "prefetched" | "threads" | "fds" | "read_bytes_s" | "written_bytes_s" | "switches_s"
  >;
}

export interface RoleSum {
  count: number;
  cpu_percent: number;
  rss_bytes: number;
}

export interface Host {
  host: string;
  state: "ok" | "gone";
  seen_at: string | null;
  cpu_percent: Num;
  cpus: Num;
  load1: Num;
  memory_used_bytes: Num;
  memory_total_bytes: Num;
  swap_used_bytes: Num;
  swap_total_bytes: Num;
  disk_used_bytes: Num;
  disk_total_bytes: Num;
  sent_bytes_s: Num;
  received_bytes_s: Num;
  machine_cpus: Num;
  machine_memory_bytes: Num;
  throttled_ratio: Num;
  memory_ratio: Num;
  swap_ratio: Num;
  disk_ratio: Num;
  limits: { cpus: Num; memory_bytes: Num } | null;
  processes: Record<string, RoleSum>;
  workers: string[];
}

export interface Hosts {
  hosts: Host[];
  /** Of all hosts together. */
  processes: Record<string, RoleSum>;
}

export interface HostDetail extends Host {
  window: Span;
  series: History<
    "cpu_percent" | "load1" | "memory_ratio" | "swap_ratio" | "disk_ratio" | "sent_bytes_s" | "received_bytes_s"
  >;
}

export interface Cost {
  total: Num;
  avg: Num;
  p50: Num;
  p95: Num;
  max: Num;
  share: Num;
}

export interface ResourceRow {
  task: string;
  queues: string[];
  runs: number;
  attributed_ratio: Num;
  cpu_seconds: Cost;
  runtime_seconds: Cost;
  memory_bytes: { peak: Num; p50: Num; p95: Num };
  growth: { bytes_per_1000_runs: number; confidence: "none" | "low" | "likely" | "high"; max_tasks_per_child: Num; note: string | null };
  read_bytes: Num;
  written_bytes: Num;
  reads: Num;
  writes: Num;
  switches: Num;
  involuntary_switches: Num;
  connections: Num;
  network_sent_bytes: Num;
  network_received_bytes: Num;
}

export interface Resources {
  window: Span;
  by: string;
  tasks: ResourceRow[];
}
