/** Whether a task is slower or fails more than it used to, in one sentence. */

import type { Num } from "../api/basics.ts"
import type { Compare } from "../api/summary.ts";
import { points, relative } from "../words/change.ts";
import { duration, percent } from "../words/format.ts";
import type { Mark } from "../words/marks.ts";

/** What is judged, of a task over a window. */
export interface Judged {
  ended: number;
  failed: number;
  lost: number;
  success_ratio: Num;
  runtime_seconds: { count: number; p95: Num };
  wait_seconds: { p95: Num };
  compare: Compare | null;
  series: { succeeded: Num[]; failed: Num[]; runtime_p50: Num[]; runtime_p95: Num[] };
}

const MORE_ERRORS = 0.01; // of all that succeeded or failed
const MANY_ERRORS = 0.05; // the default rule fires below 95 % success
const SLOWER = 1.3;
const WAITS_LONGER = 1.5;
const FELT_S = 1; // a wait below is nothing that anybody feels
const ENOUGH = 20; // attempts, for a p95 to mean anything
const LATELY = 0.2; // of the window: what began in it is seen without a period before
const POINTS = 3; // with ends, for a middle to mean anything

export interface Verdict extends Mark {
  reasons: string[];
}

export function verdict(task: Judged): Verdict {
  if (task.ended === 0) return { shape: "○", word: "quiet", tone: "unknown", reasons: ["nothing ended in this time"] };
  const errors = failing(task) ?? failingLately(task);
  const slow = slower(task) ?? slowerLately(task);
  const reasons = [errors?.text, slow, waiting(task)].filter((text) => text != null);
  if (errors?.grave) return { shape: "■", word: "failing", tone: "critical", reasons };
  if (reasons.length) return { shape: "▲", word: errors ? "failing" : slow ? "slower" : "waiting", tone: "warning", reasons };
  if (!task.compare) return { shape: "●", word: "fine", tone: "ok", reasons: ["nothing was recorded before to compare with"] };
  return { shape: "●", word: "as usual", tone: "ok", reasons: [] };
}

/** Errors that are more than before, or many. */
function failing(task: Judged): { text: string; grave: boolean } | null {
  const bad = task.failed + task.lost;
  const now = task.success_ratio == null ? null : 1 - task.success_ratio;
  const before = task.compare?.success_ratio == null ? null : 1 - task.compare.success_ratio;
  if (now == null || bad === 0) return null;
  const more = before !== null && now - before >= MORE_ERRORS;
  if (!more && now < MANY_ERRORS) return null;
  const change = more ? ` ${points(now, before)?.text ?? ""}` : before === null ? "" : ", as before";
  return { text: `${percent(now)} fail or are lost${change}`, grave: now >= MANY_ERRORS && more && bad >= 3 };
}

function slower({ runtime_seconds: now, compare }: Judged): string | null {
  const before = compare?.runtime_p95_seconds;
  if (now.p95 == null || !before || now.count < ENOUGH || now.p95 < before * SLOWER) return null;
  return `p95 ${duration(now.p95)} ${relative(now.p95, before)?.text ?? ""}`;
}

/** Errors that have become more within the window. */
function failingLately({ series }: Judged): { text: string; grave: boolean } | null {
  const cut = Math.floor(series.failed.length * (1 - LATELY));
  const of = (from: number, to: number) => {
    const bad = sum(series.failed.slice(from, to));
    const all = bad + sum(series.succeeded.slice(from, to));
    return { bad, ratio: all >= ENOUGH ? bad / all : null };
  };
  const [before, now] = [of(0, cut), of(cut, series.failed.length)];
  if (now.ratio == null || before.ratio == null || now.bad < 3 || now.ratio - before.ratio < MORE_ERRORS) return null;
  return { text: `lately ${percent(now.ratio)} fail, earlier ${percent(before.ratio)}`, grave: now.ratio >= MANY_ERRORS };
}

/** Run times that have become longer within the window. */
function slowerLately({ series, runtime_seconds }: Judged): string | null {
  if (runtime_seconds.count < ENOUGH) return null;
  for (const [name, values] of [["p95", series.runtime_p95], ["p50", series.runtime_p50]] as const) {
    const cut = Math.floor(values.length * (1 - LATELY));
    const [before, now] = [middle(values.slice(0, cut)), middle(values.slice(cut))];
    if (before && now && now >= before * SLOWER) return `lately ${name} ${duration(now)}, earlier ${duration(before)}`;
  }
  return null;
}

/** The median of what is known, null of too little. */
function middle(values: readonly Num[]): Num {
  const known = values.filter((v) => v != null).sort((a, b) => a - b);
  return known.length < POINTS ? null : (known[Math.floor(known.length / 2)] ?? null);
}

function sum(values: readonly Num[]): number {
  return values.reduce<number>((all, v) => all + (v ?? 0), 0);
}

function waiting({ wait_seconds: now, compare }: Judged): string | null {
  const before = compare?.wait_p95_seconds;
  if (now.p95 == null || before == null || now.p95 < FELT_S || now.p95 < before * WAITS_LONGER) return null;
  return `waits p95 ${duration(now.p95)}, was ${duration(before)}`;
}
