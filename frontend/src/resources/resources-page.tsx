/** Resources: which task costs most, and which one's memory grows? */

import { changed, executions, search as query, task as taskLink } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { type Range, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { ResourceRow, Resources } from "../api/workers.ts";
import { Door } from "../parts/door.tsx";
import { Finding } from "../parts/finding.tsx";
import { Sheet } from "../parts/head.tsx";
import { Name } from "../parts/name.tsx";
import { Notice } from "../parts/notice.tsx";
import { Ending } from "../parts/quiet.tsx";
import { ShareBar } from "../parts/share.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { bytes, count, duration, NETWORK_SEEN, percent } from "../words/format.ts";
import { stretch } from "../words/stretch.ts";
import { workerMark } from "../words/worker-states.ts";
import { costliest, growth, hidden, leaks, network, ORDERS, type Order } from "./resource-costs.ts";

const WINDOW = "24h";

export function ResourcesPage({ search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const by = new URLSearchParams(search).get("by") ?? "cpu";
  const path = `/resources${query({ by, ...range })}`;
  const view = useAnswer<Resources>(path, path, 15_000);
  return (
    <Sheet view={view} title="Resources" every="15 s" window={WINDOW}>
      {(found) => (
        <>
          {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
          {found.tasks.length === 0 ? (
            <Ending window={found.window} what="No task has ended" />
          ) : (
            <>
              <Costs rows={found.tasks} by={found.by as Order} time={stretch(found.window, range)} />
              <Orders by={found.by} search={search} />
              <Table
                title={`Tasks by ${ORDERS[found.by as Order] ?? found.by}`}
                nouns={["task"]}
                rows={found.tasks}
                columns={columns(range, found.tasks, COLUMN[found.by as Order])}
                name={(r) => r.task}
                order={{ column: COLUMN[found.by as Order] ?? "cpu", descending: true }}
                empty=""
                file="resources"
                main
                screenful={50}
              />
            </>
          )}
        </>
      )}
    </Sheet>
  );
}

/** The column that a ranking is sorted by. */
const COLUMN: Record<Order, string> = { cpu: "cpu", time: "time", memory: "peak", growth: "growth", io: "written", network: "network" };

function Costs({ rows, by, time }: { rows: readonly ResourceRow[]; by: Order; time: string }) {
  const growing = rows.filter(leaks).sort((a, b) => b.growth.bytes_per_1000_runs - a.growth.bytes_per_1000_runs);
  const first = costliest(rows, by);
  return (
    <Finding mark={workerMark(growing.length ? "warning" : "ok")} text={first ?? "Nothing of this kind was counted"} aside={<>· {time}</>}>
      {growing.length > 0 && (
        <ul>
          {growing.slice(0, 3).map((r) => (
            <li key={r.task}>
              <span class="cm-state-warning" aria-hidden="true">▲</span> <a href={taskLink(r.task)}>{r.task}</a>: {growth(r)}
            </li>
          ))}
        </ul>
      )}
    </Finding>
  );
}

function Orders({ by, search }: { by: string; search: string }) {
  return (
    <div class="cm-orders">
      <span class="cm-muted">Most of</span>{" "}
      <span class="cm-windows" role="group" aria-label="What tasks are ranked by">
        {Object.entries(ORDERS).map(([order, word]) => (
          <a key={order} href={changed(search, { by: order === "cpu" ? null : order, sort: null })} aria-current={order === by ? "true" : undefined}>{word}</a>
        ))}
      </span>
    </div>
  );
}

function columns(range: Range, rows: readonly ResourceRow[], ranked: string): Column<ResourceRow>[] {
  const all: Column<ResourceRow>[] = [
    { id: "task", title: "Task", text: true, key: (r) => r.task, cell: (r) => <a class="cm-name cm-task" href={taskLink(r.task, range)} title={`${r.task}\n${r.queues.join(", ")}`}><Name text={r.task} /></a> },
    { id: "runs", title: "Runs", minor: 1, key: (r) => r.runs, cell: (r) => <Door n={r.runs} href={executions({ task: r.task, ...range })} /> },
    { id: "cpu", title: "CPU", hint: "of all attempts, and the share of all tasks' CPU", key: (r) => r.cpu_seconds.total, cell: (r) => <span class="cm-costs">{duration(r.cpu_seconds.avg == null ? null : r.cpu_seconds.total)} <ShareBar ratio={r.cpu_seconds.avg == null ? null : r.cpu_seconds.share} /></span> },
    { id: "cpu-mean", title: "each", hint: "CPU of an attempt, mean", minor: 1, key: (r) => r.cpu_seconds.avg, cell: (r) => duration(r.cpu_seconds.avg) },
    { id: "cpu-p95", title: "p95", hint: "CPU: 95 of 100 attempts took no more", minor: 1, key: (r) => r.cpu_seconds.p95, cell: (r) => duration(r.cpu_seconds.p95) },
    { id: "time", title: "Time", hint: "that all attempts ran, and its share", minor: 2, key: (r) => r.runtime_seconds.total, cell: (r) => <span class="cm-costs">{duration(r.runtime_seconds.total)} <ShareBar ratio={r.runtime_seconds.share} /></span> },
    { id: "peak", title: "Memory peak", hint: "of the process that ran it", key: (r) => r.memory_bytes.peak, cell: (r) => bytes(r.memory_bytes.peak) },
    { id: "memory-p95", title: "p95", hint: "memory of its process", minor: 1, key: (r) => r.memory_bytes.p95, cell: (r) => bytes(r.memory_bytes.p95) },
    {
      id: "growth",
      title: "Growth",
      hint: "of a child's memory in 1,000 runs",
      minor: 2,
      key: (r) => (r.growth.confidence === "none" ? 0 : r.growth.bytes_per_1000_runs),
      cell: (r) =>
        r.growth.confidence === "none" ? <span class="cm-muted" title={growth(r)}>none</span> : <span class={r.growth.confidence === "low" ? "cm-muted" : "cm-warn"} title={growth(r)}>{bytes(r.growth.bytes_per_1000_runs)} <small>{r.growth.confidence}</small></span>,
    },
    { id: "read", title: "Read", hint: "from disk", minor: 1, key: (r) => r.read_bytes, cell: (r) => bytes(r.read_bytes) },
    { id: "written", title: "Written", hint: "to disk", minor: 1, key: (r) => r.written_bytes, cell: (r) => bytes(r.written_bytes) },
    { id: "switches", title: "Switches", hint: "times it waited and gave the CPU away", minor: 1, key: (r) => r.switches, cell: (r) => count(r.switches) },
    { id: "involuntary", title: "Pushed off", hint: "times the kernel took the CPU from it", minor: 1, key: (r) => r.involuntary_switches, cell: (r) => count(r.involuntary_switches) },
    { id: "network", title: "Network", hint: `sent and received ${NETWORK_SEEN}`, minor: 1, key: network, cell: (r) => bytes(network(r)) },
    { id: "sent", title: "Sent", hint: `over the network, ${NETWORK_SEEN}`, minor: 1, key: (r) => r.network_sent_bytes, cell: (r) => bytes(r.network_sent_bytes) },
    { id: "received", title: "Received", hint: `over the network, ${NETWORK_SEEN}`, minor: 1, key: (r) => r.network_received_bytes, cell: (r) => bytes(r.network_received_bytes) },
    { id: "connections", title: "Connections", hint: `opened to the network, ${NETWORK_SEEN}`, minor: 1, key: (r) => r.connections, cell: (r) => count(r.connections) },
    {
      id: "attributed",
      title: "Attributed",
      hint: "share of runs in pools that can tell what one attempt took; with threads and gevent memory is that of all of them",
      minor: 1,
      key: (r) => r.attributed_ratio,
      cell: (r) => <span class={(r.attributed_ratio ?? 1) < 1 ? "cm-warn" : "cm-muted"}>{percent(r.attributed_ratio)}</span>,
    },
  ];
  // What nobody asked to be counted would be a column of dashes.
  const known = all.filter((c) => !hidden(c.id, rows));
  // What they are ranked by is seen on a phone, too, in the place of the others.
  return known.map((c) => (c.id === ranked ? { ...c, minor: undefined } : c.id === "cpu" || c.id === "peak" ? { ...c, minor: 2 } : c));
}
