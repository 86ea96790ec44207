/** Runs of workflows, newest first: how each stands, how long it took, and what set that. */

import { useAnswer } from "./answer.ts";
import type { Run, Runs } from "./api-runs.ts";
import { Badge } from "./badge.tsx";
import { Door } from "./door.tsx";
import { Filters } from "./filters.tsx";
import { clock, count, duration } from "./format.ts";
import { Sheet } from "./head.tsx";
import { Labels } from "./labels.tsx";
import { changed, executions, run as runLink, search as query } from "./links.ts";
import { limitOf, More } from "./more.tsx";
import type { PageProps } from "./pages.tsx";
import { share } from "./share.tsx";
import { RUN_STATES, runMark } from "./states.ts";
import { type Column, Table } from "./table.tsx";
import { limits, rangeOf } from "./window.ts";

const WINDOW = "24h";
const FILTERS = [
  { name: "state", values: RUN_STATES.map((value) => ({ value, title: runMark(value).word })) },
  { name: "workflow", example: "exact name" },
  { name: "label", example: "key:value" },
  { name: "worker", example: "name@host" },
];

export function RunsPage({ search }: PageProps) {
  const given = new URLSearchParams(search);
  const filters = Object.fromEntries(FILTERS.map((f) => [f.name, given.get(f.name)]));
  const range = rangeOf(search, WINDOW);
  const asked = { ...filters, cursor: given.get("cursor"), limit: limitOf(search) };
  const path = () => `/runs${query({ ...asked, ...limits(range, new Date()) })}`;
  const view = useAnswer<Runs>(path, query({ ...asked, ...range }));
  return (
    <Sheet view={view} title="Runs" window={WINDOW} between>
      {({ runs, next }) => (
        <>
          <Filters filters={FILTERS} />
          <RunsTable runs={runs} next={next} filtered={Object.values(filters).some(Boolean)} search={search} />
          <More next={next} />
        </>
      )}
    </Sheet>
  );
}

function RunsTable({ runs, next, filtered, search }: { runs: Run[]; next: string | null; filtered: boolean; search: string }) {
  const nothing = filtered ? (
    "No run of this kind is recorded in this time."
  ) : (
    <>
      No workflow has run in this time. Name one with <code>with workflow("…"):</code>, or publish a chain, group or chord; or{" "}
      <a class="cm-button" href={changed(search, { window: "30d", since: null, until: null, cursor: null })}>look at the last 30d</a>
    </>
  );
  return (
    <Table
      title="Newest first"
      nouns={["run"]}
      rows={runs}
      columns={[...RUN_COLUMNS, LABELS]}
      name={(r) => r.id}
      order={{ column: "started", descending: true }}
      empty={nothing}
      file="runs"
      main
      screenful={limitOf(search)}
    >
      {next && <span class="cm-muted">the newest; there are more</span>}
    </Table>
  );
}

const LABELS: Column<Run> = {
  id: "labels",
  title: "Labels",
  text: true,
  minor: 1,
  key: (r) => Object.entries(r.labels).map(([k, v]) => `${k}=${v}`).join(" "),
  cell: (r) => <Labels labels={r.labels} />,
};

/** How a run stands, in a cell: state, and how far it is while it lasts. */
export function RunState({ run }: { run: Run }) {
  return (
    <>
      <Badge mark={runMark(run.state)} word /> {run.state === "RUNNING" && <span class="cm-muted">{share(run.progress)}</span>}
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
      <a class="cm-name" href={runLink(r.id)} title={`${r.workflow ?? r.root_task}\nid ${r.id}`}>{r.workflow ?? r.root_task ?? r.id}</a>
    ),
  },
  { id: "id", title: "Id", text: true, minor: 1, key: (r) => r.id, cell: (r) => <a href={runLink(r.id)} title={r.id}><code>{r.id.slice(0, 8)}</code></a> },
  { id: "started", title: "Started", key: (r) => r.started_at ?? r.published_at, cell: (r) => clock(r.started_at ?? r.published_at, new Date()) },
  { id: "duration", title: "Took", hint: "from the first start to the last end, or until now", key: (r) => r.duration_seconds, cell: (r) => duration(r.duration_seconds) },
  {
    id: "bottleneck",
    title: "Set by",
    hint: "the step with the most run time on the path that set the duration",
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
  { id: "wait", title: "In queues", hint: "all steps' waits together", minor: 1, key: (r) => r.queue_wait_seconds, cell: (r) => duration(r.queue_wait_seconds) },
  { id: "cpu", title: "CPU", minor: 1, key: (r) => r.cpu_seconds, cell: (r) => duration(r.cpu_seconds) },
];

/** A percentage of the API, which is of 100. */
export function percentage(of100: number | null | undefined): string {
  return share(of100 == null ? null : Math.max(of100 / 100, 0.001)); // 0 is rounded: what has a share has some
}
