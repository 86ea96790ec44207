/** One of the figures at the top: value with unit, comparison with the period before, course over the window. */

import type { Num } from "../api/basics.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import type { Change } from "../words/change.ts";

interface Props {
  title: string;
  value: string;
  unit?: string;
  /** What the figure means and what it was before; shown on hover. */
  hint: string;
  change?: Change | null;
  note?: string;
  values: readonly Num[];
  tone: string;
  floor?: number;
  alarming?: boolean;
  /** List behind the figure. */
  href?: string;
}

export function Tile({ title, value, unit, hint, change, note, values, tone, floor, alarming, href }: Props) {
  return (
    <section class={`cm-tile ${alarming ? "cm-alarming" : ""}`} title={hint}>
      <h2>{href ? <a href={href}>{title}</a> : title}</h2>
      <p class="cm-figure">
        <span class="cm-value">{value}</span>
        {unit && <span class="cm-unit">{unit}</span>}
        {change && <span class={`cm-change cm-${change.verdict}`}>{change.text}</span>}
        {note && <span class="cm-change cm-neutral">{note}</span>}
      </p>
      <Sparkline values={values} tone={tone} floor={floor} />
    </section>
  );
}
