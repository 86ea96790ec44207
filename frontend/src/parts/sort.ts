/** Order of table rows: by a column, unknown last, and frozen while somebody points at them. */

export type Key = string | number | null | undefined;

export interface Order {
  column: string;
  descending: boolean;
}

/** Compare two cells; what is unknown comes last in either direction. */
export function compare(a: Key, b: Key, descending: boolean): number {
  if (a == null || b == null) return a == null ? (b == null ? 0 : 1) : -1;
  const sign = descending ? -1 : 1;
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}

/** Rows ordered by `key`; equal ones by `name`, so that a refresh never makes them jump. */
export function sorted<Row>(
  rows: readonly Row[],
  key: (row: Row) => Key,
  name: (row: Row) => string,
  descending: boolean,
): Row[] {
  return [...rows].sort((a, b) => compare(key(a), key(b), descending) || compare(name(a), name(b), false));
}

/** Rows in the order of names shown before; new ones at the end, in the order given. */
export function kept<Row>(rows: readonly Row[], name: (row: Row) => string, shown: readonly string[]): Row[] {
  const place = new Map(shown.map((n, i) => [n, i]));
  const at = (row: Row) => place.get(name(row)) ?? shown.length;
  return [...rows].sort((a, b) => at(a) - at(b));
}
