/** One task: is it slower or failing more than it used to, and where. */

import { executions, logs, search as query, type Query, tasks } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { TaskDetail } from "../api/tasks.ts";
import type { Picture } from "../charts/heatmap-draw.ts";
import { TimeChart } from "../charts/heatmap-view.tsx";
import { Badge } from "../parts/badge.tsx";
import { FailureTable } from "../parts/failure-table.tsx";
import { Sheet } from "../parts/head.tsx";
import { Newest } from "../parts/newest.tsx";
import { Notice } from "../parts/notice.tsx";
import { Ending } from "../parts/quiet.tsx";
import { percent } from "../words/format.ts";
import { TaskQueues, TaskWorkers } from "./task-places.tsx";
import { Resources } from "./task-resources.tsx";
import { TaskTiles } from "./task-tiles.tsx";
import { verdict } from "./task-verdict.ts";

const WINDOW = "24h";
const EVERY_MS = 10_000; // the answer is a big one

export function TaskPage({ name, search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/tasks/${encodeURIComponent(name)}${query(range)}`;
  const view = useAnswer<TaskDetail>(path, path, EVERY_MS);
  return (
    <Sheet
      view={view}
      title={name}
      heading={<Heading name={name} found={view.answer} range={range} />}
      window={WINDOW}
      every={`${EVERY_MS / 1000} s`}
      missing={<>No task of this name was ever published or run. <a href={tasks({ window: "30d" })}>Those of the last 30d</a></>}
    >
      {(found) => <Answer found={found} range={range} />}
    </Sheet>
  );
}

function Heading({ name, found, range }: { name: string; found: TaskDetail | null; range: Query }) {
  const judged = found && verdict(found);
  return (
    <>
      <a href={tasks(range)}>Tasks</a> <span class="cm-muted">/</span> <span class="cm-title">{name}</span>{" "}
      {judged && (
        <small class="cm-judged">
          <Badge mark={judged} word /> {judged.reasons.join(" · ")}
        </small>
      )}
    </>
  );
}

function Answer({ found, range }: { found: TaskDetail; range: Query }) {
  const name = found.task;
  const quiet = found.ended + found.published === 0;
  const now = new Date(found.window.end);
  return (
    <>
      {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
      {quiet && <Ending window={found.window} what="It was neither published nor did it end" />}
      {!quiet && (
        <>
          <TaskTiles found={found} range={range} />
          <TimeChart title="Latency" picture={picture(found)} words={words(found)}>
            <a href={executions({ task: name, ...range })}>executions</a>
            <a href={logs({ task: name, ...range })}>log</a>
          </TimeChart>
          <Resources found={found} range={range} />
          <div class="cm-pair">
            <TaskQueues found={found} range={range} />
            <TaskWorkers found={found} range={range} />
          </div>
          <FailureTable rows={found.failures} now={now} range={range} ofTask={name} title="Failures by kind" empty="Nothing of it failed in this time." />
          {found.newest_failures.length > 0 && (
            <Newest title="Newest failures" rows={found.newest_failures} file="newest failures" more={executions({ task: name, state: "FAILURE", ...range })} />
          )}
        </>
      )}
    </>
  );
}

function picture({ series, heatmap, window }: TaskDetail): Picture {
  return {
    t: series.t,
    step: window.step_seconds,
    end: Date.parse(window.end) / 1000,
    heatmap,
    lines: [
      { name: "p99", values: series.runtime_p99, dash: [6, 3] },
      { name: "p95", values: series.runtime_p95, dash: [] },
      { name: "p50", values: series.runtime_p50, dash: [2, 2] },
    ],
    layers: [
      { name: "failed", fill: "failed", values: series.failed },
      { name: "retried", fill: "retried", values: series.retried },
      { name: "other", fill: "other", values: series.other },
      { name: "succeeded", fill: "succeeded", values: series.succeeded },
    ].filter(({ name, values }) => name === "failed" || name === "succeeded" || values.some(Boolean)),
  };
}

function words({ task, ended, failed, success_ratio, runtime_seconds: run }: TaskDetail): string {
  return `Run times of ${task} over time as a heatmap: ${ended} ended, ${failed} failed, success ${percent(success_ratio)}, p50 ${run.p50} s, p95 ${run.p95} s, p99 ${run.p99} s. Arrow keys tell the columns, Enter zooms.`;
}
