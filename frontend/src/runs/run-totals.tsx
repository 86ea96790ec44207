/** What a run came to, all steps together, and what was measured in it. */

import { executions } from "../address/links.ts";
import type { Measure } from "../api/runs.ts";
import { Door } from "../parts/door.tsx";
import { Facts } from "../parts/facts.tsx";
import { bytes, count, digits, duration, percent, plural } from "../words/format.ts";
import type { RunDetail } from "./steps.ts";

export function RunTotals({ run }: { run: RunDetail }) {
  const t = run.totals;
  const of = (state: string) => executions({ run: run.id, state, window: "92d" });
  return (
    <section class="cm-card cm-padded">
      <h2>In all</h2>
      <Facts
        facts={[
          { name: "succeeded", value: <Door n={t.succeeded} href={of("SUCCESS")} /> },
          { name: "failed", value: <Door n={t.failed} href={of("FAILURE")} bad /> },
          { name: "success", value: percent(t.success_ratio) },
          { name: "attempts", value: count(t.attempts) },
          { name: "retries", value: count(t.retries) },
          { name: "total runtime", value: duration(t.runtime_seconds), hint: "all attempts together" },
          { name: "per step", value: duration(t.step_average_seconds), hint: "runtime, on average" },
          { name: "total wait", value: duration(t.queue_wait_seconds), hint: "all waits together" },
          { name: "CPU", value: duration(t.cpu_seconds) },
          { name: "peak memory", value: bytes(t.memory_peak_bytes), hint: "of the largest process that ran a step" },
          t.spans ? { name: "spans", value: `${count(t.spans)}${t.api_calls ? `, ${plural(t.api_calls, "API call")}` : ""}` } : null,
          { name: plural(t.workers.count, "worker"), value: <Several names={t.workers.names} count={t.workers.count} /> },
          { name: plural(t.queues.count, "queue"), value: <Several names={t.queues.names} count={t.queues.count} /> },
          ...t.waits.map((w) => ({ name: `waits for ${w.wait}`, value: `${duration(w.seconds)}${w.open ? `, ${count(w.open)} open` : ""}` })),
          ...run.measures.map((m) => ({ name: m.measure, value: measured(m), hint: `${m.kind} of ${plural(m.count, "report")}: ${m.min} to ${m.max}, ${m.avg} on average` })),
        ]}
      />
    </section>
  );
}

function Several({ names, count: all }: { names: readonly string[]; count: number }) {
  return <span title={names.join(", ")}>{names.slice(0, 3).join(", ")}{all > 3 && ` +${count(all - Math.min(3, names.length))}`}</span>;
}

/** A gauge's last value, else the sum. */
function measured(m: Measure): string {
  const value = m.kind === "sum" ? m.sum : m.kind === "gauge" ? m.last : m.avg;
  return value == null ? "–" : `${digits(value)}${m.unit ? ` ${m.unit}` : ""}`;
}
