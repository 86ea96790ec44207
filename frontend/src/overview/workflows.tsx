/** Workflows of the window, and which step takes their time. */

import { workflow } from "../address/links.ts";
import type { Range } from "../address/window.ts";
import type { StepRow, WorkflowRow } from "../api/summary.ts";
import { count, duration, percent, plural } from "../words/format.ts";

const SHADES = 6; // the rest of a long workflow shares the last

export function Workflows({ rows, range }: { rows: readonly WorkflowRow[]; range: Range }) {
  if (rows.length === 0) return null;
  return (
    <section class="cm-card">
      <header>
        <h2>Workflows</h2>
        <span class="cm-muted">share of the time their steps ran</span>
      </header>
      <ul class="cm-workflows">
        {rows.map((w) => <Workflow key={w.workflow} row={w} range={range} />)}
      </ul>
    </section>
  );
}

function Workflow({ row, range }: { row: WorkflowRow; range: Range }) {
  const steps = [...row.steps].sort((a, b) => (b.share ?? 0) - (a.share ?? 0));
  return (
    <li>
      <p>
        <a class="cm-name" href={workflow(row.workflow, range)} title={row.workflow}>{row.workflow}</a>{" "}
        <span class="cm-muted">
          {plural(row.ended, "attempt")},{" "}
          <span class={row.failed ? "cm-bad" : ""}>{count(row.failed)} failed</span>
        </span>
      </p>
      <div class="cm-shares" aria-hidden="true">
        {steps.map((s, i) => (
          <span
            key={s.step}
            class={`cm-shade-${Math.min(i, SHADES - 1)}`}
            style={{ width: `${(s.share ?? 0) * 100}%` }}
            title={`${s.step} ${percent(s.share)}`}
          />
        ))}
      </div>
      <ul class="cm-legend">
        {steps.slice(0, SHADES).map((s, i) => <Step key={s.step} step={s} shade={i} />)}
      </ul>
    </li>
  );
}

function Step({ step, shade }: { step: StepRow; shade: number }) {
  return (
    <li title={`${count(step.ended)} ended, ${count(step.failed)} failed`}>
      <i class={`cm-swatch cm-shade-${shade}`} /> <bdi>{step.step}</bdi> <b>{percent(step.share)}</b>{" "}
      <span class="cm-muted">p95 {duration(step.runtime_seconds.p95)}</span>
    </li>
  );
}
