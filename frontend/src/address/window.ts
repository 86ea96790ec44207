/** The time a page looks at; it lives in the address, so that a link shows what its sender saw. */

import { changed } from "./links.ts";

export const WINDOWS = ["15m", "1h", "6h", "24h", "7d", "30d"] as const;
export const DEFAULT_WINDOW = "1h";

/** A window that ends now, or a stretch of time between two moments (ISO-8601, UTC). */
export type Range = { window: string } | { since: string; until: string };

/** The window an address asks for, as written there; the API judges whether it is one. */
export function windowOf(search: string, otherwise: string = DEFAULT_WINDOW): string {
  return new URLSearchParams(search).get("window")?.trim() || otherwise;
}

/** The window, or the two moments when the address names them; half a pair is none. */
export function rangeOf(search: string, otherwise: string = DEFAULT_WINDOW): Range {
  const query = new URLSearchParams(search);
  const since = query.get("since")?.trim();
  const until = query.get("until")?.trim();
  return since && until ? { since, until } : { window: windowOf(search, otherwise) };
}

/** The range that an address names, nothing when it names none: what links to other pages take along. */
export function rangeIn(search: string): Range | Record<string, never> {
  const range = rangeOf(search, "");
  return "since" in range || range.window ? range : {};
}

/** What narrows a list to a range: `since` and `until` of the API. A window that is none is left to the API to refuse. */
export function limits(range: Range, now: Date): { since?: string; until?: string } {
  if ("since" in range) return range;
  const seconds = secondsOf(range.window);
  return { since: Number.isNaN(seconds) ? range.window : new Date(now.getTime() - seconds * 1000).toISOString() };
}

/** The query of the address with another window; everything else in it stays, but a page of the old window. */
export function withWindow(search: string, window: string): string {
  return changed(search, { window, since: null, until: null, cursor: null });
}

/** The query of the address with two moments in the place of its window. */
export function withRange(search: string, since: string, until: string): string {
  return changed(search, { window: null, since, until, cursor: null });
}

/** The next wider choice, null at the widest. */
export function wider(seconds: number): string | null {
  return WINDOWS.find((w) => secondsOf(w) > seconds) ?? null;
}

/** Seconds of "15m", "6h", "7d"; NaN for anything else. */
export function secondsOf(window: string): number {
  const match = /^(\d+)([smhd])$/.exec(window);
  const unit = { s: 1, m: 60, h: 3600, d: 86400 }[match?.[2] ?? ""];
  return match && unit ? Number(match[1]) * unit : NaN;
}
