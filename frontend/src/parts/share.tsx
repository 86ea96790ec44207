/** A share of a whole, to the per cent, with a bar. */

import type { Num } from "../api/basics.ts";
import { UNKNOWN } from "../words/format.ts";
import { Meter } from "./meter.tsx";

const THIN = "\u202f";

/** 67 %; what is less than one says so. */
export function share(ratio: Num | undefined): string {
  if (ratio == null) return UNKNOWN;
  if (ratio > 0 && ratio < 0.005) return `<${THIN}1${THIN}%`;
  return `${Math.round(ratio * 100)}${THIN}%`;
}

/** A percentage of the API, which is of 100. */
export function percentage(of100: number | null | undefined): string {
  return share(of100 == null ? null : Math.max(of100 / 100, 0.001)); // 0 is rounded: what has a share has some
}

export function ShareBar({ ratio }: { ratio: Num }) {
  return (
    <span class="cm-with-meter cm-share">
      {share(ratio)} <Meter ratio={ratio} />
    </span>
  );
}
