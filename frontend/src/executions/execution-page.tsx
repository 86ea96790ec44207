/** One execution: how it stands, every attempt of it, what it logged. */

import { useEffect, useState } from "preact/hooks";
import { useAnswer } from "./answer.ts";
import type { Execution } from "./api-runs.ts";
import { AttemptCard } from "./attempt.tsx";
import { Badge } from "./badge.tsx";
import { type Fact, Facts } from "./facts.tsx";
import { clock, plural } from "./format.ts";
import { Sheet } from "./head.tsx";
import { execution, executions, queue, run, task, workflow } from "./links.ts";
import type { PageProps } from "./pages.tsx";
import { Records } from "./records.tsx";
import { because, executionMark } from "./states.ts";
import { WhyWaiting } from "./why-waiting.tsx";

const OPEN_MS = 2_000;
const OVER_MS = 15_000; // a late record may still correct it

/** Whether something of it can still come. */
export function isOpen(row: Pick<Execution, "state">): boolean {
  return ["WAITING", "STARTED", "RETRY"].includes(row.state);
}

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

/** An execution, asked for more often while it is not over. */
export function useExecution(id: string) {
  const path = `/executions/${encodeURIComponent(id)}`;
  const [everyMs, setEveryMs] = useState(OPEN_MS);
  const view = useAnswer<Execution>(path, path, everyMs);
  const wanted = view.answer && !isOpen(view.answer) ? OVER_MS : OPEN_MS;
  useEffect(() => setEveryMs(wanted), [wanted]);
  return { view, everyMs };
}

function Heading({ id, row }: { id: string; row: Execution | null }) {
  return (
    <>
      <span class="cm-title">{row?.task ?? "Execution"}</span>{" "}
      {row && <small><Badge mark={executionMark(row.state)} word /> {because(row.state, row.reason)}</small>}{" "}
      <small><code>{id}</code></small>
    </>
  );
}

export function Attempts({ row }: { row: Execution }) {
  const all = row.attempts;
  return (
    <section class="cm-card cm-padded">
      <h2>{all.length ? plural(all.length, "attempt") : row.state === "STARTED" ? "It runs: figures come with its end" : "No attempt has ended yet"}</h2>
      {[...all].reverse().map((a, i) => <AttemptCard key={a.uid} attempt={a} number={all.length - i} />)}
    </section>
  );
}

function facts(row: Execution): (Fact | null)[] {
  const now = new Date();
  const other = (id: string | null) => id && <a href={execution(id)}><code>{id.slice(0, 8)}</code></a>;
  return [
    { name: "published", value: clock(row.published_at, now) },
    { name: "ended", value: clock(row.ended_at, now), hint: row.ended_at ? undefined : "it is not over" },
    { name: "queue", value: row.queue && <a href={queue(row.queue)}>{row.queue}</a> },
    { name: "task", value: row.task && <a href={task(row.task)}>all of this task</a> },
    row.run_id ? { name: "run", value: <a href={run(row.run_id, { step: row.id })}>{row.workflow ?? <code>{row.run_id.slice(0, 8)}</code>}</a> } : null,
    row.workflow ? { name: "workflow", value: <a href={workflow(row.workflow)}>{row.workflow}</a> } : null,
    row.parent_id ? { name: "published by", value: other(row.parent_id) } : null,
    row.group_id ? { name: "group", value: <code>{row.group_id.slice(0, 8)}</code>, hint: row.group_id } : null,
    row.flags.length ? { name: "marks", value: row.flags.map((f) => f.replaceAll("_", " ")).join(", ") } : null,
  ];
}
