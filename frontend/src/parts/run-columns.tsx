/** Columns of a table of runs: how each stands, how long it took, and what set that. */

import { executions, run as runLink } from "../address/links.ts";
import type { Run } from "../api/runs.ts";
import { clock, count, duration } from "../words/format.ts";
import { runMark } from "../words/states.ts";
import { Badge } from "./badge.tsx";
import { Door } from "./door.tsx";
import { percentage, share } from "./share.tsx";
import type { Column } from "./table.tsx";

/** How a run stands, in a cell: state, and how far it is while it lasts. */
export function RunState({ run }: { run: Run }) {
  return (
    <>
      <Badge mark={runMark(run.state)} word /> {run.state === "RUNNING" && <span class="cm-muted cm-wide">{share(run.progress)}</span>}
    </>
  );
}

export const RUN_COLUMNS: Column<Run>[] = [
  { id: "state", title: "State", text: true, key: (r) => runMark(r.state).word, value: (r) => r.state, cell: (r) => <RunState run={r} /> },
  {
    id: "workflow",
    title: "Run",
    text: true,
    key: (r) => r.workflow ?? r.root_task,
    cell: (r) => (
      <a class="cm-name cm-tight" href={runLink(r.id)} title={`${r.workflow ?? r.root_task}\nid ${r.id}`}>{r.workflow ?? r.root_task ?? r.id}</a>
    ),
  },
  { id: "id", title: "Id", text: true, minor: 1, key: (r) => r.id, cell: (r) => <a href={runLink(r.id)} title={r.id}><code>{r.id.slice(0, 8)}</code></a> },
  { id: "started", title: "Started", key: (r) => r.started_at ?? r.published_at, cell: (r) => clock(r.started_at ?? r.published_at, new Date()) },
  { id: "duration", title: "Took", hint: "from the first start to the last end, or until now", key: (r) => r.duration_seconds, cell: (r) => duration(r.duration_seconds) },
  {
    id: "bottleneck",
    title: "Longest step",
    hint: "the step with the most run time on the path that set the duration, and its share of it",
    text: true,
    minor: 2,
    key: (r) => r.bottleneck?.step,
    cell: (r) =>
      r.bottleneck && (
        <span class="cm-cut" title={`${r.bottleneck.step}: ${duration(r.bottleneck.duration_seconds)}`}>
          {r.bottleneck.step} <b>{percentage(r.bottleneck.percentage_of_total)}</b>
        </span>
      ),
  },
  { id: "steps", title: "Steps", hint: "ended, of those known", minor: 2, key: (r) => r.known, cell: (r) => (r.completed === r.known ? count(r.known) : `${count(r.completed)} of ${count(r.known)}`) },
  {
    id: "failed",
    title: "Failed",
    minor: 2,
    key: (r) => r.failed,
    cell: (r) => <Door n={r.failed} href={executions({ run: r.id, state: "FAILURE", window: "92d" })} bad />,
  },
  { id: "retries", title: "Retries", minor: 1, key: (r) => r.retries, cell: (r) => <span class={r.retries ? "cm-warn" : "cm-muted"}>{count(r.retries)}</span> },
  { id: "wait", title: "Total wait", hint: "all steps' waits together", minor: 1, key: (r) => r.queue_wait_seconds, cell: (r) => duration(r.queue_wait_seconds) },
  { id: "cpu", title: "CPU", minor: 1, key: (r) => r.cpu_seconds, cell: (r) => duration(r.cpu_seconds) },
];
