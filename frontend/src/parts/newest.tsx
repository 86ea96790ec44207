/** A short table of executions that failed. */

import { execution, run } from "../address/links.ts";
import type { Execution } from "../api/runs.ts";
import { clock, duration } from "../words/format.ts";
import { because, executionMark } from "../words/states.ts";
import { Badge } from "./badge.tsx";
import { type Column, Table } from "./table.tsx";

interface Props {
  title: string;
  rows: readonly Execution[];
  file: string;
  /** The whole list. */
  more: string;
  /** The exception all of them have; only its message is told then. */
  type?: string | null;
  /** Whether they are of several tasks. */
  many?: boolean;
}

export function Newest({ title, rows, file, more, type = null, many = false }: Props) {
  return (
    <Table
      title={title}
      nouns={["execution"]}
      rows={rows}
      columns={many ? columns(type) : columns(type).filter((c) => c.id !== "task")}
      name={(r) => r.id}
      order={{ column: "ended", descending: true }}
      empty="None is stored any more."
      file={file}
      screenful={10}
    >
      <a href={more}>all of them</a>
    </Table>
  );
}

const last = (row: Execution) => row.attempts.at(-1);

const columns = (type: string | null): Column<Execution>[] => [
  { id: "ended", title: "Ended", text: true, key: (r) => r.ended_at, cell: (r) => clock(r.ended_at, new Date()) },
  { id: "id", title: "Id", text: true, key: (r) => r.id, cell: (r) => <a href={execution(r.id)}><code>{r.id.slice(0, 8)}</code></a> },
  { id: "task", title: "Task", text: true, minor: 2, key: (r) => r.task, cell: (r) => <span class="cm-cut" title={r.task ?? ""}>{r.task}</span> },
  {
    id: "state",
    title: "State",
    text: true,
    minor: 2,
    key: (r) => r.state,
    cell: (r) => <><Badge mark={executionMark(r.state)} word /> <span class="cm-muted">{because(r.state, r.reason)}</span></>,
  },
  { id: "runtime", title: "Runtime", hint: "of the last attempt", minor: 2, key: (r) => last(r)?.runtime_seconds, cell: (r) => duration(last(r)?.runtime_seconds) },
  { id: "worker", title: "Worker", text: true, minor: 1, key: (r) => last(r)?.worker, cell: (r) => <span class="cm-cut">{last(r)?.worker}</span> },
  { id: "run", title: "Run", text: true, minor: 1, key: (r) => r.workflow ?? "", cell: (r) => r.workflow && r.run_id && <a class="cm-cut" href={run(r.run_id)}>{r.workflow}</a> },
  {
    id: "error",
    title: "Error",
    text: true,
    key: (r) => `${last(r)?.exception?.type ?? ""}: ${last(r)?.exception?.message ?? ""}`,
    cell: (r) => {
      const fault = last(r)?.exception;
      return fault && <span class="cm-fault-line" title={fault.message ?? ""}>{fault.type !== type && <b>{fault.type}</b>} <span class="cm-muted">{fault.message}</span></span>;
    },
  },
];
