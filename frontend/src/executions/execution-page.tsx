/** One execution: how it stands, every attempt of it, what it logged. */

import { execution, executions, queue, run, task, workflow } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import type { Execution } from "../api/runs.ts";
import { Badge } from "../parts/badge.tsx";
import { Attempts, useExecution } from "../parts/execution.tsx";
import { type Fact, Facts } from "../parts/facts.tsx";
import { Sheet } from "../parts/head.tsx";
import { Records } from "../parts/records.tsx";
import { clock } from "../words/format.ts";
import { because, executionMark } from "../words/states.ts";
import { WhyWaiting } from "./why-waiting.tsx";

export function ExecutionPage({ name: id }: PageProps) {
  const path = `/executions/${encodeURIComponent(id)}`;
  const { view, everyMs } = useExecution(id);
  const row = view.answer;
  return (
    <Sheet
      view={view}
      title={row?.task ?? id}
      heading={<Heading id={id} row={row} />}
      every={`${everyMs / 1000} s`}
      missing={<>No execution <code>{id}</code> is known: it was never seen, or its record has expired. <a href={executions()}>Newest executions</a></>}
    >
      {(found) => (
        <>
          {found.waiting && <WhyWaiting waiting={found.waiting} />}
          <section class="cm-card cm-padded"><Facts facts={facts(found)} /></section>
          <Attempts row={found} />
          <Records path={`${path}/logs`} everyMs={everyMs} />
        </>
      )}
    </Sheet>
  );
}

function Heading({ id, row }: { id: string; row: Execution | null }) {
  return (
    <>
      <span class="cm-title">{row?.task ? <a href={task(row.task)}>{row.task}</a> : "Execution"}</span>{" "}
      {row && <small><Badge mark={executionMark(row.state)} word /> {because(row.state, row.reason)}</small>}{" "}
      <small><code>{id}</code></small>
    </>
  );
}

function facts(row: Execution): (Fact | null)[] {
  const now = new Date();
  const other = (id: string | null) => id && <a href={execution(id)}><code>{id.slice(0, 8)}</code></a>;
  return [
    { name: "published", value: clock(row.published_at, now) },
    { name: "ended", value: clock(row.ended_at, now), hint: row.ended_at ? undefined : "it is not over" },
    { name: "queue", value: row.queue && <a href={queue(row.queue)}>{row.queue}</a> },
    row.run_id ? { name: "run", value: <a href={run(row.run_id, { step: row.id })}>{row.workflow ?? (row.run_id === row.id ? "this task alone" : <code>{row.run_id.slice(0, 8)}</code>)}</a> } : null,
    row.workflow ? { name: "workflow", value: <a href={workflow(row.workflow)}>{row.workflow}</a> } : null,
    row.parent_id && row.parent_id !== row.id ? { name: "published by", value: other(row.parent_id) } : null,
    row.group_id ? { name: "group", value: <code>{row.group_id.slice(0, 8)}</code>, hint: row.group_id } : null,
    row.flags.length ? { name: "marks", value: row.flags.map((f) => f.replaceAll("_", " ")).join(", ") } : null,
  ];
}
