/** One run: what set its duration, or what it is waiting for. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { changed, run as runLink, runs, search as query, workflow } from "../address/links.ts";
import { go } from "../address/location.ts";
import type { PageProps } from "../address/route.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Bottleneck, Run, RunAnswer } from "../api/runs.ts";
import { Badge } from "../parts/badge.tsx";
import { Facts } from "../parts/facts.tsx";
import { Sheet } from "../parts/head.tsx";
import { Labels } from "../parts/labels.tsx";
import { Notice } from "../parts/notice.tsx";
import { Records } from "../parts/records.tsx";
import { percentage, share } from "../parts/share.tsx";
import { clock, count, duration } from "../words/format.ts";
import { runMark } from "../words/states.ts";
import { MOST_STEPS } from "./graph-part.tsx";
import { type Waited, waited } from "./path-time.ts";
import { RunPicture } from "./run-picture.tsx";
import { RunTotals } from "./run-totals.tsx";
import { StepPanel } from "./step-panel.tsx";
import { detail, type RunDetail } from "./steps.ts";

const LIVE_MS = 2_000;
const OVER_MS = 15_000; // a late record may still correct it
/** Steps one by one, at most: as many as the API tells, and as many as a graph is laid out of. */
const MOST = { waterfall: 10_000, graph: MOST_STEPS };
const TOLD = 0.05; // share of waiting below which nobody asks for it

export function RunPage({ name: id, search }: PageProps) {
  const path = `/runs/${encodeURIComponent(id)}`;
  const [everyMs, setEveryMs] = useState(LIVE_MS);
  const asked = path + query({ form: "columns", limit: limitOf(search) });
  const view = useAnswer<RunAnswer>(asked, asked, everyMs);
  const over = view.answer !== null && view.answer.state !== "RUNNING";
  useEffect(() => setEveryMs(over ? OVER_MS : LIVE_MS), [over]);
  return (
    <Sheet
      view={view}
      title={view.answer?.workflow ?? view.answer?.root_task ?? `Run ${id}`}
      heading={<Heading id={id} run={view.answer} />}
      every={`${everyMs / 1000} s`}
      missing={<>No run <code>{id}</code> is known: it was never seen, or its record has expired. <a href={runs()}>Newest runs</a></>}
    >
      {(run) => <Body answer={run} search={search} everyMs={everyMs} />}
    </Sheet>
  );
}

/** How many steps to tell one by one: as the address says, within what can be shown. */
function limitOf(search: string): number | null {
  const given = Number(new URLSearchParams(search).get("limit"));
  return Number.isInteger(given) && given > 0 ? Math.min(given, mostOf(search)) : null;
}

function mostOf(search: string): number {
  return MOST[new URLSearchParams(search).get("view") === "graph" ? "graph" : "waterfall"];
}

function Heading({ id, run }: { id: string; run: Run | null }) {
  const name = run && (run.workflow ? <a href={workflow(run.workflow)}>{run.workflow}</a> : run.root_task);
  return (
    <>
      <span class="cm-title">{name ?? "Run"}</span>{" "}
      {run && <small><Badge mark={runMark(run.state)} word /> {run.state === "RUNNING" && share(run.progress)}</small>}{" "}
      <small><code title={id}>{id.slice(0, 8)}</code></small>
    </>
  );
}

function Body({ answer, search, everyMs }: { answer: RunAnswer; search: string; everyMs: number }) {
  const run = useMemo(() => detail(answer), [answer]);
  const selected = new URLSearchParams(search).get("step");
  return (
    <>
      <Line run={run} />
      {run.expired && <Notice tone="unknown" title="Parts of this run have expired.">The head is what was known when it was over.</Notice>}
      <div class={`cm-run ${selected ? "cm-with-panel" : ""}`}>
        <div>
          <RunPicture run={run} search={search} selected={selected} />
          <Rest run={run} search={search} />
        </div>
        {selected && <StepPanel key={selected} id={selected} run={run} close={() => go(changed(search, { step: null }), true)} />}
      </div>
      <RunTotals run={run} />
      <Records path={`/runs/${encodeURIComponent(run.id)}/logs`} everyMs={everyMs} many />
    </>
  );
}

/** What the page is for, in one line: since when, how long, and why so long. */
function Line({ run }: { run: RunDetail }) {
  const now = new Date();
  const waits = run.waits.filter((w) => w.state === "open");
  return (
    <section class="cm-card cm-padded cm-runline">
      <Facts
        facts={[
          run.bottleneck && { name: "set by", value: <SetBy step={run.bottleneck} idle={waited(run)} />, hint: "on the path that set the duration: the step that ran longest, and how long none of its steps ran" },
          waits.length > 0 ? { name: "waits for", value: <b class="cm-warn">{waits.map((w) => `${w.wait} ${duration(w.age_seconds)}`).join(", ")}</b> } : null,
          { name: run.state === "RUNNING" ? "running for" : "took", value: duration(run.duration_seconds), hint: "from the first start to the last end" },
          { name: "turnaround", value: duration(run.turnaround_seconds), hint: "from the first publish to the last end the caller waits for" },
          { name: "started", value: clock(run.started_at, now) },
          { name: "ended", value: clock(run.ended_at, now), hint: run.ended_at ? undefined : "it is not over" },
          { name: "steps", value: `${count(run.completed)} of ${count(run.known)}` },
          run.revision > 1 ? { name: "was over", value: `${count(run.revision)} times`, hint: "something new was heard of it after its end" } : null,
          run.continues_run_id ? { name: "continues", value: <a href={runLink(run.continues_run_id)}><code>{run.continues_run_id.slice(0, 8)}</code></a> } : null,
        ]}
      />
      {(run.description || Object.keys(run.labels).length > 0) && (
        <p class="cm-described">
          <Labels labels={run.labels} /> <span class="cm-muted">{run.description}</span>
        </p>
      )}
    </section>
  );
}

/** What took most of the path stands first: a step, or the time in queues, between tries and outside. */
function SetBy({ step, idle }: { step: Bottleneck; idle: Waited | null }) {
  const ran = (step.percentage_of_total ?? 0) / 100;
  const parts = [{ of: ran, text: <b title={duration(step.duration_seconds)}>{step.step} {percentage(step.percentage_of_total)}</b> }];
  if (idle && idle.share >= TOLD) parts.push({ of: idle.share, text: <b title={duration(idle.seconds)}>waiting {share(idle.share)}</b> });
  return <>{parts.sort((a, b) => b.of - a.of).map((p, i) => <>{i > 0 && <span class="cm-muted">, </span>}{p.text}</>)}</>;
}

/** What the API has folded and would show one by one if asked. */
function Rest({ run, search }: { run: RunDetail; search: string }) {
  const folded = run.folded.reduce((sum, f) => sum + f.count, 0);
  if (!folded) return null;
  const most = mostOf(search);
  return (
    <p class="cm-pager cm-muted">
      <span>{count(run.executions.length)} of {count(run.known)} steps one by one: the path, what is open, what failed; {count(folded)} are told by task.</span>
      {run.executions.length < most && (
        <a class="cm-button" href={changed(search, { limit: most })}>Show {run.known > most ? count(most) : "all"}</a>
      )}
    </p>
  );
}
