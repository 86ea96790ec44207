/** The window of time a page looks at; it lives in the address, so that a link shows what its sender saw. */

export const WINDOWS = ["15m", "1h", "6h", "24h", "7d", "30d"] as const;
export const DEFAULT_WINDOW = "1h";

/** The window an address asks for, as written there; the API judges whether it is one. */
export function windowOf(search: string): string {
  return new URLSearchParams(search).get("window")?.trim() || DEFAULT_WINDOW;
}

/** The query of the address with another window; everything else in it stays. */
export function withWindow(search: string, window: string): string {
  const query = new URLSearchParams(search);
  query.set("window", window);
  return `?${query}`;
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
