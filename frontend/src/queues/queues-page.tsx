/** Queues: in which of them does something wait, since when, and does anybody take it. */

import { executions, queue as queueLink, search as query } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { type Range, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Broker, Queue, Queues, RedisServer, ServerHealth } from "../api/queues.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { Badge } from "../parts/badge.tsx";
import { Door } from "../parts/door.tsx";
import { Facts } from "../parts/facts.tsx";
import { Finding } from "../parts/finding.tsx";
import { Sheet } from "../parts/head.tsx";
import { Name } from "../parts/name.tsx";
import { Notice } from "../parts/notice.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { serverNow } from "../words/clock.ts";
import { bytes, clock, count, duration, percent, rate, UNKNOWN } from "../words/format.ts";
import { complaint, queueMark, standing, urgency } from "./queue-states.ts";

const WINDOW = "1h";
const REASONS = 5; // lines; the table has all

export function QueuesPage({ search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/queues${query(range)}`;
  const view = useAnswer<Queues>(path, path);
  const redis = useAnswer<ServerHealth>("/health", "health", 15_000).answer?.redis;
  return (
    <Sheet view={view} title="Queues" window={WINDOW}>
      {(found) => (
        <>
          {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
          <Standing rows={found.queues} timeout={found.broker.visibility_timeout_seconds} />
          <Table
            title="Queues"
            nouns={["queue"]}
            rows={found.queues}
            columns={columns(range)}
            name={(r) => r.queue}
            order={{ column: "state", descending: false }}
            empty="No queue is known yet: it appears with its first message or worker."
            file="queues"
            main
            screenful={50}
          />
          <BrokerCard broker={found.broker} server={redis?.broker ?? null} />
        </>
      )}
    </Sheet>
  );
}

function Standing({ rows, timeout }: { rows: readonly Queue[]; timeout: number | null }) {
  const { mark, text } = standing(rows);
  const told = rows.filter((r) => ["critical", "warning"].includes(queueMark(r).tone)).sort((a, b) => urgency(a) - urgency(b));
  const n = (value: (row: Queue) => number | null) => count(rows.reduce((sum, r) => sum + (value(r) ?? 0), 0));
  return (
    <Finding mark={mark} text={text} aside={rows.length > 0 && <>· {n((r) => r.backlog)} in the broker · {n((r) => r.held)} held by workers · {n((r) => r.eta_held)} due later · {n((r) => r.running)} running</>}>
      {told.length > 0 && (
        <ul>
          {told.slice(0, REASONS).map((r) => (
            <li key={r.queue}>
              <Badge mark={queueMark(r)} /> <a href={queueLink(r.queue)}><bdi>{r.queue}</bdi></a>: {complaint(r, timeout)}
            </li>
          ))}
          {told.length > REASONS && <li class="cm-muted">and {count(told.length - REASONS)} more</li>}
        </ul>
      )}
    </Finding>
  );
}

const columns = (range: Range): Column<Queue>[] => [
  {
    id: "state",
    title: "State",
    text: true,
    key: (r) => `${String(urgency(r)).padStart(2, "0")} ${String(1e9 - (r.backlog ?? 0)).padStart(10, "0")}`, // the fullest of a state first
    value: (r) => queueMark(r).word,
    cell: (r) => <span title={r.notes.join("\n") || undefined}><Badge mark={queueMark(r)} word /></span>,
  },
  { id: "queue", title: "Queue", text: true, key: (r) => r.queue, cell: (r) => <a class="cm-name" href={queueLink(r.queue, range)} title={r.queue}><Name text={r.queue} /></a> },
  { id: "spark", title: "Course", hint: "backlog over the window", minor: 1, key: (r) => r.backlog, cell: (r) => <Sparkline values={r.spark} tone="waiting" floor={5} /> },
  { id: "backlog", title: "Backlog", hint: "messages in the broker that nobody has taken", key: (r) => r.backlog, cell: (r) => <b title={r.backlog == null ? "the broker does not tell" : undefined}><Door n={r.backlog} href={queueLink(r.queue, range)} /></b> },
  { id: "oldest", title: "Oldest", hint: "age of the oldest message in the broker", key: (r) => r.oldest_seconds, cell: (r) => (r.backlog === 0 ? <span class="cm-muted">{UNKNOWN}</span> : duration(r.oldest_seconds)) },
  { id: "in", title: "In", hint: "messages that came, mean of the last 5 minutes", minor: 2, key: (r) => r.in_per_second, cell: (r) => rate(r.in_per_second) },
  { id: "out", title: "Out", hint: "attempts that ended, mean of the last 5 minutes", minor: 2, key: (r) => r.out_per_second, cell: (r) => rate(r.out_per_second) },
  {
    id: "empties",
    title: "Empty in",
    hint: "at the rates of the last 5 minutes",
    minor: 2,
    key: (r) => r.empties_in_seconds,
    cell: (r) => (r.backlog ? (r.empties_in_seconds == null ? <span class={queueMark(r).tone === "ok" ? "cm-muted" : "cm-warn"}>never</span> : duration(Math.round(r.empties_in_seconds))) : <span class="cm-muted">{UNKNOWN}</span>),
  },
  { id: "held", title: "Held", hint: "taken by workers, not started", minor: 1, key: (r) => r.held, cell: (r) => count(r.held) },
  { id: "eta", title: "Due later", hint: "taken by workers and kept until it is due", minor: 1, key: (r) => r.eta_held, cell: (r) => <span class={r.delivered_twice ? "cm-warn" : ""}>{count(r.eta_held)}</span> },
  { id: "running", title: "Running", minor: 1, key: (r) => r.running, cell: (r) => <Door n={r.running} href={executions({ queue: r.queue, state: "STARTED", ...range })} /> },
  { id: "wait", title: "Wait p95", hint: "from publish (or due time) to start", key: (r) => r.wait_seconds.p95, minor: 2, cell: (r) => duration(r.wait_seconds.p95) },
  { id: "consumers", title: "Workers", hint: "that take from it", minor: 1, key: (r) => r.consumers, cell: (r) => <span class={r.consumers ? "" : "cm-bad"}>{count(r.consumers)}</span> },
  { id: "ended", title: "Ended", minor: 1, key: (r) => r.ended, cell: (r) => <Door n={r.ended} href={executions({ queue: r.queue, ...range })} /> },
];

/** What the queues lie in. */
function BrokerCard({ broker, server }: { broker: Broker; server: RedisServer | null }) {
  if (!broker.sampled_at && !server)
    return (
      <section class="cm-card cm-padded">
        <h2>Broker</h2>
        <p class="cm-muted">Nobody has looked at it yet: workers do.</p>
      </section>
    );
  return (
    <section class="cm-card cm-padded">
      <h2>Broker</h2>
      <Facts
        facts={[
          { name: "kind", value: broker.kind && (server?.version ? `${broker.kind} ${server.version}` : broker.kind) },
          { name: "looked at", value: clock(broker.sampled_at, serverNow()), hint: "when its queues were counted last" },
          { name: "visibility timeout", value: duration(broker.visibility_timeout_seconds), hint: "after which it gives out again what was taken and not acknowledged" },
          server && { name: "memory", value: server.max_bytes ? `${bytes(server.used_bytes)} of ${bytes(server.max_bytes)}` : `${bytes(server.used_bytes)}, no limit`, hint: server.policy ?? undefined },
          server && { name: "clients", value: `${count(server.clients)}${server.blocked_clients ? `, ${count(server.blocked_clients)} blocked` : ""}` },
          server && { name: "answers in", value: duration(server.latency_seconds) },
          server && { name: "evicted keys", value: <span class={server.evicted_keys ? "cm-bad" : ""}>{count(server.evicted_keys)}</span>, hint: "keys thrown away because memory was out; messages may be among them" },
          server && { name: "hit ratio", value: percent(server.hit_ratio) },
          server && { name: "up", value: duration(server.uptime_seconds) },
        ]}
      />
      {server && server.errors.length > 0 && <ul class="cm-bad">{server.errors.map((e) => <li key={e}>■ {e}</li>)}</ul>}
    </section>
  );
}
