/** Arithmetic of charts over time: moments and durations to pixels, cells of a heatmap and their shades, ticks. */

import type { Num } from "../api/basics.ts";

/** A part of the picture, in pixels. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** From when to when, in seconds since the epoch. */
export interface Stretch {
  start: number;
  end: number;
}

/** Durations at the lower and the upper edge of a log scale, in seconds. */
export interface Scale {
  low: number;
  high: number;
}

export interface Cell extends Box {
  /** 1 for few to `LEVELS` for as many as in the fullest cell. */
  level: number;
}

export const LEVELS = 6;
const LEAST_RATIO = 4; // between the edges: a task that always takes as long is a line in the middle
const STEPS = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

/** The columns of a chart, from the start of the first to the end of the last. */
export function stretch(t: readonly number[], step: number): Stretch {
  const start = t[0] ?? 0;
  return { start, end: (t[t.length - 1] ?? start) + step };
}

export function xOf(at: number, over: Stretch, box: Box): number {
  return box.left + ((at - over.start) / (over.end - over.start)) * box.width;
}

/** The column under a pixel; beyond an edge the one at the edge. */
export function columnAt(x: number, columns: number, box: Box): number {
  return within(Math.floor(((x - box.left) / box.width) * columns), 0, columns - 1);
}

/** Start and end of the columns between two pixels, whole columns and one at least. */
export function chosen(x: number, other: number, t: readonly number[], step: number, box: Box): Stretch {
  const [first, last] = [x, other].map((p) => columnAt(p, t.length, box)).sort((a, b) => a - b);
  return { start: t[first ?? 0] ?? 0, end: (t[last ?? 0] ?? 0) + step };
}

/** Edges of the scale that shows every bound; durations of 0 stand on the ground. */
export function logScale(bounds: readonly number[]): Scale {
  const known = bounds.filter((b) => b > 0);
  const low = known[0] ?? 0.001;
  const high = known[known.length - 1] ?? 1;
  const missing = Math.sqrt(Math.max(1, LEAST_RATIO / (high / low)));
  return { low: low / missing, high: high * missing };
}

export function yOf(seconds: number, scale: Scale, box: Box): number {
  const share = Math.log(Math.max(seconds, scale.low) / scale.low) / Math.log(scale.high / scale.low);
  return box.top + box.height * (1 - Math.min(1, share));
}

/** The row whose bounds hold what a pixel stands for, null where there is none. */
export function rowAt(y: number, bounds: readonly number[], scale: Scale, box: Box): number | null {
  const row = bounds.findIndex((low, i) => {
    const high = bounds[i + 1];
    return high !== undefined && y < yOf(low, scale, box) && y >= yOf(high, scale, box);
  });
  return row < 0 ? null : row;
}

/** A level for a count: logarithmic, so that a few slow ones among thousands are seen. */
export function level(count: number, most: number): number {
  if (count <= 0) return 0;
  return within(Math.ceil((LEVELS * Math.log1p(count)) / Math.log1p(most)), 1, LEVELS);
}

/** The cells that hold anything. Their edges are whole pixels: neighbours neither overlap nor leave a seam. */
export function cells(counts: readonly (readonly number[])[], bounds: readonly number[], scale: Scale, box: Box): Cell[] {
  const most = Math.max(1, ...counts.flat());
  const xs = counts.map((_, i) => Math.round(box.left + (i / counts.length) * box.width));
  const right = box.left + box.width;
  const ys = bounds.map((b) => Math.round(yOf(b, scale, box)));
  return counts.flatMap((column, i) =>
    column.flatMap((n, row) => {
      const [left, top, bottom] = [xs[i] ?? 0, ys[row + 1] ?? 0, ys[row] ?? 0];
      if (n <= 0) return [];
      const width = Math.max(1, (xs[i + 1] ?? right) - left);
      return [{ left, top, width, height: Math.max(1, bottom - top), level: level(n, most) }];
    }),
  );
}

/** A line through the middles of the columns, in unbroken pieces; what is unknown leaves a gap. */
export function pieces(values: readonly Num[], scale: Scale, box: Box): { x: number; y: number }[][] {
  const found: { x: number; y: number }[][] = [];
  let open = false;
  values.forEach((value, i) => {
    if (value == null) {
      open = false;
      return;
    }
    if (!open) found.push([]);
    open = true;
    found[found.length - 1]?.push({ x: box.left + ((i + 0.5) / values.length) * box.width, y: yOf(value, scale, box) });
  });
  return found;
}

/** Round durations along a log scale, no more than `most`: 1, 2 and 5 of each decade, or the decades, or some of them. */
export function durationTicks(scale: Scale, most: number): number[] {
  const first = Math.floor(Math.log10(scale.low));
  const decades = Array.from({ length: Math.ceil(Math.log10(scale.high)) - first + 1 }, (_, i) => first + i);
  const at = (digits: readonly number[], every: number) =>
    decades
      .filter((power) => (power - first) % every === 0)
      .flatMap((power) => digits.map((d) => Number(`${d}e${power}`)))
      .filter((s) => s >= scale.low && s <= scale.high);
  const choices = [at([1, 2, 5], 1), at([1, 3], 1), at([1], 1), at([1], 2), at([1], 3)];
  return choices.find((ticks) => ticks.length <= most) ?? choices[4]!;
}

/**
 * Round moments of a stretch, no more than `most`.
 * @param ahead seconds by which the reader's clock is ahead of UTC: days begin at their midnight
 */
export function timeTicks(over: Stretch, most: number, ahead: number): number[] {
  const step = STEPS.find((s) => (over.end - over.start) / s <= most) ?? STEPS[STEPS.length - 1]! * 4;
  const found: number[] = [];
  for (let at = Math.ceil((over.start + ahead) / step) * step - ahead; at < over.end; at += step) found.push(at);
  return found;
}

/** Places of labels moved apart until none is nearer than `gap` to the next, in their order, within two edges. */
export function spread(places: readonly number[], gap: number, top: number, bottom: number): number[] {
  const order = places.map((y, i) => ({ y, i })).sort((a, b) => a.y - b.y);
  order.forEach((p, n) => (p.y = Math.max(p.y, n ? (order[n - 1]?.y ?? 0) + gap : top)));
  for (let n = order.length - 1, limit = bottom; n >= 0; n -= 1, limit -= gap) order[n]!.y = Math.min(order[n]!.y, limit);
  const found = [...places];
  for (const p of order) found[p.i] = p.y;
  return found;
}

function within(n: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, n));
}
