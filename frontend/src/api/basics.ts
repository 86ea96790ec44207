/** What every answer of the JSON API is made of: figures, spreads, states, errors; docs/api.md has the fields. */

export type Num = number | null;
export type State = "ok" | "warning" | "critical" | "stale" | "empty";

export interface Spread {
  count: number;
  avg: Num;
  min: Num;
  max: Num;
  p50: Num;
  p95: Num;
  p99: Num;
  total: Num;
}

export interface ApiError {
  code: string;
  message: string;
}
