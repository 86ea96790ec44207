/** The answer about beats, their entries and the ledger of each, field by field as docs/api.md has it. */

import type { Num, Spread } from "./basics.ts";
import type { Span } from "./workers.ts";

export interface Beat {
  beat: string;
  boot: string;
  state: string;
  host: string | null;
  pid: number | null;
  scheduler: string | null;
  started_at: string | null;
  seen_at: string | null;
  loop_at: string | null;
  entries: number;
}

/** Something that was sent, or times that passed without. */
export interface Booking {
  state: "on_time" | "late" | "missed" | "duplicate" | "unsent";
  count: number;
  due_at: string | null;
  sent_at: string | null;
  late_seconds: Num;
  overlaps: boolean;
  reason: string | null;
  id: string | null;
  beat: string | null;
}

export interface Sending extends Booking {
  execution_state: string | null;
  started_at: string | null;
  ended_at: string | null;
  wait_seconds: Num;
  runtime_seconds: Num;
}

export interface Entry {
  entry: string;
  task: string;
  enabled: boolean;
  schedule: string;
  kind: string | null;
  queue: string | null;
  beats: string[];
  first_sent_at: string | null;
  last_sent_at: string | null;
  next_due_at: string | null;
  expected: number;
  sent: number;
  on_time: number;
  late: number;
  missed: number;
  duplicate: number;
  unsent: number;
  overlapping: number;
  drift_seconds: { avg: Num; max: Num };
  runtime_seconds: Spread;
  ledger: Booking[];
  runs: Sending[];
}

export interface Schedule {
  window: Span;
  enabled: number;
  total: number;
  since: string | null;
  notes: string[];
  beats: Beat[];
  entries: Entry[];
}
