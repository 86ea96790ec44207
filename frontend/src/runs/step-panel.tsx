/** The selected step of a run: its attempts, spans, waits and log. */

import { execution, queue } from "../address/links.ts";
import type { Span } from "../api/runs.ts";
import { Badge } from "../parts/badge.tsx";
import { Attempts, useExecution } from "../parts/execution.tsx";
import { Facts } from "../parts/facts.tsx";
import { Labels } from "../parts/labels.tsx";
import { Notice } from "../parts/notice.tsx";
import { Records } from "../parts/records.tsx";
import { duration } from "../words/format.ts";
import { because, executionMark } from "../words/states.ts";
import type { RunDetail } from "./steps.ts";

interface Props {
  id: string;
  run: RunDetail;
  close: () => void;
}

export function StepPanel({ id, run, close }: Props) {
  const { view, everyMs } = useExecution(id);
  const step = run.executions.find((e) => e.id === id);
  const row = view.answer;
  const task = row?.task ?? step?.task ?? id;
  const state = row?.state ?? step?.state ?? "";
  const spans = run.spans.filter((s) => s.id === id);
  const waits = run.waits.filter((w) => w.id === id);
  return (
    <aside class="cm-panel" aria-label={`Step ${task}`}>
      <section class="cm-card cm-padded">
        <h2>
          <a class="cm-title" href={execution(id)}>{task}</a> {state && <Badge mark={executionMark(state)} word />}{" "}
          <span class="cm-muted">{row && because(row.state, row.reason)}</span>
          <button type="button" class="cm-button cm-close" onClick={close} aria-label="Close the step">×</button>
        </h2>
        <Facts
          facts={[
            { name: "id", value: <code>{id}</code> },
            { name: "queue", value: row?.queue && <a href={queue(row.queue)}>{row.queue}</a> },
          ]}
        />
        {step && <Labels labels={step.labels} />}
        {spans.length > 0 && <Spans spans={spans} />}
        {waits.map((w) => (
          <p key={w.begun_at}>
            {w.state === "open" ? <b class="cm-warn">waits</b> : "waited"} {duration(w.age_seconds)} for <b>{w.wait}</b>{" "}
            <span class="cm-muted">{w.outcome}{w.ended_by && ` by ${w.ended_by}`}</span>
          </p>
        ))}
      </section>
      {view.problem && !row && (
        <Notice tone="unknown" title="Its attempts are not known.">{view.problem.message}</Notice>
      )}
      {row && <Attempts row={row} />}
      <Records path={`/executions/${encodeURIComponent(id)}/logs`} everyMs={everyMs} />
    </aside>
  );
}

function Spans({ spans }: { spans: readonly Span[] }) {
  return (
    <ul class="cm-spans" aria-label="Spans">
      {spans.map((s) => (
        <li key={`${s.uid} ${s.number}`} class={s.parent ? "cm-inner" : ""}>
          <span class={s.state === "FAILURE" ? "cm-bad" : ""}>{s.state === "FAILURE" ? "■ " : ""}{s.span}</span>{" "}
          <span class="cm-muted">{s.kind}</span> <b>{duration(s.duration_seconds)}</b>{" "}
          <span class="cm-muted">
            {s.api && `${s.api} ${s.api_status ?? ""}`}{" "}
            {s.exception && `${s.exception.type}: ${s.exception.message ?? ""}`}
          </span>
        </li>
      ))}
    </ul>
  );
}
