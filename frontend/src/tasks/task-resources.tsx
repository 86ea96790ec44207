/** What a task costs: CPU, memory, how its processes grow. */

import { search as query, type Query } from "../address/links.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Resources as Answer, TaskDetail, TaskResources } from "../api/tasks.ts";
import { type Fact, Facts } from "../parts/facts.tsx";
import { bytes, duration, NETWORK_SEEN, percent } from "../words/format.ts";

const EVERY_MS = 60_000; // it is a table of all tasks

export function Resources({ found, range }: { found: TaskDetail; range: Query }) {
  const path = `/resources${query(range)}`;
  const { answer, problem } = useAnswer<Answer>(path, path, EVERY_MS);
  const row = answer?.tasks.find((t) => t.task === found.task);
  return (
    <section class="cm-card cm-padded">
      <h2>Resources</h2>
      {problem && <p class="cm-warn">{problem.message}</p>}
      <Facts facts={facts(found, row)} />
    </section>
  );
}

function facts(found: TaskDetail, row: TaskResources | undefined): (Fact | null)[] {
  const { cpu_seconds: cpu, memory_bytes: memory } = found;
  const shared = row?.attributed_ratio != null && row.attributed_ratio < 1;
  const blind = "its pool cannot tell what one attempt took";
  return [
    { name: "total CPU", value: duration(cpu.total), hint: cpu.total == null ? blind : "of all attempts together" },
    { name: "share of all CPU", value: percent(row?.cpu_seconds.share) },
    { name: "CPU per run", value: duration(cpu.avg), hint: "on average" },
    { name: "CPU p95", value: duration(cpu.p95) },
    { name: "total runtime", value: duration(found.runtime_seconds.total), hint: "time in the body, of all attempts together" },
    { name: "memory p95", value: bytes(memory.p95), hint: "resident, of the process that ran it" },
    { name: "peak memory", value: bytes(found.memory_peak_bytes), hint: "of the largest process that ran it" },
    growth(row),
    row?.growth.max_tasks_per_child != null && row.growth.confidence !== "low"
      ? { name: "would be held by", value: <code>--max-tasks-per-child={row.growth.max_tasks_per_child}</code>, hint: "so that a child grows by no more than its own size before it is replaced" }
      : null,
    row?.read_bytes != null ? { name: "read", value: bytes(row.read_bytes) } : null,
    row?.written_bytes != null ? { name: "written", value: bytes(row.written_bytes) } : null,
    row?.network_sent_bytes != null ? { name: "sent", value: bytes(row.network_sent_bytes), hint: `over the network, ${NETWORK_SEEN}` } : null,
    row?.network_received_bytes != null ? { name: "received", value: bytes(row.network_received_bytes), hint: `over the network, ${NETWORK_SEEN}` } : null,
    shared ? { name: "told apart", value: percent(row?.attributed_ratio), hint: "runs in pools that can tell what one attempt took" } : null,
  ];
}

/** How much a child grows in 1,000 runs, and how sure that is. */
function growth(row: TaskResources | undefined): Fact {
  const name = "growth per 1\u202f000 runs";
  if (!row || row.growth.bytes_per_1000_runs == null) return { name, value: null, hint: row ? "unknown: its pool cannot tell" : undefined };
  const { bytes_per_1000_runs: grown, confidence, note } = row.growth;
  if (confidence === "none") return { name, value: "none", hint: note ?? "its processes do not grow" };
  const sure = { low: "uncertain", likely: "likely", high: "certain" }[confidence] ?? confidence;
  const hint = "resident memory that a child gains; how sure that is, against the spread of single runs" + (note ? `; ${note}` : "");
  return { name, value: <span class={confidence === "low" ? "cm-muted" : "cm-warn"}>{bytes(grown)}, {sure}</span>, hint };
}
