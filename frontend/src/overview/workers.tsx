/** Table of processes that report: what they do and what their machine has left. */

import { executions, worker } from "../address/links.ts";
import type { Range } from "../address/window.ts";
import type { WorkerRow } from "../api/summary.ts";
import { Badge } from "../parts/badge.tsx";
import { Door } from "../parts/door.tsx";
import { Name } from "../parts/name.tsx";
import { Slots } from "../parts/slots.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { age, ago, bytes, count, percent, plural, UNKNOWN } from "../words/format.ts";
import { mark } from "../words/marks.ts";

const CPU_LIMIT = 0.8; // the default rules' thresholds
const MEMORY_LIMIT = 0.85;
const DISK_LIMIT = 0.9;

function ratio(of: number | null, whole: number | null): number | null {
  return of == null || !whole ? null : of / whole;
}

function Share({ value, limit }: { value: number | null; limit: number }) {
  return <span class={(value ?? 0) >= limit ? "cm-warn" : ""}>{percent(value)}</span>;
}

function hundredth(value: number | null): number | null {
  return value == null ? null : value / 100;
}

function columns(now: Date, range: Range): Column<WorkerRow>[] {
  return [
    {
      id: "worker",
      title: "Worker",
      text: true,
      key: (r) => `${r.role === "worker" ? 0 : 1} ${r.worker}`, // beat and producers stand below
      cell: (r) => (
        <span class="cm-name" title={`${r.worker}\npid ${r.pid} on ${r.host}, ${r.pool ?? r.role}`}>
          <Badge mark={mark(r.state)} word={r.state === "lost" || r.state === "stopped"} />{" "}
          {r.role === "worker" ? <a href={worker(r.worker, range)}><Name text={r.worker} /></a> : <Name text={r.worker} />}
        </span>
      ),
    },
    {
      id: "busy",
      title: "Busy",
      hint: "slots that run a task now",
      key: (r) => ratio(r.busy, r.slots),
      cell: (r) =>
        r.slots == null ? (
          <span class="cm-muted">{r.role === "worker" ? UNKNOWN : r.role}</span>
        ) : (
          <Slots busy={r.busy} slots={r.slots} />
        ),
    },
    { id: "held", title: "Held", hint: "prefetched, not started", minor: 1, key: (r) => r.prefetched, cell: (r) => count(r.prefetched) },
    { id: "ended", title: "Ended", minor: 2, key: (r) => r.ended, cell: (r) => count(r.ended) },
    {
      id: "failed",
      title: "Failed",
      minor: 2,
      key: (r) => r.failed,
      cell: (r) => <Door n={r.failed} href={executions({ worker: r.worker, state: "FAILURE", ...range })} bad />,
    },
    { id: "cpu", title: "CPU", hint: "of the worker and its children; 100 % is one core", key: (r) => r.cpu_percent, cell: (r) => percent(hundredth(r.cpu_percent)) },
    { id: "memory", title: "Memory", hint: "resident, of the worker and its children", minor: 2, key: (r) => r.rss_bytes, cell: (r) => bytes(r.rss_bytes) },
    { id: "host-cpu", title: "Host CPU", minor: 2, key: (r) => r.host_cpu_percent, cell: (r) => <Share value={hundredth(r.host_cpu_percent)} limit={CPU_LIMIT} /> },
    { id: "host-memory", title: "Host mem", minor: 2, key: (r) => r.host_memory_ratio, cell: (r) => <Share value={r.host_memory_ratio} limit={MEMORY_LIMIT} /> },
    { id: "host-disk", title: "Disk", minor: 2, key: (r) => r.host_disk_ratio, cell: (r) => <Share value={r.host_disk_ratio} limit={DISK_LIMIT} /> },
    {
      id: "queues",
      title: "Queues",
      text: true,
      minor: 1,
      key: (r) => r.queues.join(", "),
      cell: (r) => (
        <span class="cm-queues" title={r.queues.join(", ")}>
          {r.queues.length > 3 ? plural(r.queues.length, "queue") : r.queues.join(", ")}
        </span>
      ),
    },
    {
      id: "seen",
      title: "Seen",
      hint: "since its last heartbeat",
      minor: 1,
      key: (r) => age(r.seen_at, now),
      cell: (r) => <span class="cm-muted">{ago(r.seen_at, now)}</span>,
    },
  ];
}

export function Workers({ rows, now, range }: { rows: readonly WorkerRow[]; now: Date; range: Range }) {
  return (
    <Table
      title="Workers"
      nouns={["process", "processes"]}
      rows={rows}
      columns={columns(now, range)}
      file="workers"
      name={(r) => `${r.worker} ${r.pid}`}
      order={{ column: "worker", descending: false }}
      empty={<>No process reports. Start a worker: <code>celery -A proj worker</code></>}
    />
  );
}
