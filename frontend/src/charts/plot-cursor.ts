/** Shows the keyboard's cursor in a plot as if a pointer were there. */

import { useEffect } from "preact/hooks";
import type uPlot from "uplot";

/**
 * @param xs what stands on the plot's axis for each point
 * @param half what a point takes to each side of it: 0 where points have no width
 */
export function usePlotCursor(
  plot: { current: uPlot | null }, xs: readonly number[], at: number | null, stretch: readonly [number, number] | null, half = 0,
): void {
  const [first, last] = stretch ?? [null, null];
  useEffect(() => {
    const u = plot.current;
    const x = at === null ? undefined : xs[at];
    if (!u) return;
    const pixel = (value: number | undefined) => u.valToPos(value ?? 0, "x");
    u.setCursor(x === undefined ? { left: -10, top: -10 } : { left: pixel(x), top: u.over.clientHeight / 2 });
    const [left, right] = first === null || last === null ? [0, 0] : [pixel((xs[first] ?? 0) - half), pixel((xs[last] ?? 0) + half)];
    u.setSelect({ left, width: right - left, top: 0, height: u.over.clientHeight }, false);
  }, [at, first, last]);
}
