/** How much of a run's duration the path that set it was waiting: the time in which none of its attempts ran. */

import type { RunDetail } from "./steps.ts";

export interface Waited {
  seconds: number;
  /** Of the whole duration, 0 to 1. */
  share: number;
}

/** null while the path or the duration is not known. */
export function waited(run: Pick<RunDetail, "path" | "executions" | "started_at" | "duration_seconds">): Waited | null {
  const total = run.duration_seconds;
  const start = Date.parse(run.started_at ?? "") / 1000;
  if (!total || Number.isNaN(start) || run.path.length === 0) return null;
  const on = new Set(run.path);
  const spells = run.executions
    .flatMap((e) => e.attempts)
    .filter((a) => on.has(a.uid) && a.started_at)
    .map((a): [number, number] => spell(a.started_at!, a.runtime_seconds, start, total));
  const seconds = Math.max(0, total - covered(spells));
  return { seconds, share: seconds / total };
}

/** From when to when an attempt ran, in seconds of the run; one that runs still has no end yet. */
function spell(startedAt: number, runtime: number | null, start: number, total: number): [number, number] {
  const from = Math.min(total, Math.max(0, startedAt - start));
  return [from, runtime == null ? total : Math.min(total, from + runtime)];
}

/** Length of what intervals cover together: those of the path overlap where one publishes the next while it runs. */
function covered(spells: [number, number][]): number {
  let [sum, reached] = [0, 0];
  for (const [from, to] of spells.sort((a, b) => a[0] - b[0])) {
    sum += Math.max(0, to - Math.max(from, reached));
    reached = Math.max(reached, to);
  }
  return sum;
}
