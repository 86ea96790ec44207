/** Table of queues: what waits, since when, and whether somebody takes it. */

import { executions, queue } from "../address/links.ts";
import type { Range } from "../address/window.ts";
import type { QueueRow } from "../api/summary.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { Badge } from "../parts/badge.tsx";
import { Door } from "../parts/door.tsx";
import { Name } from "../parts/name.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { count, duration, rate, UNKNOWN } from "../words/format.ts";
import { queueMark } from "../words/queue-marks.ts";

const columns = (range: Range): Column<QueueRow>[] => [
  {
    id: "queue",
    title: "Queue",
    text: true,
    key: (r) => r.queue,
    cell: (r) => (
      <span class="cm-name" title={r.note ?? r.queue}>
        <Badge mark={queueMark(r)} /> <a href={queue(r.queue, range)}><Name text={r.queue} /></a>
      </span>
    ),
  },
  { id: "spark", title: "Course", hint: "backlog over the window", minor: 2, key: (r) => r.backlog, cell: (r) => <Sparkline values={r.spark} tone="waiting" floor={5} /> },
  { id: "backlog", title: "Backlog", hint: "messages that nobody has taken", key: (r) => r.backlog, cell: (r) => <b title={r.note ?? ""}><Door n={r.backlog} href={executions({ queue: r.queue, state: "WAITING", ...range })} /></b> },
  { id: "oldest", title: "Oldest", hint: "age of the oldest message", key: (r) => r.oldest_seconds, cell: (r) => (r.backlog === 0 ? <span class="cm-muted">{UNKNOWN}</span> : duration(r.oldest_seconds)) },
  { id: "wait", title: "Wait p95", hint: "from publish (or due time) to start", key: (r) => r.wait_seconds.p95, cell: (r) => duration(r.wait_seconds.p95) },
  { id: "in", title: "Published", minor: 2, key: (r) => r.published, cell: (r) => count(r.published) },
  { id: "ended", title: "Ended", minor: 2, key: (r) => r.ended, cell: (r) => count(r.ended) },
  { id: "rate", title: "Rate", hint: "ends", minor: 1, key: (r) => r.rate_per_second, cell: (r) => rate(r.rate_per_second) },
  { id: "held", title: "Held", hint: "prefetched by workers, not started", minor: 1, key: (r) => r.held, cell: (r) => count(r.held) },
  { id: "unacked", title: "Unacked", hint: "given out, not acknowledged", minor: 1, key: (r) => r.unacked, cell: (r) => count(r.unacked) },
  {
    id: "consumers",
    title: "Consumers",
    hint: "workers that take from it",
    minor: 2,
    key: (r) => r.consumers,
    cell: (r) => <span class={r.consumers === 0 ? "cm-bad" : ""}>{count(r.consumers)}</span>,
  },
];

export function Queues({ rows, range }: { rows: readonly QueueRow[]; range: Range }) {
  return (
    <Table
      title="Queues"
      nouns={["queue"]}
      rows={rows}
      columns={columns(range)}
      file="queues"
      name={(r) => r.queue}
      order={{ column: "backlog", descending: true }}
      empty="No queue is known yet: it appears with its first message or worker."
    />
  );
}
