/** The five figures that tell whether it is fine: traffic, errors, latency, wait, saturation. */

import { executions, runs as runsLink, schedule, tasks } from "../address/links.ts";
import type { Range } from "../address/window.ts";
import type { Num } from "../api/basics.ts"
import type { Summary, WorkerRow } from "../api/summary.ts";
import { perSecond, shares, total } from "../charts/scale.ts";
import { Door } from "../parts/door.tsx";
import { Tile } from "../parts/tile.tsx";
import { points, relative } from "../words/change.ts";
import { count, duration, percent, plural, rate, rateParts, span } from "../words/format.ts";
import { before } from "../words/stretch.ts";

const ALARMING_ERRORS = 0.05; // the default rule fires below 95 % success
const ALARMING_LOAD = 0.95;

/** A share of the whole that is not successful; unknown when nothing has ended. */
function errorRatio(success: Num | undefined): Num {
  return success == null ? null : 1 - success;
}

/** A figure in seconds, number and unit apart when it has one unit only. */
function split(seconds: Num): { value: string; unit?: string } {
  const [value, unit, ...more] = duration(seconds).split(/[ \u202f]/);
  return more.length || !unit ? { value: duration(seconds) } : { value: value ?? "", unit };
}

export function Tiles({ summary, range }: { summary: Summary; range: Range }) {
  const { totals, compare, series, window } = summary;
  const earlier = before(window);
  const traffic = rateParts(totals.rate_per_second);
  const errors = errorRatio(totals.success_ratio);
  const errorsBefore = errorRatio(compare?.success_ratio);
  const latency = totals.runtime_seconds.p95;
  const waiting = totals.wait_seconds.p95;
  return (
    <div class="cm-tiles">
      <Tile
        title="Traffic"
        href={executions(range)}
        {...traffic}
        change={relative(totals.rate_per_second, compare?.rate_per_second)}
        hint={`${count(totals.ended)} attempts ended in ${span(window.seconds)}; ${earlier}: ${rate(compare?.rate_per_second)}`}
        values={perSecond(total([series.succeeded, series.failed, series.retried, series.other]), series.t, window.step_seconds, Date.parse(window.end) / 1000)}
        tone="running"
      />
      <Tile
        title="Errors"
        href={executions({ state: "FAILURE", ...range })}
        value={percent(errors)}
        change={points(errors, errorsBefore, true)}
        hint={
          errors == null
            ? "Nothing succeeded or failed in this window."
            : `${count(totals.failed + totals.lost)} failed or lost of all that succeeded or failed; ${earlier}: ${percent(errorsBefore)}`
        }
        values={shares(series.failed, [series.succeeded, series.failed])}
        tone="failed"
        floor={0.05}
        alarming={(errors ?? 0) > ALARMING_ERRORS}
      />
      <Tile
        title="Latency p95"
        href={tasks({ sort: "-p95", ...range })}
        {...split(latency)}
        change={relative(latency, compare?.runtime_p95_seconds, true)}
        hint={`95 of 100 attempts ran no longer than this; ${earlier}: ${duration(compare?.runtime_p95_seconds)}`}
        values={series.runtime_p95}
        tone="succeeded"
      />
      <Tile
        title="Wait p95"
        href={executions({ state: "WAITING", ...range })}
        {...split(waiting)}
        change={relative(waiting, compare?.wait_p95_seconds, true)}
        hint={
          waiting == null
            ? "Nothing that started told when it was published: publishers need a Monitor too."
            : `95 of 100 waited no longer than this from publish (or due time) to start; ${earlier}: ${duration(compare?.wait_p95_seconds)}`
        }
        values={series.wait_p95}
        tone="waiting"
      />
      {"since" in range ? <SaturationThen values={series.busy_ratio} /> : <Saturation workers={summary.workers} values={series.busy_ratio} />}
      <Now summary={summary} />
    </div>
  );
}

/** What is open at this moment, whatever time the others are of. */
function Now({ summary: { totals, runs, waits, schedules } }: { summary: Summary }) {
  const open = executions({ state: "STARTED", window: "30d" });
  return (
    <section class="cm-tile cm-tile-now">
      <h2>Now</h2>
      <dl>
        <dt><Door n={totals.running} href={open} /></dt>
        <dd>{totals.running === 1 ? "attempt runs" : "attempts run"}</dd>
        <dt><Door n={runs.active} href={runsLink({ state: "RUNNING" })} /></dt>
        <dd title="of workflows, not over">{runs.active === 1 ? "active run" : "active runs"}</dd>
        <dt>{count(waits.open)}</dt>
        <dd title="runs that wait for something outside, like an approval">{waits.open === 1 ? "open wait" : "open waits"}</dd>
        {schedules.total > 0 && <dt><a href={schedule()}>{count(schedules.enabled)}</a></dt>}
        {schedules.total > 0 && <dd>of {plural(schedules.total, "schedule")} on</dd>}
      </dl>
    </section>
  );
}

/** Of a time that is over: what workers sampled in it. */
function SaturationThen({ values }: { values: readonly Num[] }) {
  const known = values.filter((v) => v != null);
  const load = known.length ? known.reduce((sum, v) => sum + v, 0) / known.length : null;
  return (
    <Tile
      title="Saturation"
      value={percent(load)}
      note="of slots, mean"
      hint="Share of the live workers' slots that ran a task, mean of this time."
      values={values}
      tone="running"
      floor={1}
      alarming={(load ?? 0) > ALARMING_LOAD}
    />
  );
}

function Saturation({ workers, values }: { workers: readonly WorkerRow[]; values: readonly Num[] }) {
  const alive = workers.filter((w) => w.slots != null && (w.state === "ok" || w.state === "warning"));
  const slots = alive.reduce((sum, w) => sum + (w.slots ?? 0), 0);
  const busy = alive.reduce((sum, w) => sum + (w.busy ?? 0), 0);
  const load = slots ? busy / slots : null;
  return (
    <Tile
      title="Saturation"
      href={executions({ state: "STARTED", window: "30d" })}
      value={percent(load)}
      note={slots ? `of ${count(slots)} slots` : "no worker"}
      hint={slots ? `${count(busy)} of ${count(slots)} slots run a task now` : "No live worker has told its slots."}
      values={values}
      tone="running"
      floor={1}
      alarming={(load ?? 0) > ALARMING_LOAD}
    />
  );
}
