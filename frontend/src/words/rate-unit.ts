/** One unit of rate for a whole chart: an axis that changes from per minute to per second on its way cannot be read. */

import type { Num } from "../api/basics.ts";
import { digits, UNKNOWN } from "./format.ts";

const THIN = "\u202f";

/** What writes the values, given per second, in the unit that `rate` gives the largest of them. */
export function rateUnit(perSecond: readonly Num[]): (value: Num) => string {
  const most = perSecond.reduce<number>((top, v) => (v != null && v > top ? v : top), 0);
  const [times, unit] = most >= 100 ? [1, "/s"] : most * 60 >= 1 || most === 0 ? [60, "/min"] : [3600, "/h"];
  return (value) => (value == null ? UNKNOWN : `${value === 0 ? "0" : digits(value * times)}${THIN}${unit}`);
}
