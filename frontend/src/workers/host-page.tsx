/** One host: how much of it is in use, by what of this app, and how that went over time. */

import { search as query, worker as workerLink, workers } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { type Range, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { HostDetail, RoleSum, Worker, Workers } from "../api/workers.ts";
import { Charts } from "../charts/line-chart.tsx";
import { Badge } from "../parts/badge.tsx";
import { Facts } from "../parts/facts.tsx";
import { Finding } from "../parts/finding.tsx";
import { Sheet } from "../parts/head.tsx";
import { Name } from "../parts/name.tsx";
import { Notice } from "../parts/notice.tsx";
import { Slots } from "../parts/slots.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { serverNow } from "../words/clock.ts";
import { bytes, clock, count, digits, duration, percent, plural, UNKNOWN } from "../words/format.ts";
import { capital, stretch } from "../words/stretch.ts";
import { workerMark } from "../words/worker-states.ts";
import { CPU_LIMIT, DISK_LIMIT, MEMORY_LIMIT, speed, Used } from "./host-strip.tsx";
import { longest } from "./workers-page.tsx";

const WINDOW = "1h";
const CROWDED_LOAD = 1.5; // per CPU

export function HostPage({ name, search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/hosts/${encodeURIComponent(name)}${query(range)}`;
  const view = useAnswer<HostDetail>(path, path);
  const all = `/workers${query(range)}`;
  const there = useAnswer<Workers>(all, all).answer?.workers.filter((w) => w.host === name);
  return (
    <Sheet
      view={view}
      title={name}
      heading={<><a href={workers(range)}>Hosts</a> <span class="cm-muted">/</span> <span class="cm-title">{name}</span></>}
      window={WINDOW}
      missing={<>No process of this app has reported from it. <a href={workers()}>Workers and hosts</a></>}
    >
      {(found) => (
        <>
          {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
          <Now row={found} />
          <section class="cm-card cm-padded"><Facts facts={facts(found)} /></section>
          <div class="cm-pair">
            <Roles row={found} />
            {there && <There rows={there} range={range} />}
          </div>
          <h2 class="cm-section">{capital(stretch(found.window, range))}</h2>
          <Charts charts={charts(found)} />
        </>
      )}
    </Sheet>
  );
}

/** What of a host is short, in words, those that matter most first. */
export function shortages(row: HostDetail): string[] {
  const over = (ratio: number | null, limit: number) => ratio != null && ratio >= limit;
  return [
    over(row.memory_ratio, MEMORY_LIMIT) && `${percent(row.memory_ratio)} of its memory is used`,
    over(row.disk_ratio, DISK_LIMIT) && `${percent(row.disk_ratio)} of its disk is used`,
    over(row.cpu_percent, CPU_LIMIT * 100) && `${percent((row.cpu_percent ?? 0) / 100)} of its CPU is used`,
    over(row.throttled_ratio, 0.1) && `its CPU limit holds it back in ${percent(row.throttled_ratio)} of the scheduler's periods`,
    row.load1 != null && row.cpus && row.load1 > row.cpus * CROWDED_LOAD && `${digits(row.load1)} processes want its ${plural(row.cpus, "CPU")}`,
  ].filter((text): text is string => Boolean(text));
}

function Now({ row }: { row: HostDetail }) {
  if (row.state === "gone") return <Finding mark={workerMark("gone")} text="No process of this app answers from it" aside={`· last heard of at ${clock(row.seen_at, serverNow())}`} />;
  const [first, ...more] = shortages(row);
  if (!first) return <Finding mark={workerMark("ok")} text="It has room" aside={`· ${percent(row.cpu_percent == null ? null : row.cpu_percent / 100)} of CPU, ${percent(row.memory_ratio)} of memory used`} />;
  return <Finding mark={workerMark("warning")} text={first[0]!.toUpperCase() + first.slice(1)}>{more.length > 0 && <ul>{more.map((m) => <li key={m}>{m}</li>)}</ul>}</Finding>;
}

function facts(row: HostDetail) {
  const { limits } = row;
  const of = (used: number | null, total: number | null) => (total ? `${bytes(used)} of ${bytes(total)}` : UNKNOWN);
  return [
    { name: "CPU", value: <Used ratio={row.cpu_percent == null ? null : row.cpu_percent / 100} limit={CPU_LIMIT} of={row.cpus == null ? undefined : plural(row.cpus, "CPU")} /> },
    { name: "memory", value: <span class="cm-with-meter">{of(row.memory_used_bytes, row.memory_total_bytes)} <Used ratio={row.memory_ratio} limit={MEMORY_LIMIT} /></span>, hint: "without the file cache" },
    { name: "swap", value: row.swap_total_bytes ? of(row.swap_used_bytes, row.swap_total_bytes) : "none" },
    { name: "disk", value: <span class="cm-with-meter">{of(row.disk_used_bytes, row.disk_total_bytes)} <Used ratio={row.disk_ratio} limit={DISK_LIMIT} /></span> },
    { name: "load", value: row.load1 == null ? null : digits(row.load1), hint: "processes that run or want to, mean of a minute" },
    { name: "sent", value: speed(row.sent_bytes_s) },
    { name: "received", value: speed(row.received_bytes_s) },
    limits?.cpus != null ? { name: "CPU limit", value: `${plural(limits.cpus, "CPU")} of ${count(row.machine_cpus)}`, hint: "of the control group; the percentages are of it" } : null,
    limits?.memory_bytes != null ? { name: "memory limit", value: `${bytes(limits.memory_bytes)} of ${bytes(row.machine_memory_bytes)}`, hint: "of the control group; the percentages are of it" } : null,
    row.throttled_ratio != null ? { name: "held back", value: percent(row.throttled_ratio), hint: "share of the scheduler's periods in which the CPU limit stopped it" } : null,
    { name: "seen", value: clock(row.seen_at, serverNow()) },
  ];
}

type Role = RoleSum & { role: string };

function Roles({ row }: { row: HostDetail }) {
  const rows = Object.entries(row.processes).filter(([, r]) => r.count).map(([role, r]) => ({ role, ...r }));
  return (
    <Table title="Processes of this app" nouns={["role"]} rows={rows} columns={ROLES} name={(r) => r.role} order={{ column: "memory", descending: true }} empty="None answers.">
      <span class="cm-muted">{bytes(rows.reduce((n, r) => n + r.rss_bytes, 0))} together</span>
    </Table>
  );
}

const ROLES: Column<Role>[] = [
  { id: "role", title: "Role", text: true, key: (r) => r.role, cell: (r) => (r.role === "child" ? "children of pools" : r.role === "serve" ? "Flower, monitor serve" : r.role) },
  { id: "count", title: "Processes", key: (r) => r.count, cell: (r) => count(r.count) },
  { id: "cpu", title: "CPU", hint: "100 % is one core", key: (r) => r.cpu_percent, cell: (r) => percent(r.cpu_percent / 100) },
  { id: "memory", title: "Memory", hint: "resident; what they share is counted in each", key: (r) => r.rss_bytes, cell: (r) => bytes(r.rss_bytes) },
];

function There({ rows, range }: { rows: readonly Worker[]; range: Range }) {
  return <Table title="Workers on it" nouns={["worker"]} rows={rows} columns={there(range)} name={(r) => r.worker} order={{ column: "worker", descending: false }} empty="No worker runs on it." />;
}

function there(range: Range): Column<Worker>[] {
  return [
    { id: "worker", title: "Worker", text: true, key: (r) => r.worker, cell: (r) => <span class="cm-name"><Badge mark={workerMark(r.state)} word={r.state !== "ok"} /> <a href={workerLink(r.worker, range)}><Name text={r.worker} /></a></span> },
    { id: "busy", title: "Busy", key: (r) => r.busy, cell: (r) => <Slots busy={r.busy} slots={r.slots} /> },
    { id: "running", title: "Longest", hint: "what it runs longest", text: true, minor: 2, key: (r) => longest(r)?.task, cell: (r) => <span class="cm-cut">{longest(r)?.task} <span class="cm-muted">{longest(r) && duration(longest(r)!.seconds)}</span></span> },
    { id: "cpu", title: "CPU", key: (r) => r.cpu_percent, cell: (r) => percent(r.cpu_percent == null ? null : r.cpu_percent / 100) },
    { id: "memory", title: "Memory", key: (r) => r.rss_bytes, cell: (r) => bytes(r.rss_bytes) },
  ];
}

function charts({ series, cpus }: HostDetail) {
  const { t } = series;
  const line = (name: string, values: (number | null)[], tone: "running" | "retried" | "waiting") => ({ name, values, tone });
  return [
    { title: "CPU", hint: "of what it may use", t, unit: percent, floor: 1, lines: [line("used", series.cpu_percent.map((n) => (n == null ? null : n / 100)), "running")] },
    { title: "Load", hint: "processes that run or want to, mean of a minute", t, unit: (n: number | null) => (n == null ? UNKNOWN : digits(n)), floor: cpus ?? 1, lines: [line("load", series.load1, "running")] },
    { title: "Memory", hint: "of what it may use", t, unit: percent, floor: 1, lines: [line("used", series.memory_ratio, "running"), line("swap", series.swap_ratio, "retried")] },
    { title: "Disk", t, unit: percent, floor: 1, lines: [line("used", series.disk_ratio, "running")] },
    { title: "Network", hint: "all interfaces but the loopback", t, unit: speed, of: "bytes" as const, floor: 1024, lines: [line("sent", series.sent_bytes_s, "running"), line("received", series.received_bytes_s, "retried")] },
  ];
}
