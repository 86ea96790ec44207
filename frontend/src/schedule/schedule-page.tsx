/** Schedule: did what was due run, and on time? */

import { changed, execution, executions, host as hostLink, queue as queueLink, search as query, task as taskLink } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { type Range, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Beat, Booking, Entry, Schedule, Sending } from "../api/schedule.ts";
import { Badge } from "../parts/badge.tsx";
import { Facts } from "../parts/facts.tsx";
import { Finding } from "../parts/finding.tsx";
import { Sheet } from "../parts/head.tsx";
import { Notice } from "../parts/notice.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { serverNow } from "../words/clock.ts";
import { ago, clock, count, duration, plural } from "../words/format.ts";
import { because, executionMark } from "../words/states.ts";
import { workerMark } from "../words/worker-states.ts";
import { byTrouble, scheduleMark, worst } from "./schedule-lanes.ts";
import { inWords, Lanes } from "./schedule-view.tsx";

const WINDOW = "24h";
const LANES = 60; // drawn; the table has all
const TOLD = 5; // lines of the finding

export function SchedulePage({ search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/schedule${query(range)}`;
  const view = useAnswer<Schedule>(path, path);
  return (
    <Sheet view={view} title="Schedule" window={WINDOW}>
      {(found) => {
        const entries = [...found.entries].sort(byTrouble);
        const selected = new URLSearchParams(search).get("entry");
        const chosen = entries.find((e) => e.entry === selected);
        return (
          <>
            {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
            {found.beats.length === 0 && entries.length === 0 ? (
              <Notice tone="unknown" title="No beat is known.">
                Start the one of an app with <code>Monitor(app)</code>: <code>celery -A proj beat</code>; its entries show up with it.
              </Notice>
            ) : (
              <>
                <Standing found={found} entries={entries} search={search} />
                {entries.length > 0 && <Lanes entries={entries.slice(0, LANES)} window={found.window} search={search} selected={selected} />}
                {chosen && <Chosen entry={chosen} search={search} range={range} />}
                <Entries rows={entries} search={search} since={found.since} start={found.window.start} />
                <Beats rows={found.beats} />
              </>
            )}
          </>
        );
      }}
    </Sheet>
  );
}

function Standing({ found, entries, search }: { found: Schedule; entries: readonly Entry[]; search: string }) {
  const bad = entries.filter((e) => ["missed", "unsent", "duplicate", "late", "overlapping"].includes(worst(e)));
  const none = !found.beats.some((b) => b.state === "ok");
  const first = bad[0];
  const enabled = `${count(found.enabled)} of ${count(found.total)} ${found.total === 1 ? "entry" : "entries"} enabled`;
  const mark = none ? { shape: "■", word: "no beat", tone: "critical" as const } : first ? scheduleMark(worst(first)) : scheduleMark("on_time");
  const text = none ? "No beat works: nothing is sent" : first ? `${count(bad.length)} of ${plural(entries.length, "entry", "entries")} did not go as planned` : "All that was due was sent on time";
  const told = found.notes.filter((note) => !(none && note.startsWith("no beat runs")));
  return (
    <Finding mark={mark} text={text} aside={<>· {enabled}</>}>
      {told.length + bad.length > 0 && (
        <ul>
          {told.map((note) => <li key={note}><span class="cm-warn" aria-hidden="true">▲</span> {note}</li>)}
          {bad.slice(0, TOLD).map((e) => (
            <li key={e.entry}>
              <Badge mark={scheduleMark(worst(e))} /> <a href={changed(search, { entry: e.entry })}>{e.entry}</a>: {inWords(e)}
              {reason(e) && <span class="cm-muted"> ({reason(e)})</span>}
            </li>
          ))}
          {bad.length > TOLD && <li class="cm-muted">and {count(bad.length - TOLD)} more</li>}
        </ul>
      )}
    </Finding>
  );
}

/** Why the newest of an entry's faults happened. */
function reason(entry: Entry): string | null {
  return entry.ledger.find((line) => line.state === worst(entry))?.reason ?? null;
}

function Entries({ rows, search, since, start }: { rows: readonly Entry[]; search: string; since: string | null; start: string }) {
  const short = since && Date.parse(since) > Date.parse(start) + 1000;
  return (
    <Table title="Entries" nouns={["entry", "entries"]} rows={rows} columns={columns(search)} name={(r) => r.entry} order={{ column: "state", descending: false }} empty="The beat has no entries." file="schedule" main screenful={50}>
      {short && <span class="cm-muted" title="older sendings are not kept any more, or were not recorded yet">the ledger is complete since {clock(since, serverNow())}</span>}
    </Table>
  );
}

function columns(search: string): Column<Entry>[] {
  const fault = (n: number, tone = "cm-bad") => <span class={n ? tone : "cm-muted"}>{count(n)}</span>;
  return [
    { id: "state", title: "State", text: true, key: (r) => `${Object.keys(ORDER).indexOf(worst(r))} ${r.entry}`, value: (r) => worst(r), cell: (r) => <Badge mark={scheduleMark(worst(r))} word /> },
    { id: "entry", title: "Entry", text: true, key: (r) => r.entry, cell: (r) => <a class="cm-name cm-tight" href={changed(search, { entry: r.entry })} title={`${r.entry}\n${r.task}`}>{r.entry}</a> },
    { id: "schedule", title: "When", text: true, minor: 2, key: (r) => r.schedule, cell: (r) => r.schedule },
    { id: "expected", title: "Expected", minor: 2, key: (r) => r.expected, cell: (r) => count(r.expected) },
    { id: "sent", title: "Sent", minor: 2, key: (r) => r.sent, cell: (r) => count(r.sent) },
    { id: "missed", title: "Missed", key: (r) => r.missed, cell: (r) => fault(r.missed) },
    { id: "late", title: "Late", hint: "over a quarter of its interval after it was due, 5 s at most", minor: 2, key: (r) => r.late, cell: (r) => fault(r.late, "cm-warn") },
    { id: "double", title: "Double", hint: "sent again before it was due again, as by two beats", minor: 2, key: (r) => r.duplicate, cell: (r) => fault(r.duplicate) },
    { id: "unsent", title: "Not sent", hint: "beat tried, and the broker refused", minor: 1, key: (r) => r.unsent, cell: (r) => fault(r.unsent) },
    { id: "overlaps", title: "Overlaps", hint: "sent while the one before it had not ended", minor: 1, key: (r) => r.overlapping, cell: (r) => fault(r.overlapping, "cm-warn") },
    { id: "drift", title: "Drift", hint: "sent so long after it was due, at most", minor: 1, key: (r) => r.drift_seconds.max, cell: (r) => duration(r.drift_seconds.max) },
    { id: "runtime", title: "Runtime p95", hint: "of its executions that are still stored", minor: 1, key: (r) => r.runtime_seconds.p95, cell: (r) => duration(r.runtime_seconds.p95) },
    { id: "last", title: "Last sent", minor: 2, key: (r) => r.last_sent_at, cell: (r) => clock(r.last_sent_at, serverNow()) },
    { id: "next", title: "Next due", minor: 1, key: (r) => r.next_due_at, cell: (r) => clock(r.next_due_at, serverNow()) },
  ];
}

const ORDER = { missed: 0, unsent: 1, duplicate: 2, late: 3, overlapping: 4, on_time: 5, waiting: 6, off: 7 };

/** One entry: its facts, what went wrong, and its newest runs. */
function Chosen({ entry, search, range }: { entry: Entry; search: string; range: Range }) {
  return (
    <>
      <section class="cm-card cm-padded" aria-label={`Entry ${entry.entry}`}>
        <h2>
          <a class="cm-button cm-close" href={changed(search, { entry: null })} aria-label="Close">✕</a>
          {entry.entry}
        </h2>
        <Facts
          facts={[
            { name: "state", value: <Badge mark={scheduleMark(worst(entry))} word /> },
            { name: "when", value: entry.schedule },
            { name: "task", value: <a href={taskLink(entry.task, range)}>{entry.task}</a> },
            { name: "queue", value: entry.queue && <a href={queueLink(entry.queue, range)}>{entry.queue}</a>, hint: entry.queue ? undefined : "where the routes of the task lead" },
            { name: "sent by", value: entry.beats.join(", ") || null },
            { name: "expected", value: count(entry.expected) },
            { name: "sent", value: count(entry.sent) },
            { name: "drift", value: `${duration(entry.drift_seconds.avg)}, at most ${duration(entry.drift_seconds.max)}`, hint: "sent so long after it was due" },
            { name: "runtime p50", value: duration(entry.runtime_seconds.p50) },
            { name: "p95", value: duration(entry.runtime_seconds.p95) },
            { name: "next due", value: clock(entry.next_due_at, serverNow()) },
            { name: "executions", value: <a href={executions({ task: entry.task, ...range })}>all of its task</a> },
          ]}
        />
      </section>
      <div class="cm-pair">
        <Table title="Not as it should be" nouns={["line"]} rows={entry.ledger} columns={LEDGER} name={(r) => `${r.state} ${r.due_at} ${r.sent_at} ${r.id}`} order={{ column: "at", descending: true }} empty="All was sent on time." file="ledger" />
        <Table title="Newest runs" nouns={["run"]} rows={entry.runs} columns={RUNS} name={(r) => `${r.sent_at} ${r.id}`} order={{ column: "sent", descending: true }} empty="Nothing was sent in this window." file="runs" />
      </div>
    </>
  );
}

const LEDGER: Column<Booking>[] = [
  { id: "state", title: "What", text: true, key: (r) => r.state, cell: (r) => <><Badge mark={scheduleMark(r.state === "on_time" ? "overlapping" : r.state)} word />{r.count > 1 && ` ${count(r.count)} times`}</> },
  { id: "at", title: "Due", hint: "when sent, of what was sent twice", key: (r) => r.due_at ?? r.sent_at, cell: (r) => clock(r.due_at ?? r.sent_at, serverNow()) },
  { id: "late", title: "After", hint: "sent so long after it was due", key: (r) => r.late_seconds, cell: (r) => duration(r.late_seconds) },
  { id: "reason", title: "Because", text: true, minor: 2, key: (r) => r.reason, cell: (r) => <span class="cm-cut" title={r.reason ?? undefined}>{r.reason ?? (r.overlaps ? "the one before it had not ended" : "")}</span> },
  { id: "beat", title: "Beat", text: true, minor: 2, key: (r) => r.beat, cell: (r) => r.beat },
  { id: "id", title: "Execution", text: true, minor: 1, key: (r) => r.id, cell: (r) => r.id && <a href={execution(r.id)}><code>{r.id.slice(0, 8)}</code></a> },
];

const RUNS: Column<Sending>[] = [
  { id: "sent", title: "Sent", key: (r) => r.sent_at, cell: (r) => clock(r.sent_at, serverNow()) },
  { id: "how", title: "How", text: true, minor: 2, key: (r) => r.state, cell: (r) => <Badge mark={scheduleMark(r.state)} word /> },
  {
    id: "state",
    title: "Came of it",
    text: true,
    key: (r) => r.execution_state,
    cell: (r) => (r.execution_state && r.id ? <a href={execution(r.id)}><Badge mark={executionMark(r.execution_state)} word /> {because(r.execution_state, null)}</a> : <span class="cm-muted" title="its record has expired, or is not there yet">not recorded</span>),
  },
  { id: "wait", title: "Wait", minor: 2, key: (r) => r.wait_seconds, cell: (r) => duration(r.wait_seconds) },
  { id: "runtime", title: "Runtime", key: (r) => r.runtime_seconds, cell: (r) => duration(r.runtime_seconds) },
];

function Beats({ rows }: { rows: readonly Beat[] }) {
  return <Table title="Beats" nouns={["beat"]} rows={rows} columns={BEATS} name={(r) => r.boot} order={{ column: "seen", descending: true }} empty="None has reported." />;
}

const BEATS: Column<Beat>[] = [
  { id: "beat", title: "Beat", text: true, key: (r) => r.beat, cell: (r) => <span class="cm-name"><Badge mark={beatMark(r.state)} word /> {r.beat}</span> },
  { id: "host", title: "Host", text: true, minor: 2, key: (r) => r.host, cell: (r) => r.host && <a href={hostLink(r.host)}>{r.host}</a> },
  { id: "pid", title: "Pid", minor: 2, key: (r) => r.pid, cell: (r) => r.pid },
  { id: "scheduler", title: "Scheduler", text: true, minor: 2, key: (r) => r.scheduler, cell: (r) => r.scheduler },
  { id: "entries", title: "Entries", key: (r) => r.entries, cell: (r) => count(r.entries) },
  { id: "started", title: "Started", minor: 1, key: (r) => r.started_at, cell: (r) => clock(r.started_at, serverNow()) },
  { id: "loop", title: "Last round", hint: "since its loop came round last", key: (r) => r.loop_at, cell: (r) => ago(r.loop_at, serverNow()) },
  { id: "seen", title: "Seen", key: (r) => r.seen_at, cell: (r) => <span class="cm-muted">{ago(r.seen_at, serverNow())}</span> },
];

/** A beat that lives and sends nothing is worse than a busy worker. */
function beatMark(state: string) {
  return state === "stalled" ? { shape: "■", word: "stands still", tone: "critical" as const } : workerMark(state);
}
