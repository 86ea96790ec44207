/** Workflows: each definition with how often, how well and how long it ran. */

import { runs, search as query, workflow } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { type Range, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Workflows, WorkflowStatistics } from "../api/runs.ts";
import { settled } from "../charts/scale.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { Door } from "../parts/door.tsx";
import { Sheet } from "../parts/head.tsx";
import { Notice } from "../parts/notice.tsx";
import { Ending } from "../parts/quiet.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { clock, count, duration, percent } from "../words/format.ts";

const WINDOW = "24h";

export function WorkflowsPage({ search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/workflows${query(range)}`;
  const view = useAnswer<Workflows>(path, path);
  return (
    <Sheet view={view} title="Workflows" window={WINDOW}>
      {({ window, workflows }) => (
        <>
          {window.clamped && <Notice tone="unknown" title={window.clamped} />}
          {workflows.length === 0 ? (
            <Ending window={window} what="No workflow has run">
              Name one with <code>with workflow("…"):</code>, or publish a chain, group or chord.
            </Ending>
          ) : (
            <Table
              title="Definitions"
              nouns={["workflow"]}
              rows={workflows}
              columns={columns(range)}
              name={(r) => r.workflow}
              order={{ column: "runs", descending: true }}
              empty=""
              file="workflows"
              main
              screenful={50}
            />
          )}
        </>
      )}
    </Sheet>
  );
}

function columns(range: Range): Column<WorkflowStatistics>[] {
  const whole = (r: WorkflowStatistics) => r.counts === "runs";
  return [
    { id: "workflow", title: "Workflow", text: true, key: (r) => r.workflow, cell: (r) => <a class="cm-name" href={workflow(r.workflow, range)} title={r.workflow}>{r.workflow}</a> },
    { id: "spark", title: "Trend", hint: "runs over the window", minor: 1, key: (r) => r.execution_count, value: (r) => r.spark.join(" "), cell: (r) => <Sparkline values={"since" in range ? r.spark : settled(r.spark)} tone="running" /> },
    {
      id: "runs",
      title: "Runs",
      hint: "that are over; of a workflow of which none is, the attempts of its steps",
      key: (r) => r.execution_count,
      cell: (r) => (
        <a href={runs({ workflow: r.workflow, ...range })}>
          {count(r.execution_count)}
          {!whole(r) && <span class="cm-muted cm-wide"> attempts</span>}
        </a>
      ),
    },
    { id: "success", title: "Success", minor: 2, key: (r) => r.success_rate, cell: (r) => <span class={(r.success_rate ?? 1) < 0.95 ? "cm-bad" : ""}>{percent(r.success_rate)}</span> },
    {
      id: "failed",
      title: "Failed",
      hint: "failed or stuck",
      key: (r) => r.failure_count,
      cell: (r) => <Door n={r.failure_count} href={runs({ workflow: r.workflow, state: "FAILED", ...range })} bad />,
    },
    { id: "retries", title: "Retries", minor: 2, key: (r) => r.retry_count, cell: (r) => <span class={r.retry_count ? "cm-warn" : "cm-muted"}>{count(r.retry_count)}</span> },
    { id: "p50", title: "p50", hint: "median duration", minor: 2, key: (r) => r.p50_seconds, cell: (r) => duration(r.p50_seconds) },
    { id: "p95", title: "p95", hint: "duration: 95 of 100 took no longer", key: (r) => r.p95_seconds, cell: (r) => duration(r.p95_seconds) },
    { id: "p99", title: "p99", minor: 1, key: (r) => r.p99_seconds, cell: (r) => duration(r.p99_seconds) },
    { id: "max", title: "Longest", minor: 1, key: (r) => r.max_seconds, cell: (r) => duration(r.max_seconds) },
    { id: "turnaround", title: "Turnaround p95", hint: "from the first publish to the last end the caller waits for", minor: 1, key: (r) => r.turnaround_seconds?.p95, cell: (r) => duration(r.turnaround_seconds?.p95) },
    { id: "total", title: "Total time", minor: 1, key: (r) => r.total_seconds, cell: (r) => duration(r.total_seconds) },
    { id: "last", title: "Last", minor: 2, key: (r) => r.last_execution_at, cell: (r) => <span class="cm-muted">{clock(r.last_execution_at, new Date())}</span> },
  ];
}
