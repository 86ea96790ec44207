/** A small line of the last values; it shows a shape, the number beside it says how much. */

import type { Num } from "../api/basics.ts";
import { area, line, top } from "./scale.ts";

const WIDTH = 100;
const HEIGHT = 24;

interface Props {
  values: readonly Num[];
  /** Name of the custom property that colours it. */
  tone?: string;
  /** Value at the upper edge at least, so that small noise does not look like mountains. */
  floor?: number;
}

export function Sparkline({ values, tone = "succeeded", floor = 0 }: Props) {
  const highest = top(values, floor);
  const inner = HEIGHT - 2; // the stroke is not cut at the upper edge
  const shape = { width: WIDTH, height: inner };
  return (
    <svg
      class={`cm-spark cm-tone-${tone}`}
      viewBox={`0 -2 ${WIDTH} ${HEIGHT + 1}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path class="cm-spark-area" d={area(values, shape.width, shape.height, highest)} />
      <path class="cm-spark-line" d={line(values, shape.width, shape.height, highest)} />
    </svg>
  );
}
