/** How a figure compares with the period before: direction, size, and whether that is good. */

import type { Num } from "../api/basics.ts";
import { count, digits } from "./format.ts";

export type Verdict = "better" | "worse" | "neutral";

export interface Change {
  text: string;
  verdict: Verdict;
}

const NOTABLE = 0.05; // relative change below which nothing is called better or worse

/**
 * Relative change as "▲ 38 %".
 * @param less whether less is better; undefined when neither direction is good or bad by itself
 */
export function relative(now: Num | undefined, before: Num | undefined, less?: boolean): Change | null {
  if (now == null || before == null || before <= 0) return null;
  const ratio = now / before - 1;
  if (Math.abs(ratio) < 0.005) return { text: "= same", verdict: "neutral" };
  const size = ratio >= 9 ? `×\u202f${digits(now / before)}` : `${count(Math.abs(ratio) * 100)}\u202f%`;
  return { text: `${ratio > 0 ? "▲" : "▼"}\u202f${size}`, verdict: verdict(ratio, NOTABLE, less) };
}

/** Change of a share in percentage points as "▼ 0.1 pt". */
export function points(now: Num | undefined, before: Num | undefined, less?: boolean): Change | null {
  if (now == null || before == null) return null;
  const delta = (now - before) * 100;
  if (Math.abs(delta) < 0.005) return { text: "= same", verdict: "neutral" };
  return { text: `${delta > 0 ? "▲" : "▼"}\u202f${digits(Math.abs(delta))}\u202fpt`, verdict: verdict(delta, 0.1, less) };
}

function verdict(delta: number, notable: number, less: boolean | undefined): Verdict {
  if (less === undefined || Math.abs(delta) < notable) return "neutral";
  return delta < 0 === less ? "better" : "worse";
}
