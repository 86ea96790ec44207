/** Workers: is every one at work, what does each do now, and on which machines. */

import { changed, execution, executions, host as hostLink, queue as queueLink, search as query, worker as workerLink } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { type Range, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Hosts, Worker, Workers } from "../api/workers.ts";
import { Badge } from "../parts/badge.tsx";
import { Door } from "../parts/door.tsx";
import { Finding } from "../parts/finding.tsx";
import { Sheet } from "../parts/head.tsx";
import { Name } from "../parts/name.tsx";
import { Notice } from "../parts/notice.tsx";
import { Slots } from "../parts/slots.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { serverNow } from "../words/clock.ts";
import { age, ago, bytes, clock, count, duration, percent, plural, rate, UNKNOWN } from "../words/format.ts";
import { isGone, rank, standing, workerMark } from "../words/worker-states.ts";
import { HostStrip } from "./host-strip.tsx";

const WINDOW = "1h";
const REASONS = 5; // of states, in lines; the table has all

export function WorkersPage({ search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/workers${query(range)}`;
  const view = useAnswer<Workers>(path, path);
  const hosts = useAnswer<Hosts>("/hosts", "hosts").answer;
  return (
    <Sheet view={view} title="Workers" window={WINDOW}>
      {(found) => (
        <>
          {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
          <Body rows={found.workers} seconds={found.window.seconds} search={search} range={range} />
          {hosts && <HostStrip {...hosts} range={range} />}
        </>
      )}
    </Sheet>
  );
}

function Body({ rows, seconds, search, range }: { rows: readonly Worker[]; seconds: number; search: string; range: Range }) {
  const now = serverNow();
  const past = rows.filter((r) => isGone(r, seconds, now));
  const present = rows.filter((r) => !isGone(r, seconds, now));
  const withPast = new URLSearchParams(search).get("gone") === "1";
  return (
    <>
      <Standing rows={present} />
      <Table
        title="Workers"
        nouns={["worker"]}
        rows={withPast ? rows : present}
        columns={columns(now, range)}
        name={(r) => r.worker}
        order={{ column: "state", descending: false }}
        empty={<>No worker answers. Start one: <code>celery -A proj worker</code></>}
        file="workers"
        main
        screenful={50}
      >
        {past.length > 0 && (
          <a href={changed(search, { gone: withPast ? null : "1" })}>
            {withPast ? "hide those that are gone" : `and ${plural(past.length, "worker")} that ${past.length === 1 ? "is" : "are"} gone`}
          </a>
        )}
      </Table>
    </>
  );
}

/** The sentence on top: the worst state, its reasons, and how much of all slots is in use. */
function Standing({ rows }: { rows: readonly Worker[] }) {
  const { mark, text } = standing(rows);
  const [busy, slots] = [sum(rows, (r) => r.busy), sum(rows, (r) => r.slots)];
  const told = rows.filter((r) => r.note).sort((a, b) => rank(a.state) - rank(b.state));
  return (
    <Finding mark={mark} text={text} aside={rows.length > 0 && <>· {count(busy)} of {plural(slots, "slot")} busy ({percent(slots ? busy / slots : null)}) · {plural(sum(rows, (r) => r.prefetched), "message")} held</>}>
      {told.length > 0 && (
        <ul>
          {told.slice(0, REASONS).map((r) => (
            <li key={r.worker}>
              <Badge mark={workerMark(r.state)} /> <a href={workerLink(r.worker)}>{r.worker}</a>: {r.note}
            </li>
          ))}
          {told.length > REASONS && <li class="cm-muted">and {count(told.length - REASONS)} more</li>}
        </ul>
      )}
    </Finding>
  );
}

function sum<Row>(rows: readonly Row[], value: (row: Row) => number | null): number {
  return rows.reduce((n, row) => n + (value(row) ?? 0), 0);
}

/** Ends of children that nobody wanted: recycling and shutting down are the pool's own doing. */
export function deaths(exits: Record<string, number>): number {
  const wanted = ["recycled", "ended", "pool shrunk", "task terminated"];
  return Object.entries(exits).reduce((n, [reason, many]) => n + (wanted.includes(reason) ? 0 : many), 0);
}

/** "recycled 12, SIGKILL 1", those with most first. */
export function exitsInWords(exits: Record<string, number>): string {
  return Object.entries(exits).sort((a, b) => b[1] - a[1]).map(([reason, n]) => `${reason} ${n}`).join(", ");
}

function columns(now: Date, range: Range): Column<Worker>[] {
  const gone = (r: Worker) => r.state === "stopped" || r.state === "lost";
  return [
    {
      id: "state",
      title: "State",
      text: true,
      key: (r) => `${rank(r.state)} ${r.worker}`,
      value: (r) => r.state,
      cell: (r) => <span title={r.note ?? undefined}><Badge mark={workerMark(r.state)} word /></span>,
    },
    { id: "worker", title: "Worker", text: true, key: (r) => r.worker, cell: (r) => <a class="cm-name" href={workerLink(r.worker, range)} title={`${r.worker}\npid ${r.pid}, ${r.pool ?? "pool unknown"}`}><Name text={r.worker} /></a> },
    { id: "busy", title: "Busy", hint: "slots that run a task now", key: (r) => (gone(r) || !r.slots ? null : r.busy! / r.slots), value: (r) => r.busy, cell: (r) => (gone(r) ? <span class="cm-muted">{UNKNOWN}</span> : <Slots busy={r.busy} slots={r.slots} />) },
    {
      id: "running",
      title: "Runs now",
      hint: "what it runs longest",
      text: true,
      minor: 2,
      key: (r) => longest(r)?.task,
      cell: (r) => {
        const run = longest(r);
        if (!run) return <span class="cm-muted">{gone(r) ? UNKNOWN : "nothing"}</span>;
        return <><a class="cm-cut" href={execution(run.id)} title={`${run.task}\nid ${run.id}, pid ${run.pid}`}>{run.task}</a> <span class="cm-muted">{duration(run.seconds)}{r.running.length > 1 && ` +${r.running.length - 1}`}</span></>;
      },
    },
    { id: "held", title: "Held", hint: "prefetched, not started", minor: 1, key: (r) => r.prefetched, cell: (r) => <span title={r.prefetch_limit == null ? "it may hold any number" : `it may hold ${r.prefetch_limit} messages unacknowledged`}>{count(r.prefetched)}</span> },
    { id: "ended", title: "Ended", minor: 2, key: (r) => r.ended, cell: (r) => <Door n={r.ended} href={executions({ worker: r.worker, ...range })} /> },
    { id: "failed", title: "Failed", minor: 2, key: (r) => r.failed, cell: (r) => <Door n={r.failed} href={executions({ worker: r.worker, state: "FAILURE", ...range })} bad /> },
    { id: "rate", title: "Rate", hint: "ends", minor: 1, key: (r) => r.rate_per_second, cell: (r) => rate(r.rate_per_second) },
    { id: "cpu", title: "CPU", hint: "of the worker and its children; 100 % is one core", key: (r) => r.cpu_percent, cell: (r) => percent(r.cpu_percent == null ? null : r.cpu_percent / 100) },
    { id: "memory", title: "Memory", hint: "resident, of the worker and its children", minor: 2, key: (r) => r.rss_bytes, cell: (r) => bytes(r.rss_bytes) },
    { id: "exits", title: "Killed", hint: "children that ended otherwise than by the pool's own wish, since the worker's start", minor: 1, key: (r) => deaths(r.exits), cell: (r) => <span class={deaths(r.exits) ? "cm-bad" : "cm-muted"} title={exitsInWords(r.exits)}>{count(deaths(r.exits))}</span> },
    { id: "restarts", title: "Restarts", hint: "processes that had the same name before", minor: 1, key: (r) => r.restarts, cell: (r) => <span class={r.restarts ? "" : "cm-muted"}>{count(r.restarts)}</span> },
    { id: "uptime", title: "Up", minor: 1, key: (r) => r.uptime_seconds, cell: (r) => duration(r.uptime_seconds == null ? null : Math.round(r.uptime_seconds)) },
    { id: "build", title: "Build", text: true, minor: 1, key: (r) => r.build, cell: (r) => (r.build ? <code class="cm-cut">{r.build}</code> : <span class="cm-muted" title="CELERY_MONITOR_BUILD is not set">{UNKNOWN}</span>) },
    { id: "host", title: "Host", text: true, minor: 1, key: (r) => r.host, cell: (r) => r.host && <a class="cm-cut" href={hostLink(r.host, range)}>{r.host}</a> },
    {
      id: "queues",
      title: "Queues",
      text: true,
      minor: 1,
      key: (r) => r.queues.join(", "),
      cell: (r) => (
        <span class="cm-queues" title={r.queues.join(", ")}>
          {r.queues.length > 3 ? plural(r.queues.length, "queue") : r.queues.map((q, i) => <>{i > 0 && ", "}<a href={queueLink(q, range)}>{q}</a></>)}
        </span>
      ),
    },
    { id: "seen", title: "Seen", hint: "since its last word", minor: 2, key: (r) => age(r.seen_at, now), value: (r) => r.seen_at, cell: (r) => <span class="cm-muted" title={clock(r.seen_at, now)}>{ago(r.seen_at, now)}</span> },
  ];
}

/** What a worker has run longest of what it runs now. */
export function longest(row: Worker) {
  return row.running.reduce<Worker["running"][number] | null>((most, r) => ((r.seconds ?? 0) > (most?.seconds ?? -1) ? r : most), null);
}
