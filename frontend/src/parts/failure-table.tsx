/** Table of failures by kind: what, how often, since when, where. */

import type { ComponentChildren } from "preact";
import { executions, failure, type Query, task } from "../address/links.ts";
import type { Failure } from "../api/tasks.ts";
import { settled } from "../charts/scale.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { ago, clock, count, plural } from "../words/format.ts";
import { Door } from "./door.tsx";
import { type Column, Table } from "./table.tsx";

interface Props {
  rows: readonly Failure[];
  now: Date;
  /** The window or the two moments that links lead to. */
  range: Query;
  title: string;
  empty: string;
  /** Whether all are of one task, so that it needs no column. */
  ofTask?: string;
  main?: boolean;
  /** Stands beside the title. */
  children?: ComponentChildren;
}

export function FailureTable({ rows, now, range, title, empty, ofTask, main = false, children }: Props) {
  return (
    <Table
      title={title}
      nouns={["kind"]}
      rows={rows}
      columns={columns(now, range, ofTask)}
      name={(r) => r.fingerprint ?? ""}
      order={{ column: "count", descending: true }}
      empty={empty}
      file="failures"
      main={main}
      screenful={main ? 50 : 8}
    >
      {children}
    </Table>
  );
}

/** A message whose varying parts are grey stars. */
export function Masked({ message }: { message: string | null }) {
  return (
    <span class="cm-masked">
      {(message ?? "").split(/(\*)/).map((part, i) => (part === "*" ? <span key={i} class="cm-muted" title="varies">*</span> : part))}
    </span>
  );
}

function columns(now: Date, range: Query, ofTask?: string): Column<Failure>[] {
  const past = "since" in range;
  const found: Column<Failure>[] = [
    {
      id: "kind",
      title: "Kind",
      text: true,
      key: (r) => `${r.exception ?? "other kinds"} ${r.message ?? ""}`,
      cell: (r) => <Kind row={r} range={range} />,
    },
    {
      id: "count",
      title: "Failed",
      hint: "attempts that ended so for good",
      key: (r) => r.count,
      cell: (r) => (r.fingerprint ? <Door n={r.count} href={executions({ fingerprint: r.fingerprint, state: "FAILURE", task: ofTask, ...range })} bad /> : count(r.count)),
    },
    { id: "retried", title: "Retried", hint: "attempts that ended so and were made again", minor: 2, key: (r) => r.retried, cell: (r) => <span class={r.retried ? "cm-warn" : "cm-muted"}>{count(r.retried)}</span> },
    { id: "spark", title: "Course", hint: "over the window", minor: 2, key: (r) => r.spark.at(-1), cell: (r) => <Sparkline values={past ? r.spark : settled(r.spark)} tone="failed" /> },
    {
      id: "where",
      title: "Where",
      hint: "how many workers, or the one on which it happens at least 3 times more often per attempt than elsewhere",
      text: true,
      minor: 2,
      key: (r) => r.note ?? "",
      cell: (r) => {
        const all = r.workers.map((w) => `${w.worker}: ${w.count}`).join("\n");
        return r.note ? <b class="cm-warn cm-cut" title={`${r.note}\n${all}`}>▲ {r.note}</b> : <span class="cm-muted" title={all}>{plural(r.workers.length, "worker")}</span>;
      },
    },
    {
      id: "tasks",
      title: "Tasks",
      text: true,
      minor: 1,
      key: (r) => r.tasks.map((t) => t.task).join(", "),
      cell: (r) => <Places names={[...new Set(r.tasks.map((t) => t.task))]} href={(name) => task(name, range)} noun="task" />,
    },
    { id: "first", title: "First", hint: "in the window, as fine as counts are kept", minor: 1, key: (r) => r.first_at, cell: (r) => clock(r.first_at, now) },
    { id: "last", title: "Last", hint: "in the window", key: (r) => r.last_at, cell: (r) => <span class="cm-muted">{past ? clock(r.last_at, now) : ago(r.last_at, now)}</span> },
  ];
  return ofTask === undefined ? found : found.filter((c) => c.id !== "tasks");
}

function Kind({ row, range }: { row: Failure; range: Query }) {
  if (!row.fingerprint) return <span class="cm-muted" title="more kinds than are told apart">other kinds</span>;
  const text = `${row.exception ?? ""}: ${row.message ?? ""}`;
  return (
    <a class="cm-kind" href={failure(row.fingerprint, range)} title={text}>
      <b>{row.exception || "unknown exception"}</b> <Masked message={row.message} />
    </a>
  );
}

function Places({ names, href, noun }: { names: string[]; href: (name: string) => string; noun: string }) {
  const [first] = names;
  if (first === undefined) return null;
  return (
    <span title={names.join("\n")}>
      <a class="cm-cut" href={href(first)}>{first}</a>
      {names.length > 1 && <span class="cm-muted"> and {plural(names.length - 1, noun)}</span>}
    </span>
  );
}
