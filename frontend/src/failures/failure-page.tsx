/** One kind of failure: where it happens, since when, with which traceback, and whom it hit. */

import { execution, executions, failures, run, search as query, type Query, task } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { FailureDetail } from "../api/tasks.ts";
import { TimeChart } from "../charts/heatmap-view.tsx";
import { Door } from "../parts/door.tsx";
import { Facts } from "../parts/facts.tsx";
import { Masked } from "../parts/failure-table.tsx";
import { Sheet } from "../parts/head.tsx";
import { Name } from "../parts/name.tsx";
import { Newest } from "../parts/newest.tsx";
import { Notice } from "../parts/notice.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { clock, count, percent, plural } from "../words/format.ts";
import { capital } from "../words/stretch.ts";

const WINDOW = "24h";

export function FailurePage({ name, search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/failures/${encodeURIComponent(name)}${query(range)}`;
  const view = useAnswer<FailureDetail>(path, path);
  const found = view.answer;
  return (
    <Sheet
      view={view}
      title={found?.exception || name}
      heading={<><a href={failures(range)}>Failures</a> <span class="cm-muted">/</span> <span class="cm-title cm-bad">{found?.exception || name}</span></>}
      window={WINDOW}
      missing={<>Nothing failed so in this time. <a href={failures({ window: "30d" })}>Failures of the last 30d</a></>}
    >
      {(answer) => <Answer found={answer} range={range} />}
    </Sheet>
  );
}

function Answer({ found, range }: { found: FailureDetail; range: Query }) {
  const all = executions({ fingerprint: found.fingerprint, ...range });
  const { t, step } = even(found.series.t);
  return (
    <>
      {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
      <section class="cm-card cm-padded">
        <p class="cm-kind-message"><Masked message={found.message} /></p>
        {found.note && <p class="cm-warn"><b>▲ {found.note}</b></p>}
        <Facts facts={facts(found, all)} />
      </section>
      {step > 0 && (
        <TimeChart
          title="Over time"
          words={`${found.count} attempts failed so and ${found.retried} were made again. Arrow keys tell the columns, Enter zooms.`}
          picture={{
            t,
            step,
            end: Date.parse(found.window.end) / 1000,
            layers: [
              { name: "failed", fill: "failed", values: found.series.failed },
              { name: "retried", fill: "retried", values: found.series.retried },
            ],
          }}
        >
          <a href={all}>executions</a>
        </TimeChart>
      )}
      <Sample found={found} />
      <div class="cm-thirds">
        <Places title="Tasks" noun="task" ended={howEnded(found)} rows={found.tasks.map((r) => ({ name: r.task, beside: r.queue, count: r.count }))} href={(name) => task(name, range)} />
        <Workers found={found} range={range} />
        <Places title="Queues" noun="queue" ended={howEnded(found)} rows={found.queues.map((r) => ({ name: r.queue, beside: null, count: r.count }))} href={(name) => executions({ fingerprint: found.fingerprint, queue: name, ...range })} />
      </div>
      <Newest title="Executions it hit" rows={found.executions} file="executions of a failure" more={all} type={found.exception} many />
    </>
  );
}

/** Starts of columns a step apart: the first is told from where the window begins. */
function even(t: readonly number[]): { t: number[]; step: number } {
  const last = t[t.length - 1] ?? 0;
  const step = last - (t[t.length - 2] ?? last);
  return { t: t.map((_, i) => last - (t.length - 1 - i) * step), step };
}

function facts(found: FailureDetail, all: string) {
  const now = new Date();
  return [
    { name: "failed", value: <Door n={found.count} href={all} bad />, hint: "attempts that ended so for good" },
    { name: "retried", value: count(found.retried), hint: "attempts that ended so and were made again" },
    { name: "first", value: clock(found.first_at, now), hint: "in this window, as fine as counts are kept" },
    { name: "last", value: clock(found.last_at, now) },
    found.runs.length ? { name: "workflow runs hit", value: <Runs found={found} />, hint: "of the executions below" } : null,
    { name: "fingerprint", value: <code>{found.fingerprint}</code>, hint: "of type, message and place; the same wherever it happens" },
  ];
}

function Runs({ found }: { found: FailureDetail }) {
  const shown = found.runs.slice(0, 5);
  return (
    <>
      {shown.map((r, i) => (
        <>{i > 0 && ", "}<a key={r.run_id} href={run(r.run_id)} title={r.run_id}>{r.workflow ?? "run"} <code>{r.run_id.slice(0, 8)}</code></a></>
      ))}
      {found.runs.length > shown.length && <span class="cm-muted"> and {count(found.runs.length - shown.length)} more</span>}
    </>
  );
}

function Sample({ found: { sample } }: { found: FailureDetail }) {
  if (!sample) return <section class="cm-card cm-padded"><h2>Traceback</h2><p class="cm-muted">No attempt that failed so is stored any more.</p></section>;
  return (
    <section class="cm-card cm-padded">
      <h2>
        Newest of them{" "}
        <span class="cm-muted">
          {clock(sample.ended_at, new Date())} on {sample.worker ?? "an unknown worker"}, <a href={execution(sample.id)}>execution <code>{sample.id.slice(0, 8)}</code></a>
        </span>
      </h2>
      <div class="cm-fault">
        <p><b class="cm-bad">{sample.type}</b> <span class="cm-said">{sample.message}</span></p>
        {sample.traceback ? <pre tabIndex={0}>{sample.traceback}</pre> : <p class="cm-muted">No traceback is kept of an attempt that was made again.</p>}
      </div>
    </section>
  );
}

/** What the places count: attempts of a kind that never failed for good were made again. */
function howEnded(found: FailureDetail): string {
  return found.count ? "Failed" : "Retried";
}

interface Place {
  name: string;
  beside: string | null;
  count: number;
}

function Places({ title, noun, ended, rows, href }: { title: string; noun: string; ended: string; rows: Place[]; href: (name: string) => string }) {
  const columns: Column<Place>[] = [
    { id: "name", title: capital(noun), text: true, key: (r) => r.name, cell: (r) => <a class="cm-name" href={href(r.name)} title={r.name}><Name text={r.name || "none"} /></a> },
    { id: "beside", title: "Queue", text: true, minor: 2, key: (r) => r.beside, cell: (r) => <span class="cm-muted cm-cut">{r.beside}</span> },
    { id: "count", title: ended, key: (r) => r.count, cell: (r) => count(r.count) },
  ];
  const shown = rows.some((r) => r.beside !== null) ? columns : columns.filter((c) => c.id !== "beside");
  return <Table title={title} nouns={[noun]} rows={rows} columns={shown} name={(r) => `${r.name} ${r.beside ?? ""}`} order={{ column: "count", descending: true }} empty="None of this time is counted." screenful={8} />;
}

function Workers({ found, range }: { found: FailureDetail; range: Query }) {
  const ended = howEnded(found);
  const columns: Column<FailureDetail["workers"][number]>[] = [
    {
      id: "worker",
      title: "Worker",
      text: true,
      key: (r) => r.worker,
      cell: (r) => (
        <>
          <a class="cm-name" href={executions({ fingerprint: found.fingerprint, worker: r.worker, ...range })} title={r.worker}><Name text={r.worker} /></a>
          {found.stands_out?.worker === r.worker && <b class="cm-warn" title={found.note ?? ""}> ▲</b>}
        </>
      ),
    },
    { id: "count", title: ended, key: (r) => r.count, cell: (r) => count(r.count) },
    { id: "ratio", title: "Of all", hint: "of all attempts that ended on it", key: (r) => (r.ended ? r.count / r.ended : null), cell: (r) => <span title={plural(r.ended, "attempt")}>{percent(r.ended ? r.count / r.ended : null)}</span> },
  ];
  return <Table title="Workers" nouns={["worker"]} rows={found.workers} columns={columns} name={(r) => r.worker} order={{ column: "ratio", descending: true }} empty="None of this time is counted." screenful={8} />;
}

