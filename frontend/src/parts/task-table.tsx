/** Table of task names: how often, how well, how long, what it costs. */

import { executions, type Query, task } from "../address/links.ts";
import type { TaskRow } from "../api/summary.ts";
import { settled } from "../charts/scale.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { age, ago, bytes, count, duration, percent, rate } from "../words/format.ts";
import { Door } from "./door.tsx";
import { Name } from "./name.tsx";
import { type Column, Table } from "./table.tsx";

/** The exception that most attempts failed with, and how many kinds there are. */
function worst(errors: Record<string, number>): { type: string; n: number; kinds: number } | null {
  const kinds = Object.entries(errors).sort((a, b) => b[1] - a[1]);
  const first = kinds[0];
  return first ? { type: first[0], n: first[1], kinds: kinds.length } : null;
}

function TopError({ errors }: { errors: Record<string, number> }) {
  const top = worst(errors);
  if (!top) return null;
  const all = Object.entries(errors).map(([type, n]) => `${type}: ${count(n)}`);
  return (
    <span class="cm-error" title={all.join("\n")}>
      {top.type} <b>{count(top.n)}</b> {top.kinds > 1 && <span class="cm-muted">+{top.kinds - 1}</span>}
    </span>
  );
}

/** CPU time that is known; of none that was measured the sum is 0, and that is not what it took. */
function cpu(row: TaskRow): number | null {
  return row.cpu_seconds.p50 == null ? null : row.cpu_seconds.total;
}

/** Columns of a table of task names; `range` is the window or the two moments its links lead to. */
export const taskColumns = (now: Date, range: Query): Column<TaskRow>[] => [
  {
    id: "task",
    title: "Task",
    text: true,
    key: (r) => r.task,
    cell: (r) => (
      <a class="cm-name cm-task" href={task(r.task, range)} title={`${r.task}\nqueues: ${r.queues.join(", ") || "none"}`}>
        <Name text={r.task} />
      </a>
    ),
  },
  {
    id: "spark",
    title: "Course",
    hint: "ends over the window",
    minor: 1,
    key: (r) => r.rate_per_second,
    cell: (r) => <Sparkline values={"since" in range ? r.spark : settled(r.spark)} tone="running" />,
  },
  {
    id: "ended",
    title: "Ended",
    hint: "ends of attempts, retried ones included",
    key: (r) => r.ended,
    cell: (r) => count(r.ended),
  },
  { id: "rate", title: "Rate", minor: 1, key: (r) => r.rate_per_second, cell: (r) => rate(r.rate_per_second) },
  {
    id: "success",
    title: "Success",
    hint: "succeeded / (succeeded + failed + lost)",
    minor: 2,
    key: (r) => r.success_ratio,
    cell: (r) => <span class={(r.success_ratio ?? 1) < 0.95 ? "cm-bad" : ""}>{percent(r.success_ratio)}</span>,
  },
  {
    id: "failed",
    title: "Failed",
    key: (r) => r.failed,
    cell: (r) => <Door n={r.failed} href={executions({ task: r.task, state: "FAILURE", ...range })} bad />,
  },
  {
    id: "retried",
    title: "Retried",
    minor: 2,
    key: (r) => r.retried,
    cell: (r) => <span class={r.retried ? "cm-warn" : "cm-muted"}>{count(r.retried)}</span>,
  },
  { id: "p50", title: "p50", hint: "median runtime", minor: 1, key: (r) => r.runtime_seconds.p50, cell: (r) => duration(r.runtime_seconds.p50) },
  { id: "p95", title: "p95", hint: "runtime: 95 of 100 ran no longer", key: (r) => r.runtime_seconds.p95, cell: (r) => duration(r.runtime_seconds.p95) },
  { id: "p99", title: "p99", hint: "runtime: 99 of 100 ran no longer", minor: 1, key: (r) => r.runtime_seconds.p99, cell: (r) => duration(r.runtime_seconds.p99) },
  {
    id: "wait",
    title: "Wait p95",
    hint: "from publish (or due time) to start",
    minor: 2,
    key: (r) => r.wait_seconds.p95,
    cell: (r) => duration(r.wait_seconds.p95),
  },
  { id: "cpu", title: "CPU", hint: "CPU time of all attempts together", minor: 1, key: (r) => cpu(r), cell: (r) => <span title={cpu(r) == null ? "no attempt of it could be told apart" : undefined}>{duration(cpu(r))}</span> },
  { id: "memory", title: "Peak", hint: "highest memory of a process that ran it", minor: 1, key: (r) => r.memory_peak_bytes, cell: (r) => bytes(r.memory_peak_bytes) },
  {
    id: "error",
    title: "Errors",
    text: true,
    minor: 1,
    key: (r) => worst(r.errors)?.type,
    cell: (r) => <TopError errors={r.errors} />,
  },
  {
    id: "last",
    title: "Last end",
    hint: "of an attempt",
    minor: 2,
    key: (r) => age(r.last_at, now),
    cell: (r) => <span class="cm-muted">{ago(r.last_at, now)}</span>,
  },
];

export function Tasks({ rows, now, range }: { rows: readonly TaskRow[]; now: Date; range: Query }) {
  return (
    <Table
      title="Tasks"
      nouns={["task name"]}
      rows={rows}
      columns={taskColumns(now, range)}
      file="tasks"
      name={(r) => r.task}
      order={{ column: "ended", descending: true }}
      empty="No task ended in this window."
    />
  );
}
