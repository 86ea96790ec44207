/** Levels of log records as word, shape and tone. */

import type { Mark } from "./marks.ts";

const MARKS: Record<string, Mark> = {
  DEBUG: { shape: "·", word: "debug", tone: "unknown" },
  INFO: { shape: "○", word: "info", tone: "unknown" },
  WARNING: { shape: "▲", word: "warning", tone: "warning" },
  ERROR: { shape: "■", word: "error", tone: "critical" },
  CRITICAL: { shape: "◆", word: "critical", tone: "critical" },
};

export const LEVELS = Object.keys(MARKS);

/** The mark of a level; one of the user's own is shown as it is written. */
export function levelMark(level: string): Mark {
  return Object.hasOwn(MARKS, level) ? MARKS[level]! : { shape: "○", word: level.toLowerCase(), tone: "unknown" };
}
