/** A stretch of time in the address of a page whose answers always end now: what to ask for, and what of it to show. */

import { type Range, secondsOf, WINDOWS } from "../address/window.ts";

export interface Zoom {
  /** Window to ask the API for. */
  window: string;
  /** Edges of what charts show, in seconds since the epoch; null for all of it. */
  edges: [number, number] | null;
}

/** The window that reaches back to a range's beginning, and the range itself as what to look at in it. */
export function zoomOf(range: Range, now: Date): Zoom {
  if ("window" in range) return { window: range.window, edges: null };
  const [since, until] = [Date.parse(range.since) / 1000, Date.parse(range.until) / 1000];
  if (!(since < until)) return { window: range.since, edges: null }; // the API says what is wrong with it
  const back = now.getTime() / 1000 - since;
  const window = WINDOWS.find((w) => secondsOf(w) >= back) ?? `${Math.min(92, Math.ceil(back / 86_400))}d`;
  return { window, edges: [since, until] };
}
