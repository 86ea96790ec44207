/** The rows that stand out by one figure. */

import type { Num } from "../api/basics.ts";

/** The highest first, `most` at most; rows whose figure is unknown or nothing are none of them. */
export function highest<Row>(rows: readonly Row[], figure: (row: Row) => Num, most: number): Row[] {
  return rows
    .filter((row) => (figure(row) ?? 0) > 0)
    .sort((a, b) => (figure(b) ?? 0) - (figure(a) ?? 0))
    .slice(0, most);
}
