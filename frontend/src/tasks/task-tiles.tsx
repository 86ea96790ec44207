/** The figures of one task beside those of the period before. */

import { executions, type Query } from "../address/links.ts";
import type { TaskDetail } from "../api/tasks.ts";
import { perSecond, shares, total } from "../charts/scale.ts";
import { Tile } from "../parts/tile.tsx";
import { points, relative } from "../words/change.ts";
import { bytes, count, duration, percent, rate, rateParts } from "../words/format.ts";

const ALARMING_ERRORS = 0.05; // the default rule fires below 95 % success

export function TaskTiles({ found, range }: { found: TaskDetail; range: Query }) {
  const { compare, series, runtime_seconds: run, wait_seconds: wait, turnaround_seconds: whole } = found;
  const errors = found.success_ratio == null ? null : 1 - found.success_ratio;
  const errorsBefore = compare?.success_ratio == null ? null : 1 - compare.success_ratio;
  const before = (value: string) => (compare ? `; the period before: ${value}` : "; nothing was recorded before");
  return (
    <div class="cm-tiles">
      <Tile
        title="Ended"
        {...rateParts(found.rate_per_second)}
        change={relative(found.rate_per_second, compare?.rate_per_second)}
        hint={`${count(found.ended)} attempts ended, ${count(found.published)} were published${before(rate(compare?.rate_per_second))}`}
        values={perSecond(total([series.succeeded, series.failed, series.retried, series.other]), series.t, found.window.step_seconds, Date.parse(found.window.end) / 1000)}
        tone="running"
        href={executions({ task: found.task, ...range })}
      />
      <Tile
        title="Errors"
        value={percent(errors)}
        change={points(errors, errorsBefore, true)}
        hint={`${count(found.failed)} failed and ${count(found.lost)} were lost of all that succeeded or failed${before(percent(errorsBefore))}`}
        values={shares(series.failed, [series.succeeded, series.failed])}
        tone="failed"
        floor={0.05}
        alarming={(errors ?? 0) > ALARMING_ERRORS}
        href={executions({ task: found.task, state: "FAILURE", ...range })}
      />
      <Tile
        title="Runtime p95"
        value={duration(run.p95)}
        change={relative(run.p95, compare?.runtime_p95_seconds, true)}
        hint={`p50 ${duration(run.p50)}, p99 ${duration(run.p99)}, longest ${duration(run.max)}${before(duration(compare?.runtime_p95_seconds))}`}
        values={series.runtime_p95}
        tone="succeeded"
      />
      <Tile
        title="Wait p95"
        value={duration(wait.p95)}
        change={relative(wait.p95, compare?.wait_p95_seconds, true)}
        hint={wait.p95 == null ? "its publishers did not tell when it was due" : `from publish (or due time) to start; longest ${duration(wait.max)}${before(duration(compare?.wait_p95_seconds))}`}
        values={series.wait_p95}
        tone="waiting"
      />
      <Tile
        title="Turnaround p95"
        value={duration(whole.p95)}
        note={whole.p50 == null ? undefined : `p50 ${duration(whole.p50)}`}
        hint={`from the first publish to the final end, retries included; p50 ${duration(whole.p50)}; peak memory ${bytes(found.memory_peak_bytes)}`}
        values={[]}
        tone="succeeded"
      />
    </div>
  );
}
