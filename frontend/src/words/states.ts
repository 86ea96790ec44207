/** States of runs and executions as word, shape and tone: the same everywhere. */

import type { Mark } from "./marks.ts";

const RUNS: Record<string, Mark> = {
  RUNNING: { shape: "▶", word: "running", tone: "running" },
  SUCCEEDED: { shape: "●", word: "succeeded", tone: "ok" },
  PARTIAL: { shape: "▲", word: "partial", tone: "warning" },
  STUCK: { shape: "▲", word: "stuck", tone: "warning" },
  FAILED: { shape: "■", word: "failed", tone: "critical" },
};

const EXECUTIONS: Record<string, Mark> = {
  WAITING: { shape: "◌", word: "waiting", tone: "waiting" },
  STARTED: { shape: "▶", word: "running", tone: "running" },
  SUCCESS: { shape: "●", word: "succeeded", tone: "ok" },
  RETRY: { shape: "↻", word: "retried", tone: "warning" },
  FAILURE: { shape: "■", word: "failed", tone: "critical" },
  LOST: { shape: "◆", word: "lost", tone: "lost" },
  STORE_FAILED: { shape: "■", word: "result not stored", tone: "critical" },
  UNREGISTERED: { shape: "■", word: "unknown task", tone: "critical" },
  BAD_MESSAGE: { shape: "■", word: "bad message", tone: "critical" },
  REVOKED: { shape: "○", word: "revoked", tone: "unknown" },
  EXPIRED: { shape: "○", word: "expired", tone: "unknown" },
  IGNORED: { shape: "○", word: "ignored", tone: "unknown" },
  REPLACED: { shape: "○", word: "replaced", tone: "unknown" },
  REJECTED: { shape: "○", word: "rejected", tone: "unknown" },
  INTERRUPTED: { shape: "◆", word: "interrupted", tone: "lost" },
  NEVER_PUBLISHED: { shape: "□", word: "never published", tone: "unknown" },
  PLANNED: { shape: "□", word: "planned", tone: "unknown" },
  MISSING: { shape: "▲", word: "overdue", tone: "warning" },
  UNREACHED: { shape: "□", word: "never reached", tone: "unknown" },
  SKIPPED: { shape: "□", word: "skipped", tone: "unknown" },
};

export const RUN_STATES = Object.keys(RUNS);
/** Those that a list can be narrowed to. */
export const EXECUTION_STATES = Object.keys(EXECUTIONS).slice(0, 16);

/** The mark of a run's state; one this page does not know is shown as it is written. */
export function runMark(state: string): Mark {
  return own(RUNS, state);
}

/** The mark of an execution's, an attempt's or a planned step's state. */
export function executionMark(state: string): Mark {
  return own(EXECUTIONS, state);
}

/** Reasons that say more than the state does: "hard timeout" of a failure. */
export function because(state: string, reason: string | null): string | null {
  const same = !reason || ["ok", "error", state.toLowerCase()].includes(reason);
  return same ? null : reason.replaceAll("_", " ");
}

function own(marks: Record<string, Mark>, state: string): Mark {
  return Object.hasOwn(marks, state) ? marks[state]! : { shape: "○", word: state.toLowerCase(), tone: "unknown" };
}
