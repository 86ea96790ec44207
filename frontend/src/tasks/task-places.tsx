/** Where a task ran: by queue from counts, by worker from what is still stored of its attempts. */

import { executions, type Query } from "../address/links.ts";
import type { QueueFigures, TaskDetail, WorkerFigures } from "../api/tasks.ts";
import { Door } from "../parts/door.tsx";
import { Name } from "../parts/name.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { clock, count, duration, percent, rate } from "../words/format.ts";

export function TaskQueues({ found, range }: { found: TaskDetail; range: Query }) {
  const link = (queue: string | null, more: Query = {}) => executions({ task: found.task, queue, ...more, ...range });
  const columns: Column<QueueFigures>[] = [
    { id: "queue", title: "Queue", text: true, key: (r) => r.queue, cell: (r) => (r.queue ? <a class="cm-name" href={link(r.queue)} title={r.queue}><Name text={r.queue} /></a> : <span class="cm-muted" title="run without a queue">none</span>) },
    { id: "ended", title: "Ended", key: (r) => r.ended, cell: (r) => count(r.ended) },
    { id: "rate", title: "Rate", minor: 2, key: (r) => r.rate_per_second, cell: (r) => rate(r.rate_per_second) },
    { id: "failed", title: "Failed", hint: "and lost", key: (r) => r.failed + r.lost, cell: (r) => <Door n={r.failed + r.lost} href={link(r.queue, { state: r.failed ? "FAILURE" : "LOST" })} bad /> },
    { id: "success", title: "Success", minor: 2, key: (r) => r.success_ratio, cell: (r) => percent(r.success_ratio) },
    { id: "p50", title: "p50", hint: "median runtime", minor: 2, key: (r) => r.runtime_seconds.p50, cell: (r) => duration(r.runtime_seconds.p50) },
    { id: "p95", title: "p95", hint: "runtime: 95 of 100 ran no longer", key: (r) => r.runtime_seconds.p95, cell: (r) => duration(r.runtime_seconds.p95) },
    { id: "wait", title: "Wait p95", key: (r) => r.wait_seconds.p95, cell: (r) => duration(r.wait_seconds.p95) },
  ];
  return (
    <Table title="By queue" nouns={["queue"]} rows={found.queues} columns={columns} name={(r) => r.queue ?? ""} order={{ column: "ended", descending: true }} empty="It ended in no queue in this time." />
  );
}

export function TaskWorkers({ found, range }: { found: TaskDetail; range: Query }) {
  const { rows, attempts, complete, since } = found.workers;
  const link = (worker: string | null, more: Query = {}) => executions({ task: found.task, worker, ...more, ...range });
  const columns: Column<WorkerFigures>[] = [
    { id: "worker", title: "Worker", text: true, key: (r) => r.worker, cell: (r) => (r.worker ? <a class="cm-name" href={link(r.worker)} title={r.worker}><Name text={r.worker} /></a> : <span class="cm-muted">unknown</span>) },
    { id: "ended", title: "Ended", key: (r) => r.ended, cell: (r) => count(r.ended) },
    { id: "failed", title: "Failed", hint: "and lost", key: (r) => r.failed, cell: (r) => <Door n={r.failed} href={link(r.worker, { state: "FAILURE" })} bad /> },
    { id: "ratio", title: "Of all ends", hint: "failed and lost of all attempts that ended on it, retried ones included", key: (r) => ratio(r), cell: (r) => <span class={(ratio(r) ?? 0) > 0.05 ? "cm-bad" : ""}>{percent(ratio(r))}</span> },
    { id: "p50", title: "p50", hint: "median runtime", minor: 2, key: (r) => r.runtime_seconds.p50, cell: (r) => duration(r.runtime_seconds.p50) },
    { id: "p95", title: "p95", hint: "runtime: 95 of 100 ran no longer", key: (r) => r.runtime_seconds.p95, cell: (r) => duration(r.runtime_seconds.p95) },
  ];
  return (
    <Table title="By worker" nouns={["worker"]} rows={rows} columns={columns} name={(r) => r.worker ?? ""} order={{ column: "ended", descending: true }} empty="No attempt of this time is stored any more.">
      {!complete && rows.length > 0 && (
        <span class="cm-muted" title="Counts by worker come from the attempts that are still stored.">
          the newest {count(attempts)} attempts, since {clock(since, new Date(found.window.end))}
        </span>
      )}
    </Table>
  );
}

function ratio(row: WorkerFigures): number | null {
  return row.ended ? row.failed / row.ended : null;
}
