/** State as word and shape; the colour comes from the class, so that it is never alone. */

import type { State } from "../api/basics.ts"
import type { Alert, WorkerRow } from "../api/summary.ts";

export interface Mark {
  shape: string;
  word: string;
  tone: "ok" | "warning" | "critical" | "unknown" | "running" | "waiting" | "lost";
}

const MARKS: Record<State | WorkerRow["state"], Mark> = {
  ok: { shape: "●", word: "All well", tone: "ok" },
  warning: { shape: "▲", word: "Warning", tone: "warning" },
  critical: { shape: "■", word: "Critical", tone: "critical" },
  stale: { shape: "○", word: "Stale", tone: "unknown" },
  empty: { shape: "○", word: "Nothing recorded yet", tone: "unknown" },
  lost: { shape: "◆", word: "Lost", tone: "lost" },
  stopped: { shape: "○", word: "Stopped", tone: "unknown" },
};

/** The mark of a state; one this page does not know is shown as it is written. */
export function mark(state: string): Mark {
  return (Object.hasOwn(MARKS, state) && MARKS[state as State]) || { shape: "○", word: state, tone: "unknown" };
}

/** The mark of an alert: what has ended is quiet. */
export function alertMark(alert: Alert): Mark {
  if (alert.state === "firing") return { ...mark(alert.severity), word: alert.severity };
  return { shape: "○", word: alert.state, tone: alert.state === "pending" ? "warning" : "unknown" };
}
