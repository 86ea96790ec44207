/** Arithmetic of charts: sparkline paths, stacking, gaps for what is not known. */

import type { Num } from "../api/basics.ts";

/** Largest known value, at least `floor`, so that a flat line of zeros lies on the ground. */
export function top(values: readonly Num[], floor = 0): number {
  return values.reduce<number>((most, v) => (v != null && v > most ? v : most), floor);
}

/**
 * SVG path of a line through known values; unknown ones leave a gap. A lone value becomes a short dash.
 * @param highest value at the upper edge; 0 draws every value on the ground
 */
export function line(values: readonly Num[], width: number, height: number, highest: number): string {
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const parts: string[] = [];
  values.forEach((value, i) => {
    if (value == null) return;
    const x = round(i * step);
    const y = round(highest > 0 ? height - (value / highest) * height : height);
    const joined = i > 0 && values[i - 1] != null;
    const alone = !joined && values[i + 1] == null;
    parts.push(alone ? `M${round(Math.max(0, x - 1))} ${y}h2` : `${joined ? "L" : "M"}${x} ${y}`);
  });
  return parts.join("");
}

/** The area under `line`, one closed shape per run of known values. */
export function area(values: readonly Num[], width: number, height: number, highest: number): string {
  return line(values, width, height, highest)
    .split("M")
    .filter((part) => part.includes("L"))
    .map((part) => {
      const first = part.slice(0, part.search(/[ ]/));
      const last = part.slice(part.lastIndexOf("L") + 1).split(" ")[0];
      return `M${first} ${height}L${part}L${last} ${height}Z`;
    })
    .join("");
}

/** Values with a lone gap drawn through: samples and points of a chart do not begin at the same moment. Longer gaps stay. */
export function bridged(values: readonly Num[]): Num[] {
  return values.map((v, i) => {
    const [before, after] = [values[i - 1], values[i + 1]];
    return v == null && before != null && after != null ? (before + after) / 2 : v;
  });
}

/** Where a value stands alone between unknown ones: no line runs through it. Null when none does. */
export function lone(values: readonly Num[]): number[] | null {
  const found = values.flatMap((v, i) => (v != null && values[i - 1] == null && values[i + 1] == null ? [i] : []));
  return found.length ? found : null;
}

function round(n: number): number {
  return Math.round(n * 10) / 10;
}

/** Layers on top of each other: layer i becomes the sum of layers 0..i; unknown counts as nothing there. */
export function stack(layers: readonly (readonly Num[])[]): number[][] {
  const sums: number[][] = [];
  layers.forEach((layer, i) => sums.push(layer.map((v, j) => (v ?? 0) + (i > 0 ? (sums[i - 1]?.[j] ?? 0) : 0))));
  return sums;
}

/** Element-wise share of `part` in the sum of `wholes`; unknown where the sum is 0. */
export function shares(part: readonly Num[], wholes: readonly (readonly Num[])[]): Num[] {
  return part.map((v, i) => {
    const sum = wholes.reduce((total, whole) => total + (whole[i] ?? 0), 0);
    return sum > 0 ? (v ?? 0) / sum : null;
  });
}

/** A step that has lasted less (s) tells the rate of a few tasks only. */
const YOUNG = 20;

/** Counts of steps as rates: the last step may go on still, and has counted only for as long as it has lasted; a young one is told when it is no fall. */
export function perSecond(counts: readonly Num[], t: readonly number[], step: number, end: number): Num[] {
  const last = t.length - 1;
  const lasted = Math.min(step, end - (t[last] ?? 0));
  return counts.map((n, i) => {
    if (i < last) return n == null ? null : n / step;
    if (n == null) return null;
    const least = n / Math.max(lasted, Math.min(step, YOUNG));
    return lasted < Math.min(step, YOUNG) && least < (counts[i - 1] ?? 0) / step ? null : least;
  });
}

/** Counts without the last one when it is lower than the one before: its step goes on still, so that says nothing. */
export function settled(counts: readonly Num[]): readonly Num[] {
  const [before, last] = counts.slice(-2);
  return before != null && last != null && last < before ? [...counts.slice(0, -1), null] : counts;
}

/** Element-wise sum; unknown where every summand is. */
export function total(layers: readonly (readonly Num[])[]): Num[] {
  const length = layers[0]?.length ?? 0;
  return Array.from({ length }, (_, i) => {
    const known = layers.map((layer) => layer[i]).filter((v): v is number => v != null);
    return known.length ? known.reduce((a, b) => a + b, 0) : null;
  });
}
