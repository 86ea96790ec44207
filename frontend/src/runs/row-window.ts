/** Which rows of a long list are drawn: those in sight and some around them. Pure; heights are in px. */

/** A list of fewer is drawn whole: the browser finds text in it. */
export const WHOLE = 100;
/** Rows drawn above and below what is in sight. */
export const AROUND = 12;
/** What is in sight is taken in steps of so many px, so that not every turn of the wheel draws. */
export const STEP = 200;

/** From `first` up to `end`, which is not drawn. */
export interface Range {
  first: number;
  end: number;
}

/** Where each row begins; the last number is where the list ends. */
export function offsets(heights: Iterable<number>): number[] {
  const found = [0];
  for (const height of heights) found.push(found[found.length - 1]! + height);
  return found;
}

/** The row at a distance from the list's beginning; beyond its ends the first or the last. */
export function rowAt(begins: readonly number[], distance: number): number {
  let low = 0;
  let high = Math.max(begins.length - 2, 0);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (begins[middle]! <= distance) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function drawn(begins: readonly number[], top: number, height: number): Range {
  const rows = begins.length - 1;
  if (rows <= WHOLE) return { first: 0, end: rows };
  const first = rowAt(begins, top) - AROUND;
  const end = rowAt(begins, top + height + STEP) + 1 + AROUND;
  return { first: Math.max(first, 0), end: Math.min(end, rows) };
}

/**
 * How far to scroll for a row to be in sight.
 * @param top how far the list is scrolled
 * @param height what can be seen of it
 */
export function revealing(begins: readonly number[], row: number, top: number, height: number): number {
  const [from, to] = [begins[row]!, begins[row + 1]!];
  if (from < top) return from;
  return to > top + height ? to - height : top;
}
