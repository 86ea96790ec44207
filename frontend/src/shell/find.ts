/** What a search means: a name that is known, else the id of a run or of an execution. */

import { execution, host, queue, run, task, worker, workflow } from "../address/links.ts";
import type { Execution } from "../api/runs.ts";
import type { Summary } from "../api/summary.ts";
import type { Host, Worker } from "../api/workers.ts";

export interface Named {
  name: string;
  kind: "task" | "workflow" | "queue" | "worker" | "host";
}

/** Names of a summary, workflows first: where one is also a task's, its page says more; then workers that are gone, and hosts. */
export function names(summary: Summary, workers: readonly Pick<Worker, "worker">[] = [], hosts: readonly Pick<Host, "host">[] = []): Named[] {
  const found: Named[] = [
    ...summary.workflows.map((w) => ({ name: w.workflow, kind: "workflow" as const })),
    ...summary.tasks.map((t) => ({ name: t.task, kind: "task" as const })),
    ...summary.queues.map((q) => ({ name: q.queue, kind: "queue" as const })),
    ...summary.workers.filter((w) => w.role === "worker").map((w) => ({ name: w.worker, kind: "worker" as const })),
    ...workers.map((w) => ({ name: w.worker, kind: "worker" as const })),
    ...hosts.map((h) => ({ name: h.host, kind: "host" as const })),
  ];
  return [...new Map(found.reverse().map((n) => [n.name, n])).values()].reverse();
}

/** Address of what is known by a name, or the only one that has the text in it; null for none or several. */
export function byName(text: string, known: readonly Named[]): string | null {
  const lower = text.toLowerCase();
  const exact = known.find((n) => n.name === text);
  const like = known.filter((n) => n.name.toLowerCase().includes(lower));
  const found = exact ?? (like.length === 1 ? like[0] : undefined);
  if (!found) return null;
  return { workflow, task, queue, worker, host }[found.kind](found.name);
}

/** Address of the run that executions belong to; a run of one task alone is that execution. */
export function ofRun(id: string, members: readonly Execution[]): string | null {
  const [first, ...more] = members;
  if (!first) return null;
  return more.length || first.workflow || first.id !== id ? run(id) : execution(id);
}
