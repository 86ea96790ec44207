/** Answers about queues, what waits in them and what beats send, field by field as docs/api.md has them. */

import type { Num, Spread } from "./basics.ts";
import type { History, Span } from "./workers.ts";

export interface Broker {
  kind: string | null;
  sampled_at: string | null;
  visibility_timeout_seconds: Num;
}

export interface Queue {
  queue: string;
  state: "ok" | "warning" | "critical";
  backlog: Num;
  oldest_seconds: Num;
  held: number;
  eta_held: number;
  delivered_twice: number;
  running: number;
  unacked: Num;
  consumers: number;
  broker_consumers: Num;
  published: number;
  ended: number;
  in_per_second: Num;
  start_per_second: Num;
  out_per_second: Num;
  empties_in_seconds: Num;
  wait_seconds: Spread;
  notes: string[];
  spark: Num[];
}

export interface Queues {
  window: Span;
  broker: Broker;
  queues: Queue[];
}

export interface QueueWorker {
  worker: string;
  slots: Num;
  busy: number;
  running: number;
  held: number;
  eta_held: number;
  queues: string[];
}

export interface QueueTask {
  task: string;
  published: number;
  ended: number;
  rate_per_second: Num;
  wait_seconds: Spread;
  runtime_seconds: Spread;
}

export interface QueueDetail extends Omit<Queue, "spark"> {
  window: Span & { step_seconds: number };
  broker: Broker;
  series: History<
    | "backlog" | "oldest_seconds" | "held" | "eta_held" | "unacked" | "running" | "in_per_second" | "start_per_second"
    | "out_per_second" | "wait_p50" | "wait_p95" | "wait_p99"
  >;
  workers: QueueWorker[];
  tasks: QueueTask[];
}

/** What runs in a slot that is waited for. */
export interface Slot {
  worker: string;
  pid: number | null;
  id: string | null;
  task: string | null;
  seconds: number;
}

/** Why an execution waits. */
export interface Waiting {
  published_at: string | null;
  due_at: string | null;
  held_by: string | null;
  held_since: string | null;
  because: "eta" | "retry" | "slot" | "held" | "broker" | "no_consumer";
  text: string;
  seconds: number;
  eta_seconds: number;
  retry_backoff_seconds: number;
  broker_seconds: number;
  hold_seconds: number;
  hold_error_seconds: number;
  remaining_seconds: number;
  slots: Slot[];
  delivered_twice: boolean;
  delivered_twice_at: string | null;
}

export interface WaitingRow extends Waiting {
  id: string;
  task: string | null;
  run_id: string | null;
}

export interface WaitingNow {
  queue: string;
  backlog: Num;
  oldest: WaitingRow[];
  newest: WaitingRow[];
}

/** How a Redis server is; part of `/health`. */
export interface RedisServer {
  used_bytes: Num;
  max_bytes: Num;
  memory_ratio: Num;
  clients: Num;
  blocked_clients: Num;
  evicted_keys: Num;
  hit_ratio: Num;
  latency_seconds: Num;
  uptime_seconds: Num;
  version: string | null;
  policy: string | null;
  role: string | null;
  errors: string[];
}

export interface ServerHealth {
  redis?: { broker: RedisServer | null; store: RedisServer | null; same_server: boolean | null; sampled_at: string | null };
}
