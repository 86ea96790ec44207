/** Executions, newest first: the list behind every count. */

import { changed, execution, run, search as query } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { limits, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Num } from "../api/basics.ts";
import type { Attempt, Execution, Executions } from "../api/runs.ts";
import { Badge } from "../parts/badge.tsx";
import { Filters } from "../parts/filters.tsx";
import { Sheet } from "../parts/head.tsx";
import { limitOf, More } from "../parts/more.tsx";
import { Name } from "../parts/name.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { clock, count, duration } from "../words/format.ts";
import { because, EXECUTION_STATES, executionMark } from "../words/states.ts";

const WINDOW = "24h";
const REASONS = [
  "error", "soft_timeout", "hard_timeout", "killed", "out_of_memory", "worker_lost", "worker_gone", "redelivered", "shutdown",
  "terminated", "requeued", "backend", "predecessor", "max_retries", "system_exit",
];
export const FILTERS = [
  { name: "state", values: EXECUTION_STATES.map((value) => ({ value, title: executionMark(value).word })) },
  { name: "reason", values: REASONS.map((value) => ({ value, title: value.replaceAll("_", " ") })) },
  { name: "task", example: "exact name" },
  { name: "queue" },
  { name: "worker", example: "name@host" },
  { name: "fingerprint", example: "16 hex digits" },
  { name: "run", example: "id" },
] as const;

/** The attempt that speaks for an execution. */
export function last(row: Execution): Attempt | undefined {
  return row.attempts.at(-1);
}

/** When it ended; of one that is not over when it was last started or published. */
function newest(row: Execution): string | null {
  return row.ended_at ?? row.running?.started_at ?? last(row)?.started_at ?? row.published_at;
}

function runtime(row: Execution): Num {
  return row.running ? row.running.seconds : (last(row)?.runtime_seconds ?? null);
}

function tries(row: Execution): number {
  return row.attempts.length + (row.running ? 1 : 0);
}

function worker(row: Execution): string | null {
  return row.running?.worker ?? last(row)?.worker ?? null;
}

export function ExecutionsPage({ search }: PageProps) {
  const given = new URLSearchParams(search);
  const filters = Object.fromEntries(FILTERS.map((f) => [f.name, given.get(f.name)]));
  const range = rangeOf(search, WINDOW);
  const asked = { ...filters, cursor: given.get("cursor"), limit: limitOf(search) };
  const path = () => `/executions${query({ ...asked, ...limits(range, new Date()) })}`;
  const view = useAnswer<Executions>(path, query({ ...asked, ...range }));
  return (
    <Sheet view={view} title="Executions" window={WINDOW}>
      {({ executions, next }) => (
        <>
          <Filters filters={FILTERS} />
          <Table
            title="Newest first"
            nouns={["execution"]}
            rows={executions}
            columns={columns(search)}
            name={(r) => r.id}
            order={{ column: "ended", descending: true }}
            empty={<Nothing filtered={Object.values(filters).some(Boolean)} search={search} />}
            file="executions"
            main
            screenful={limitOf(search)}
          >
            {next && <span class="cm-muted">the newest; there are more</span>}
          </Table>
          <More next={next} />
        </>
      )}
    </Sheet>
  );
}

function Nothing({ filtered, search }: { filtered: boolean; search: string }) {
  return (
    <>
      No execution {filtered ? "of this kind " : ""}is recorded in this time.{" "}
      <a class="cm-button" href={changed(search, { window: "7d", since: null, until: null, cursor: null })}>Look at the last 7d</a>
    </>
  );
}

function columns(search: string): Column<Execution>[] {
  const narrowed = (name: string, value: string | null) =>
    value && <a class="cm-queues" href={changed(search, { [name]: value, cursor: null })} title={`only ${name} ${value}`}>{value}</a>;
  return [
    {
      id: "state",
      title: "State",
      text: true,
      key: (r) => executionMark(r.state).word,
      value: (r) => r.state,
      cell: (r) => (
        <>
          <Badge mark={executionMark(r.state)} word /> <span class="cm-muted cm-wide">{because(r.state, r.reason)}</span>
        </>
      ),
    },
    {
      id: "task",
      title: "Task",
      text: true,
      key: (r) => r.task,
      cell: (r) => <a class="cm-name cm-task" href={execution(r.id)} title={`${r.task}\nid ${r.id}`}><Name text={r.task ?? r.id} /></a>,
    },
    { id: "id", title: "Id", text: true, minor: 1, key: (r) => r.id, cell: (r) => <code class="cm-id">{r.id.slice(0, 8)}</code> },
    {
      id: "ended",
      title: "When",
      hint: "its end; of one that is not over its start or publish",
      key: (r) => newest(r),
      cell: (r) => clock(newest(r), new Date()),
    },
    { id: "wait", title: "Wait", hint: "from publish (or due time) to start, of the last attempt", minor: 2, key: (r) => last(r)?.wait_seconds, cell: (r) => duration(last(r)?.wait_seconds) },
    { id: "runtime", title: "Runtime", hint: "of the last attempt, until now of one that runs", minor: 2, key: (r) => runtime(r), cell: (r) => duration(runtime(r)) },
    { id: "attempts", title: "Attempts", minor: 2, key: (r) => tries(r), cell: (r) => <span class={tries(r) > 1 ? "cm-warn" : "cm-muted"}>{count(tries(r))}</span> },
    { id: "queue", title: "Queue", text: true, minor: 1, key: (r) => r.queue, cell: (r) => narrowed("queue", r.queue) },
    { id: "worker", title: "Worker", text: true, minor: 1, key: (r) => worker(r), cell: (r) => narrowed("worker", worker(r)) },
    {
      id: "workflow",
      title: "Run",
      text: true,
      minor: 1,
      key: (r) => r.workflow ?? r.run_id,
      cell: (r) => r.run_id && (r.workflow || r.run_id !== r.id) && <a class="cm-queues" href={run(r.run_id)} title={`${r.workflow ?? ""}\nrun ${r.run_id}`}>{r.workflow ?? r.run_id.slice(0, 8)}</a>,
    },
    {
      id: "error",
      title: "Error",
      text: true,
      minor: 2,
      key: (r) => last(r)?.exception && `${last(r)?.exception?.type}: ${last(r)?.exception?.message ?? ""}`,
      cell: (r) => {
        const fault = last(r)?.exception;
        return fault && <span class="cm-error" title={fault.message ?? ""}>{fault.type} <span class="cm-muted">{fault.message}</span></span>;
      },
    },
  ];
}
