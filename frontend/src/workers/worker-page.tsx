/** One worker: what each of its children does, how children died, and how it went over time. */

import { execution, executions, host as hostLink, overview, queue as queueLink, search as query, workers } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { type Range, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Death, Hosts, Process, WorkerDetail } from "../api/workers.ts";
import { Charts } from "../charts/line-chart.tsx";
import { perSecond } from "../charts/scale.ts";
import { Badge } from "../parts/badge.tsx";
import { Door } from "../parts/door.tsx";
import { type Fact, Facts } from "../parts/facts.tsx";
import { Finding } from "../parts/finding.tsx";
import { Sheet } from "../parts/head.tsx";
import { Meter } from "../parts/meter.tsx";
import { Name } from "../parts/name.tsx";
import { Notice } from "../parts/notice.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { serverNow } from "../words/clock.ts";
import { age, bytes, clock, count, duration, percent, plural, rate, UNKNOWN } from "../words/format.ts";
import { rateUnit } from "../words/rate-unit.ts";
import { capital, stretch } from "../words/stretch.ts";
import { workerMark } from "../words/worker-states.ts";
import { speed } from "./host-strip.tsx";
import { exitsInWords, longest } from "./workers-page.tsx";

const WINDOW = "1h";
const MEMORY_LIMIT = 0.85; // as the default rule

export function WorkerPage({ name, search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/workers/${encodeURIComponent(name)}${query(range)}`;
  const view = useAnswer<WorkerDetail>(path, path);
  const hosts = useAnswer<Hosts>("/hosts", "hosts", 30_000).answer?.hosts;
  const state = view.answer?.state;
  return (
    <Sheet
      view={view}
      title={name}
      heading={<><a href={workers(range)}>Workers</a> <span class="cm-muted">/</span> <span class="cm-title">{name}</span> {state && <small><Badge mark={workerMark(state)} word /></small>}</>}
      window={WINDOW}
      missing={<>No worker of this name has reported. <a href={workers()}>Those that have</a></>}
    >
      {(found) => (
        <>
          {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
          <Now row={found} />
          <section class="cm-card cm-padded"><Facts facts={facts(found, range)} /></section>
          <Processes row={found} limit={hosts?.find((h) => h.host === found.host)?.memory_total_bytes ?? null} />
          {!found.children?.length && <Running row={found} />}
          <Deaths rows={found.deaths ?? []} exits={found.exits} />
          <h2 class="cm-section">{capital(stretch(found.window, range))}</h2>
          <Charts charts={charts(found)} />
          <Lives row={found} />
        </>
      )}
    </Sheet>
  );
}

/** What it does at this moment, or why it does nothing. */
function Now({ row }: { row: WorkerDetail }) {
  const gone = row.state === "stopped" || row.state === "lost";
  const first = longest(row);
  const mark = workerMark(row.state);
  if (gone)
    return <Finding mark={mark} text={row.note ?? ""} aside={`· last heard of at ${clock(row.seen_at, serverNow())}`} />;
  const work = row.slots == null ? `Runs ${plural(row.busy ?? 0, "task")}` : `${count(row.busy)} of ${plural(row.slots, "slot")} busy`;
  return (
    <Finding
      mark={mark}
      text={row.note ?? work}
      aside={
        <>
          {row.note && `· ${work} `}
          {first && <>· longest <a href={execution(first.id)}>{first.task}</a> for {duration(first.seconds)} </>}
          · {plural(row.prefetched ?? 0, "message")} held
          {row.taken_at && <> · took the last one {duration(Math.round(age(row.taken_at, serverNow()) ?? 0))} ago</>}
        </>
      }
    >
      {row.state === "warning" && <ul><li><a href={overview()}>All alerts</a></li></ul>}
    </Finding>
  );
}

function facts(row: WorkerDetail, range: Range): (Fact | null)[] {
  const { totals } = row;
  return [
    { name: "host", value: row.host && <a href={hostLink(row.host, range)}>{row.host}</a> },
    { name: "pid", value: row.pid },
    { name: "pool", value: row.pool },
    { name: "queues", value: row.queues.length ? row.queues.map((q, i) => <>{i > 0 && ", "}<a href={queueLink(q, range)}>{q}</a></>) : null },
    { name: "may hold", value: row.prefetch_limit == null ? "any number" : plural(row.prefetch_limit, "message"), hint: "messages unacknowledged at a time" },
    { name: "up", value: duration(row.uptime_seconds == null ? null : Math.round(row.uptime_seconds)) },
    { name: "restarts", value: count(row.restarts), hint: "processes that had the same name before" },
    { name: "children that ended", value: exitsInWords(row.exits) || "none", hint: "since its start, by reason" },
    { name: "ended", value: <Door n={totals.ended} href={executions({ worker: row.worker, ...range })} />, hint: stretch(row.window, range) },
    { name: "failed", value: <Door n={totals.failed} href={executions({ worker: row.worker, state: "FAILURE", ...range })} bad /> },
    { name: "success", value: percent(totals.success_ratio) },
    { name: "rate", value: rate(totals.rate_per_second) },
    { name: "runtime p95", value: duration(totals.runtime_seconds.p95) },
    { name: "build", value: row.build, hint: row.build ? undefined : "set monitor_build or CELERY_MONITOR_BUILD" },
    { name: "versions", value: versions(row.versions) || null },
    { name: "clock", value: offset(row.clock_offset_seconds), hint: "ahead of (+) or behind (−) the store's" },
  ];
}

function versions(of: Record<string, string>): string {
  const { celery, python, system } = of;
  return [celery && `Celery ${celery}`, python && `Python ${python}`, system].filter(Boolean).join(", ");
}

function offset(seconds: number | null): string {
  return seconds == null ? UNKNOWN : `${seconds > 0 ? "+" : ""}${duration(seconds)}`;
}

/** What a pool without children runs: its slots are threads or greenlets of one process. */
function Running({ row }: { row: WorkerDetail }) {
  if (row.running.length === 0) return null;
  return <Table title="Runs now" nouns={["attempt"]} rows={row.running} columns={RUNNING} name={(r) => `${r.id} ${r.started_at}`} order={{ column: "since", descending: true }} empty="" file="running" />;
}

const RUNNING: Column<WorkerDetail["running"][number]>[] = [
  { id: "task", title: "Task", text: true, key: (r) => r.task, cell: (r) => <a class="cm-name cm-task" href={execution(r.id)} title={`${r.task}\nid ${r.id}`}><Name text={r.task ?? r.id} /></a> },
  { id: "queue", title: "Queue", text: true, minor: 2, key: (r) => r.queue, cell: (r) => <a href={queueLink(r.queue)}>{r.queue}</a> },
  { id: "started", title: "Started", minor: 2, key: (r) => r.started_at, cell: (r) => clock(r.started_at, serverNow()) },
  { id: "since", title: "For", key: (r) => r.seconds, cell: (r) => <b>{duration(r.seconds)}</b> },
];

interface Member extends Process {
  main: boolean;
}

function Processes({ row, limit }: { row: WorkerDetail; limit: number | null }) {
  if (!row.main) return null;
  const members: Member[] = [...(row.children ?? []).map((c) => ({ ...c, main: false })), { ...row.main, main: true }];
  const children = row.children?.length ?? 0;
  const most = row.max_memory_per_child_bytes;
  return (
    <Table
      title={children ? "Children" : "Process"}
      nouns={["process", "processes"]}
      rows={members}
      columns={columns(limit, most)}
      name={(r) => `${r.main} ${r.pid}`}
      order={{ column: "task", descending: false }}
      empty="No process has been looked at yet."
      file="processes"
      screenful={32}
    >
      {most != null && <span class="cm-muted">bars: the most a child had, of the {bytes(most)} after which it is replaced</span>}
      {most == null && limit != null && <span class="cm-muted">bars: share of the {bytes(limit)} that {row.host} may use</span>}
    </Table>
  );
}

/** How much of what bounds it a process has: of a child's own limit its peak, for that is what Celery looks at. */
function filled(r: Member, limit: number | null, most: number | null): number | null {
  const [of, has] = most == null || r.main ? [limit, r.rss_bytes] : [most, r.peak_rss_bytes];
  return of && has != null ? has / of : null;
}

function columns(limit: number | null, most: number | null): Column<Member>[] {
  const now = serverNow();
  return [
    { id: "pid", title: "Pid", text: true, minor: 2, key: (r) => r.pid, cell: (r) => r.pid ?? UNKNOWN },
    {
      id: "task",
      title: "Runs now",
      text: true,
      key: (r) => `${r.main ? 2 : r.task ? 0 : 1} ${r.task?.task ?? ""}`,
      value: (r) => r.task?.task,
      cell: (r) =>
        r.task ? (
          <><a class="cm-name cm-task" href={execution(r.task.id)} title={`${r.task.task}\nid ${r.task.id}`}><Name text={r.task.task} /></a> <span class="cm-muted cm-from">of {r.task.queue}</span></>
        ) : (
          <span class="cm-muted">{r.main ? "main process" : "○ free"}</span>
        ),
    },
    { id: "since", title: "For", hint: "how long it has run that", key: (r) => r.task?.seconds, cell: (r) => (r.task ? <b>{duration(r.task.seconds)}</b> : "") },
    { id: "cpu", title: "CPU", hint: "100 % is one core", key: (r) => r.cpu_percent, cell: (r) => <span class="cm-with-meter">{percent(r.cpu_percent == null ? null : r.cpu_percent / 100)} <span class="cm-wide"><Meter ratio={r.cpu_percent == null ? null : r.cpu_percent / 100} /></span></span> },
    {
      id: "memory",
      title: "Memory",
      hint: "resident",
      key: (r) => r.rss_bytes,
      cell: (r) => {
        const ratio = filled(r, limit, most);
        return <span class="cm-with-meter" title={ratio == null ? undefined : `${percent(ratio)}${r.peak_rss_bytes == null ? "" : `, at most ${bytes(r.peak_rss_bytes)}`}`}>{bytes(r.rss_bytes)} <span class="cm-wide"><Meter ratio={ratio} limit={MEMORY_LIMIT} /></span></span>;
      },
    },
    { id: "own", title: "Own", hint: "memory that it shares with nobody; counted seldom", minor: 2, key: (r) => r.uss_bytes, cell: (r) => <span title={r.uss_bytes == null ? "not counted yet: the kernel walks through all memory for it" : undefined}>{bytes(r.uss_bytes)}</span> },
    { id: "age", title: "Age", minor: 2, key: (r) => r.started_at, cell: (r) => duration(rounded(age(r.started_at, now))) },
    { id: "threads", title: "Threads", minor: 1, key: (r) => r.threads, cell: (r) => count(r.threads) },
    { id: "fds", title: "Files", hint: "open file descriptors, sockets among them", minor: 1, key: (r) => r.fds, cell: (r) => count(r.fds) },
    { id: "read", title: "Read", hint: "from disk since its start", minor: 1, key: (r) => r.read_bytes, cell: (r) => bytes(r.read_bytes) },
    { id: "written", title: "Written", hint: "to disk since its start", minor: 1, key: (r) => r.written_bytes, cell: (r) => bytes(r.written_bytes) },
    { id: "switches", title: "Switches", hint: "times it waited and gave the CPU away, since its start", minor: 1, key: (r) => r.switches, cell: (r) => count(r.switches) },
    { id: "involuntary", title: "Pushed off", hint: "times the kernel took the CPU from it", minor: 1, key: (r) => r.involuntary_switches, cell: (r) => count(r.involuntary_switches) },
  ];
}

function rounded(seconds: number | null): number | null {
  return seconds == null ? null : Math.round(seconds);
}

function Deaths({ rows, exits }: { rows: readonly Death[]; exits: Record<string, number> }) {
  if (rows.length === 0 && Object.keys(exits).length === 0) return null;
  return (
    <Table
      title="Last deaths"
      nouns={["child", "children"]}
      rows={rows}
      columns={DEATHS}
      name={(r) => `${r.at} ${r.pid}`}
      order={{ column: "at", descending: true }}
      empty="No child ended otherwise than by the pool's own wish."
      file="deaths"
    />
  );
}

const DEATHS: Column<Death>[] = [
  { id: "at", title: "At", text: true, key: (r) => r.at, cell: (r) => clock(r.at, serverNow()) },
  { id: "exit", title: "Because", text: true, key: (r) => r.exit, cell: (r) => <span title={r.code == null ? undefined : `exit code ${r.code}`}><span class="cm-state-critical" aria-hidden="true">■</span> <b>{r.exit}</b></span> },
  { id: "pid", title: "Pid", minor: 2, key: (r) => r.pid, cell: (r) => r.pid },
  {
    id: "running",
    title: "It was running",
    text: true,
    key: (r) => r.running[0]?.task,
    value: (r) => r.running.map((t) => `${t.task} ${t.id}`).join(", "),
    cell: (r) =>
      r.running.length === 0 ? <span class="cm-muted">nothing</span> : r.running.map((t, i) => <>{i > 0 && ", "}<a class="cm-name cm-task" href={execution(t.id)} title={`${t.task}\nid ${t.id}`}><Name text={t.task} /></a></>),
  },
  {
    id: "after",
    title: "For",
    hint: "from the task's start to the death",
    minor: 2,
    key: (r) => ran(r),
    cell: (r) => duration(ran(r)),
  },
];

function ran(row: Death): number | null {
  const started = Date.parse(row.running[0]?.started_at ?? "");
  const at = Date.parse(row.at ?? "");
  return Number.isNaN(at - started) ? null : Math.max(0, at - started) / 1000;
}

function charts({ series, window }: WorkerDetail) {
  const { t } = series;
  const step = (t[1] ?? 0) - (t[0] ?? 0) || window.seconds;
  const rates = (values: readonly (number | null)[]) => perSecond(values, t, step, Date.parse(window.end) / 1000);
  const cores = (values: readonly (number | null)[]) => values.map((n) => (n == null ? null : n / 100));
  return [
    { title: "Slots", hint: "means per point", t, unit: amount, floor: 1, lines: [
      { name: "busy", values: series.busy, tone: "running" as const },
      { name: "of", values: series.slots, tone: "muted" as const, dashed: true },
      { name: "held", values: series.prefetched, tone: "waiting" as const },
    ] },
    { title: "Throughput", t, unit: rateUnit(rates(series.ended)), lines: [
      { name: "ended", values: rates(series.ended), tone: "succeeded" as const },
      { name: "failed", values: rates(series.failed), tone: "failed" as const },
    ] },
    { title: "Runtime", t, unit: duration, of: "seconds" as const, lines: [
      { name: "p50", values: series.runtime_p50, tone: "running" as const },
      { name: "p95", values: series.runtime_p95, tone: "ink" as const },
      { name: "p99", values: series.runtime_p99, tone: "muted" as const, dashed: true },
    ] },
    { title: "CPU", hint: "of the worker and its children; 100 % is one core", t, unit: percent, floor: 0.1, lines: [{ name: "used", values: cores(series.cpu_percent), tone: "running" as const }] },
    { title: "Memory", hint: "resident, of the worker and its children", t, unit: bytes, of: "bytes" as const, lines: [{ name: "resident", values: series.rss_bytes, tone: "running" as const }] },
    { title: "Disk", t, unit: speed, of: "bytes" as const, floor: 1024, lines: [
      { name: "read", values: series.read_bytes_s, tone: "running" as const },
      { name: "written", values: series.written_bytes_s, tone: "retried" as const },
    ] },
    { title: "Threads and files", t, unit: amount, floor: 10, lines: [
      { name: "threads", values: series.threads, tone: "running" as const },
      { name: "files", values: series.fds, tone: "retried" as const },
    ] },
    { title: "Switches", hint: "of context, of the worker and its children", t, unit: rateUnit(series.switches_s), lines: [{ name: "switches", values: series.switches_s, tone: "running" as const }] },
  ];
}

/** A mean of counts: 4.5, 12. */
function amount(n: number | null): string {
  return n == null ? UNKNOWN : String(Math.round(n * 10) / 10);
}

function Lives({ row }: { row: WorkerDetail }) {
  if (row.lives.length < 2) return null;
  return (
    <Table
      title="Lives"
      nouns={["life", "lives"]}
      rows={row.lives}
      columns={LIVES}
      name={(r) => `${r.started_at} ${r.pid}`}
      order={{ column: "started", descending: true }}
      empty=""
    >
      <span class="cm-muted">processes of this name, at most 20</span>
    </Table>
  );
}

const LIVES: Column<WorkerDetail["lives"][number]>[] = [
  { id: "started", title: "Started", text: true, key: (r) => r.started_at, cell: (r) => clock(r.started_at, serverNow()) },
  { id: "seen", title: "Last heard of", text: true, key: (r) => r.seen_at, cell: (r) => clock(r.seen_at, serverNow()) },
  { id: "lasted", title: "Lasted", key: (r) => lasted(r.started_at, r.seen_at), cell: (r) => duration(rounded(lasted(r.started_at, r.seen_at))) },
  { id: "end", title: "End", text: true, key: (r) => (r.stopped ? 1 : 0), cell: (r) => (r.stopped ? <><span class="cm-muted" aria-hidden="true">○</span> said goodbye</> : <span class="cm-muted">none told</span>) },
  { id: "host", title: "Host", text: true, minor: 2, key: (r) => r.host, cell: (r) => <a href={hostLink(r.host)}>{r.host}</a> },
  { id: "pid", title: "Pid", minor: 2, key: (r) => r.pid, cell: (r) => r.pid },
  { id: "build", title: "Build", text: true, minor: 2, key: (r) => r.build, cell: (r) => r.build },
];

function lasted(from: string | null, to: string | null): number | null {
  const seconds = (Date.parse(to ?? "") - Date.parse(from ?? "")) / 1000;
  return Number.isNaN(seconds) ? null : seconds;
}
