/** States of workers and hosts as word, shape and tone, and which of them want a look first. */

import type { Worker, WorkerState } from "../api/workers.ts";
import { age } from "./format.ts";
import type { Mark } from "./marks.ts";

const MARKS: Record<WorkerState | "gone", Mark> = {
  zombie: { shape: "■", word: "takes nothing", tone: "critical" },
  lost: { shape: "◆", word: "lost", tone: "lost" },
  skewed: { shape: "▲", word: "clock off", tone: "warning" },
  warning: { shape: "▲", word: "warning", tone: "warning" },
  ok: { shape: "●", word: "ok", tone: "ok" },
  stopped: { shape: "○", word: "stopped", tone: "unknown" },
  gone: { shape: "○", word: "gone", tone: "unknown" },
};
const ORDER = Object.keys(MARKS);

/** The mark of a worker's or host's state; one this page does not know is shown as it is written. */
export function workerMark(state: string): Mark {
  return Object.hasOwn(MARKS, state) ? MARKS[state as WorkerState] : { shape: "○", word: state, tone: "unknown" };
}

/** Rank of a state: what needs somebody stands first. */
export function rank(state: string): number {
  const place = ORDER.indexOf(state);
  return place < 0 ? ORDER.length : place;
}

/** Whether a worker belongs to the past: it said goodbye, or was lost before the window. */
export function isGone(row: Pick<Worker, "state" | "seen_at">, windowSeconds: number, now: Date): boolean {
  if (row.state === "stopped") return true;
  return row.state === "lost" && (age(row.seen_at, now) ?? Infinity) > windowSeconds;
}

export interface Standing {
  mark: Mark;
  /** What the page says first. */
  text: string;
}

/** How workers stand together: the worst state among them, and how many are in it. */
export function standing(rows: readonly Pick<Worker, "state">[]): Standing {
  const n = (state: string) => rows.filter((r) => r.state === state).length;
  const bad = ["zombie", "lost", "skewed", "warning"].filter((state) => n(state) > 0);
  if (rows.length === 0) return { mark: workerMark("gone"), text: "No worker answers" };
  const worst = bad[0];
  const all = `${rows.length} worker${rows.length === 1 ? "" : "s"}`;
  if (!worst) return { mark: workerMark("ok"), text: rows.length === 1 ? "The worker is well" : `All ${all} are well` };
  const many = bad.reduce((sum, state) => sum + n(state), 0);
  const how = worst === "warning" ? "" : `: ${bad.map((state) => `${n(state)} ${workerMark(state).word}`).join(", ")}`;
  return { mark: workerMark(worst), text: `${many} of ${all} ${many === 1 ? "wants" : "want"} a look${how}` };
}
