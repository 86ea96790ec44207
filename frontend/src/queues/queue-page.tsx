/** One queue: why is nothing moving? Where its messages are, who has them, what each waits for, and how that went. */

import { changed, execution, executions, queue as queueLink, queues, search as query, task as taskLink, worker as workerLink } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { type Range, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { QueueDetail, QueueTask, QueueWorker, WaitingNow, WaitingRow } from "../api/queues.ts";
import { Charts } from "../charts/line-chart.tsx";
import { Badge } from "../parts/badge.tsx";
import { Parts } from "../parts/delay-parts.tsx";
import { Door } from "../parts/door.tsx";
import { type Fact, Facts } from "../parts/facts.tsx";
import { Finding } from "../parts/finding.tsx";
import { Sheet } from "../parts/head.tsx";
import { Name } from "../parts/name.tsx";
import { Notice } from "../parts/notice.tsx";
import { Slots } from "../parts/slots.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { serverNow } from "../words/clock.ts";
import { clock, count, duration, percent, rate, UNKNOWN } from "../words/format.ts";
import { rateUnit } from "../words/rate-unit.ts";
import { capital, stretch } from "../words/stretch.ts";
import { answer, queueMark, reasons } from "./queue-states.ts";

const WINDOW = "1h";
const LISTED = 100; // the API gives no more

export function QueuePage({ name, search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const place = `/queues/${encodeURIComponent(name)}`;
  const path = place + query(range);
  const view = useAnswer<QueueDetail>(path, path);
  const waiting = useAnswer<WaitingNow>(view.answer && `${place}/waiting?limit=${LISTED}`, view.answer && place).answer;
  const row = view.answer;
  return (
    <Sheet
      view={view}
      title={name}
      heading={<><a href={queues(range)}>Queues</a> <span class="cm-muted">/</span> <span class="cm-title">{name}</span> {row && <small><Badge mark={queueMark(row)} word /></small>}</>}
      window={WINDOW}
      missing={<>Nothing was published to a queue of this name, and no worker consumes it. <a href={queues({ window: "30d" })}>Those that are known</a></>}
    >
      {(found) => (
        <>
          {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
          <Why row={found} waiting={waiting?.oldest ?? []} />
          <section class="cm-card cm-padded">
            <Where row={found} />
            <Facts facts={facts(found, range)} />
          </section>
          {waiting && <Waiting found={waiting} all={(found.backlog ?? 0) + found.held + found.eta_held} search={search} />}
          <div class="cm-pair">
            <Takers rows={found.workers} name={name} range={range} />
            <Tasks rows={found.tasks} name={name} range={range} />
          </div>
          <h2 class="cm-section">{capital(stretch(found.window, range))}</h2>
          <Charts charts={charts(found)} />
        </>
      )}
    </Sheet>
  );
}

function Why({ row, waiting }: { row: QueueDetail; waiting: readonly WaitingRow[] }) {
  const because = reasons(row, waiting);
  return (
    <Finding mark={queueMark(row)} text={answer(row)} aside={<>· in {rate(row.in_per_second)} · out {rate(row.out_per_second)}</>}>
      {because.length > 0 && <ul>{because.map((text) => <li key={text}>{text}</li>)}</ul>}
    </Finding>
  );
}

const PLACES = [
  { key: "backlog", word: "in the broker", tone: "wait" },
  { key: "held", word: "held by workers", tone: "hold" },
  { key: "eta_held", word: "held until due", tone: "later" },
  { key: "running", word: "running", tone: "run" },
] as const;

/** Where the messages of a queue are, as parts of one bar. */
function Where({ row }: { row: QueueDetail }) {
  const whole = PLACES.reduce((n, p) => n + (row[p.key] ?? 0), 0);
  return (
    <div class="cm-where">
      {whole > 0 && (
        <div class="cm-where-bar" aria-hidden="true">
          {PLACES.map((p) => (row[p.key] ? <span key={p.key} class={`cm-where-${p.tone}`} style={{ flexGrow: row[p.key] ?? 0 }} /> : null))}
        </div>
      )}
      <ul class="cm-legend">
        {PLACES.map((p) => (
          <li key={p.key}><i class={`cm-swatch cm-where-${p.tone}`} /> {p.word} <b title={row[p.key] == null ? "the broker does not tell" : undefined}>{count(row[p.key])}</b></li>
        ))}
      </ul>
    </div>
  );
}

function facts(row: QueueDetail, range: Range): (Fact | null)[] {
  const of = { queue: row.queue, ...range };
  return [
    { name: "in", value: rate(row.in_per_second), hint: "messages that came, mean of the last 5 minutes" },
    { name: "started", value: rate(row.start_per_second), hint: "mean of the last 5 minutes" },
    { name: "out", value: rate(row.out_per_second), hint: "attempts that ended, mean of the last 5 minutes" },
    { name: "empty in", value: row.backlog ? (row.empties_in_seconds == null ? <span class={queueMark(row).tone === "ok" ? "cm-muted" : "cm-warn"}>never at this rate</span> : duration(Math.round(row.empties_in_seconds))) : row.backlog === 0 ? "it is empty" : null },
    { name: "oldest", value: row.backlog ? duration(row.oldest_seconds) : null, hint: row.backlog ? "in the broker" : "nothing lies in the broker" },
    { name: "wait p50", value: duration(row.wait_seconds.p50), hint: "from publish (or due time) to start" },
    { name: "p95", value: duration(row.wait_seconds.p95) },
    { name: "p99", value: duration(row.wait_seconds.p99) },
    { name: "published", value: <Door n={row.published} href={executions(of)} />, hint: stretch(row.window, range) },
    { name: "ended", value: <Door n={row.ended} href={executions(of)} />, hint: stretch(row.window, range) },
    { name: "failed", value: <a href={executions({ ...of, state: "FAILURE" })}>list</a>, hint: "executions of this queue that failed" },
    { name: "workers", value: <span class={row.consumers ? "" : "cm-bad"}>{count(row.consumers)}{row.broker_consumers != null && ` (the broker counts ${count(row.broker_consumers)})`}</span>, hint: "live ones that take from it" },
    { name: "unacked", value: count(row.unacked), hint: "given out and not acknowledged, as the broker counts" },
    { name: "broker", value: row.broker.kind, hint: `looked at ${clock(row.broker.sampled_at, serverNow())}` },
  ];
}

function Waiting({ found, all, search }: { found: WaitingNow; all: number; search: string }) {
  const newest = new URLSearchParams(search).get("order") === "newest";
  const rows = newest ? found.newest : found.oldest;
  return (
    <Table
      title="Waiting now"
      nouns={["execution"]}
      rows={rows}
      columns={WAITING}
      name={(r) => r.id}
      order={{ column: "since", descending: newest }}
      empty={all > 0 ? "None of what was counted is known by its id: it was published by processes without a Monitor, or has been taken since." : "Nothing waits."}
      file={`waiting in ${found.queue.replace(/[^\w.-]+/g, "_").slice(0, 60)}`}
      main
      screenful={20}
    >
      {rows.length > 0 && rows.length < LISTED && rows.length < all && <span class="cm-muted" title="published by processes without a Monitor, or so long ago that nothing is stored of it any more; or taken since it was counted">of {count(all)}; the others are not known by id</span>}
      {found.oldest.length > 0 && <span class="cm-muted">the {newest ? "newest" : "oldest"} · <a href={changed(search, { order: newest ? null : "newest", sort: null })}>show the {newest ? "oldest" : "newest"}</a></span>}
    </Table>
  );
}

const WAITING: Column<WaitingRow>[] = [
  { id: "task", title: "Task", text: true, key: (r) => r.task, cell: (r) => (r.published_at ? <a class="cm-name cm-task" href={execution(r.id)} title={`${r.task}\nid ${r.id}`}><Name text={r.task ?? r.id} /></a> : <span class="cm-name" title={`id ${r.id}\nnothing is stored of it: it was published by a process without a Monitor`}>{r.task ?? <span class="cm-muted">unknown</span>}</span>) },
  { id: "id", title: "Id", text: true, minor: 1, key: (r) => r.id, cell: (r) => <code class="cm-id">{r.id.slice(0, 8)}</code> },
  { id: "since", title: "Since", minor: 1, key: (r) => r.published_at ?? r.held_since, cell: (r) => clock(r.published_at ?? r.held_since, serverNow()) },
  { id: "waited", title: "For", key: (r) => r.seconds, cell: (r) => <b>{duration(r.published_at || r.held_since ? r.seconds : null)}</b> },
  { id: "parts", title: "Spent", hint: "until due, in the broker, held by a worker", text: true, minor: 2, key: (r) => r.hold_seconds, value: (r) => `due ${r.eta_seconds + r.retry_backoff_seconds} s, broker ${r.broker_seconds} s, held ${r.hold_seconds} s`, cell: (r) => <Parts row={r} /> },
  { id: "held", title: "Held by", text: true, minor: 2, key: (r) => r.held_by, cell: (r) => (r.held_by ? <a class="cm-cut" href={workerLink(r.held_by)}>{r.held_by}</a> : <span class="cm-muted">nobody</span>) },
  {
    id: "because",
    title: "Because",
    text: true,
    key: (r) => r.text,
    cell: (r) => (
      <span class="cm-because" title={r.slots.map((s) => `${s.task} for ${duration(s.seconds)} on ${s.worker}`).join("\n") || undefined}>
        {r.text}
        {r.because === "slot" && r.slots[0]?.id && <>, longest <a href={execution(r.slots[0].id)}>{r.slots[0].task}</a> {duration(r.slots[0].seconds)}</>}
        {r.delivered_twice && <span class="cm-warn"> ▲ will run twice</span>}
      </span>
    ),
  },
];

function Takers({ rows, name, range }: { rows: readonly QueueWorker[]; name: string; range: Range }) {
  const columns: Column<QueueWorker>[] = [
    { id: "worker", title: "Worker", text: true, key: (r) => r.worker, cell: (r) => <a class="cm-name" href={workerLink(r.worker, range)} title={r.worker}><Name text={r.worker} /></a> },
    { id: "busy", title: "Busy", hint: "slots, with tasks of any queue", key: (r) => (r.slots ? r.busy / r.slots : null), value: (r) => r.busy, cell: (r) => <Slots busy={r.busy} slots={r.slots} /> },
    { id: "running", title: "Of this queue", key: (r) => r.running, cell: (r) => count(r.running) },
    { id: "held", title: "Held", key: (r) => r.held, cell: (r) => count(r.held) },
    { id: "eta", title: "Due later", minor: 2, key: (r) => r.eta_held, cell: (r) => count(r.eta_held) },
    {
      id: "also",
      title: "Takes from, too",
      text: true,
      minor: 1,
      key: (r) => r.queues.join(", "),
      cell: (r) => <span class="cm-queues">{r.queues.filter((q) => q !== name).map((q, i) => <>{i > 0 && ", "}<a href={queueLink(q, range)}>{q}</a></>)}</span>,
    },
  ];
  return <Table title="Who takes from it" nouns={["worker"]} rows={rows} columns={columns} name={(r) => r.worker} order={{ column: "held", descending: true }} empty={<>No worker. Start one: <code>celery -A proj worker -Q {name}</code></>} file="workers" />;
}

function Tasks({ rows, name, range }: { rows: readonly QueueTask[]; name: string; range: Range }) {
  const columns: Column<QueueTask>[] = [
    { id: "task", title: "Task", text: true, key: (r) => r.task, cell: (r) => <a class="cm-name cm-task" href={taskLink(r.task, range)} title={r.task}><Name text={r.task} /></a> },
    { id: "published", title: "Published", minor: 2, key: (r) => r.published, cell: (r) => count(r.published) },
    { id: "ended", title: "Ended", key: (r) => r.ended, cell: (r) => <Door n={r.ended} href={executions({ task: r.task, queue: name, ...range })} /> },
    { id: "wait", title: "Wait p95", minor: 2, key: (r) => r.wait_seconds.p95, cell: (r) => duration(r.wait_seconds.p95) },
    { id: "runtime", title: "Runtime p95", minor: 2, key: (r) => r.runtime_seconds.p95, cell: (r) => duration(r.runtime_seconds.p95) },
    { id: "share", title: "Of all time", hint: "share of the time that tasks of this queue ran", key: (r) => r.runtime_seconds.total, cell: (r) => percent(share(r, rows)) },
  ];
  return <Table title="Its tasks" nouns={["task"]} rows={rows} columns={columns} name={(r) => r.task} order={{ column: "share", descending: true }} empty="None was published to it in this window." file="tasks" />;
}

function share(row: QueueTask, rows: readonly QueueTask[]): number | null {
  const whole = rows.reduce((n, r) => n + (r.runtime_seconds.total ?? 0), 0);
  return whole ? (row.runtime_seconds.total ?? 0) / whole : null;
}

function amount(n: number | null): string {
  return n == null ? UNKNOWN : n >= 100 ? count(n) : String(Math.round(n * 10) / 10);
}

function charts({ series }: QueueDetail) {
  const { t } = series;
  const rates = rateUnit([...series.in_per_second, ...series.out_per_second, ...series.start_per_second]);
  return [
    { title: "Messages", hint: "means per point", t, unit: amount, floor: 5, lines: [
      { name: "broker", values: series.backlog, tone: "ink" as const },
      { name: "held", values: series.held, tone: "waiting" as const },
      { name: "due later", values: series.eta_held, tone: "muted" as const, dashed: true },
      { name: "running", values: series.running, tone: "running" as const },
    ] },
    { title: "Oldest", hint: "age of the oldest message in the broker, the most of each point", t, unit: duration, of: "seconds" as const, floor: 1, lines: [{ name: "age", values: series.oldest_seconds, tone: "ink" as const }] },
    { title: "Rates", t, unit: rates, lines: [
      { name: "in", values: series.in_per_second, tone: "waiting" as const },
      { name: "started", values: series.start_per_second, tone: "running" as const, dashed: true },
      { name: "out", values: series.out_per_second, tone: "succeeded" as const },
    ] },
    { title: "Wait", hint: "from publish (or due time) to start", t, unit: duration, of: "seconds" as const, lines: [
      { name: "p50", values: series.wait_p50, tone: "running" as const },
      { name: "p95", values: series.wait_p95, tone: "ink" as const },
      { name: "p99", values: series.wait_p99, tone: "muted" as const, dashed: true },
    ] },
    { title: "Unacknowledged", hint: "given out and not acknowledged, as the broker counts", t, unit: amount, floor: 5, lines: [{ name: "messages", values: series.unacked, tone: "waiting" as const }] },
  ];
}
