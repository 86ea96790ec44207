/** A share as a short bar beside its number. */

import type { Num } from "../api/basics.ts";

interface Props {
  ratio: Num;
  /** From here on the bar warns; a share of 1 is full. */
  limit?: number;
}

export function Meter({ ratio, limit = 2 }: Props) {
  if (ratio == null) return null;
  const full = Math.max(0, Math.min(1, ratio));
  return (
    <span class={`cm-meter ${ratio >= limit ? "cm-over" : ""}`} aria-hidden="true">
      <span style={{ width: `${full * 100}%` }} />
    </span>
  );
}
