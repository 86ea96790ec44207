/** Round times along an axis. */

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500]
  .map((ms) => ms / 1000)
  .concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400]);

/** Times from 0 to at most `seconds`, a round step apart, no more than `most` of them besides 0. */
export function ticks(seconds: number, most: number): number[] {
  if (!(seconds > 0) || most < 1) return [0];
  const widest = STEPS[STEPS.length - 1]!;
  const step = STEPS.find((s) => seconds / s <= most) ?? widest * Math.ceil(seconds / most / widest);
  const n = Math.floor(seconds / step + 1e-9);
  return Array.from({ length: n + 1 }, (_, i) => i * step);
}
