/** One workflow: which step takes its time, and its newest runs. */

import { executions, runs, task, search as query, workflows } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { type Range, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Run, StepStatistics, WorkflowDetail } from "../api/runs.ts";
import { Door } from "../parts/door.tsx";
import { type Fact, Facts } from "../parts/facts.tsx";
import { Sheet } from "../parts/head.tsx";
import { Name } from "../parts/name.tsx";
import { Notice } from "../parts/notice.tsx";
import { RUN_COLUMNS } from "../parts/run-columns.tsx";
import { ShareBar } from "../parts/share.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { count, duration, percent } from "../words/format.ts";
import { RunStrip } from "./run-strip.tsx";

const WINDOW = "24h";

export function WorkflowPage({ name, search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/workflows/${encodeURIComponent(name)}${query(range)}`;
  const view = useAnswer<WorkflowDetail>(path, path);
  return (
    <Sheet
      view={view}
      title={name}
      heading={<><a href={workflows(range)}>Workflows</a> <span class="cm-muted">/</span> <span class="cm-title">{name}</span></>}
      window={WINDOW}
      missing={<>No workflow of this name ran in this time. <a href={workflows({ window: "30d" })}>Those of the last 30d</a></>}
    >
      {(found) => (
        <>
          {found.window?.clamped && <Notice tone="unknown" title={found.window.clamped} />}
          <section class="cm-card cm-padded"><Facts facts={facts(found, range)} /></section>
          <RunStrip runs={found.runs} />
          <Table
            title="Steps"
            nouns={["step"]}
            rows={found.steps}
            columns={steps(range)}
            name={(r) => r.step}
            order={{ column: "share", descending: true }}
            empty="No step of it has ended in this time."
            file={`steps of ${fileName(name)}`}
          />
          <Table
            title="Newest runs"
            nouns={["run"]}
            rows={found.runs}
            columns={RUNS}
            name={(r) => r.id}
            order={{ column: "started", descending: true }}
            empty="No run of it is recorded in this time."
            file={`runs of ${fileName(name)}`}
          >
            <a href={runs({ workflow: name, ...range })}>all of them</a>
          </Table>
        </>
      )}
    </Sheet>
  );
}

/** All rows are of one workflow: its runs' ids tell them apart, on narrow screens too. */
const RUNS: Column<Run>[] = RUN_COLUMNS.filter((c) => c.id !== "workflow").map((c) => (c.id === "id" ? { ...c, minor: undefined } : c));

function fileName(name: string): string {
  return name.replace(/[^\w.-]+/g, "_").slice(0, 60);
}

function facts(row: WorkflowDetail, range: Range): Fact[] {
  const whole = row.counts === "runs";
  return [
    {
      name: whole ? "runs" : "attempts of its steps",
      value: <a href={runs({ workflow: row.workflow, ...range })}>{count(row.execution_count)}</a>,
      hint: whole ? "those that are over" : "no run of it is over yet",
    },
    { name: "success", value: percent(row.success_rate) },
    { name: "failed", value: <Door n={row.failure_count} href={runs({ workflow: row.workflow, state: "FAILED", ...range })} bad />, hint: "failed or stuck" },
    { name: "retries", value: count(row.retry_count) },
    { name: "p50", value: duration(row.p50_seconds) },
    { name: "p95", value: duration(row.p95_seconds) },
    { name: "p99", value: duration(row.p99_seconds) },
    { name: "longest", value: duration(row.max_seconds) },
    { name: "turnaround p95", value: duration(row.turnaround_seconds?.p95), hint: "from the first publish to the last end the caller waits for" },
  ];
}

function steps(range: Range): Column<StepStatistics>[] {
  return [
    { id: "step", title: "Step", text: true, key: (r) => r.step, cell: (r) => <a class="cm-name cm-task" href={task(r.step, range)} title={r.step}><Name text={r.step} /></a> },
    { id: "share", title: "Share", hint: "of the time all steps ran", key: (r) => r.share, cell: (r) => <ShareBar ratio={r.share} /> },
    { id: "attempts", title: "Ran", hint: "attempts that ended", minor: 2, key: (r) => r.execution_count, cell: (r) => count(r.execution_count) },
    { id: "success", title: "Success", minor: 2, key: (r) => r.success_rate, cell: (r) => percent(r.success_rate) },
    {
      id: "failed",
      title: "Failed",
      key: (r) => r.failure_count,
      cell: (r) => <Door n={r.failure_count} href={executions({ task: r.step, state: "FAILURE", ...range })} bad />,
    },
    { id: "retries", title: "Retries", minor: 2, key: (r) => r.retry_count, cell: (r) => <span class={r.retry_count ? "cm-warn" : "cm-muted"}>{count(r.retry_count)}</span> },
    { id: "p50", title: "p50", minor: 1, key: (r) => r.p50_seconds, cell: (r) => duration(r.p50_seconds) },
    { id: "p95", title: "p95", key: (r) => r.p95_seconds, cell: (r) => duration(r.p95_seconds) },
    { id: "p99", title: "p99", minor: 1, key: (r) => r.p99_seconds, cell: (r) => duration(r.p99_seconds) },
    { id: "total", title: "Total runtime", minor: 1, key: (r) => r.total_seconds, cell: (r) => duration(r.total_seconds) },
  ];
}
