/** What many steps of one task come to together. */

import type { Num } from "../api/basics.ts";
import type { Folded } from "../api/runs.ts";
import type { Step } from "./tree.ts";

const WORST = 3; // members that are named

interface Ranked extends Member {
  rank: number;
}

export interface Member {
  id: string;
  seconds: number;
  state: string;
}

export function by<T>(all: readonly T[], key: (one: T) => string | null): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const one of all) {
    const k = key(one);
    if (k === null) continue;
    const beside = found.get(k);
    if (beside) beside.push(one);
    else found.set(k, [one]);
  }
  return found;
}

export function counted(folded: readonly Folded[]): number {
  return folded.reduce((sum, f) => sum + f.count, 0);
}

/** Seconds a step ran, attempts that run now until now. */
export function ran(s: Step, now: number): number {
  return s.execution.attempts.reduce((sum, a) => {
    const open = a.started_at !== null && a.ended_at === null;
    return sum + (a.runtime_seconds ?? (open ? Math.max(now - a.started_at!, 0) : 0));
  }, 0);
}

export function tally(members: readonly Step[], more: readonly Folded[]): Record<string, number> {
  const states: Record<string, number> = {};
  for (const { execution } of members) states[execution.state] = (states[execution.state] ?? 0) + 1;
  for (const f of more) for (const [state, n] of Object.entries(f.states)) states[state] = (states[state] ?? 0) + n;
  return states;
}

const FAILED = ["FAILURE", "LOST"];
const SEVERITY = [...FAILED, "STARTED", "WAITING", "RETRY"];

/** What a row of many looks like: as its most alarming member. */
export function worstState(states: Record<string, number>): string {
  return SEVERITY.find((s) => states[s]) ?? Object.entries(states).sort((a, b) => b[1] - a[1])[0]?.[0] ?? "WAITING";
}

/** The members to look at first: failed, then the longest. */
export function worst(members: readonly Step[], now: number): Member[] {
  const before = (a: Ranked, b: Ranked) => b.rank - a.rank || b.seconds - a.seconds;
  const first: Ranked[] = [];
  for (const s of members) {
    const { id, state } = s.execution;
    const one = { id, seconds: ran(s, now), state, rank: Number(FAILED.includes(state)) };
    if (first.length === WORST && before(one, first[WORST - 1]!) >= 0) continue;
    first.push(one);
    first.sort(before).splice(WORST);
  }
  return first.map(({ id, seconds, state }) => ({ id, seconds, state }));
}

/** Run time of the step in the middle; of several parts that are told by their own middle alone it is theirs, weighed by number. */
export function middle(members: readonly Step[], more: readonly Folded[], now: number): Num {
  const told = more.filter((f) => f.p50_seconds !== null).map((f) => ({ seconds: f.p50_seconds!, weight: f.count }));
  const own = members.filter((s) => s.execution.attempts.length > 0).map((s) => ({ seconds: ran(s, now), weight: 1 }));
  // One part's middle is of all its steps, those shown one by one too.
  const all = (told.length === 1 ? told : [...told, ...own]).sort((a, b) => a.seconds - b.seconds);
  const half = all.reduce((sum, one) => sum + one.weight, 0) / 2;
  let passed = 0;
  return all.find((one) => (passed += one.weight) >= half)?.seconds ?? null;
}

/** Rows that stand first below their owner, and those that stand behind a row of another task; in a circle all are first. */
export function inOrder(folded: readonly Folded[]): { first: Folded[]; behind: Map<string, Folded[]> } {
  const tasks = by(folded, (f) => f.task);
  const isFirst = (row: Folded): boolean => {
    const passed = new Set([row.task]);
    for (let one: Folded | undefined = row; one?.after && tasks.has(one.after); one = tasks.get(one.after)?.[0]) {
      if (passed.has(one.after)) return true;
      passed.add(one.after);
    }
    return !row.after || !tasks.has(row.after);
  };
  return { first: folded.filter(isFirst), behind: by(folded.filter((f) => !isFirst(f)), (f) => f.after) };
}

/** Rows behind those of a task, and behind these. */
export function following(behind: ReadonlyMap<string, readonly Folded[]>, task: string): Folded[] {
  const found = new Set<Folded>();
  const tasks = new Set([task]);
  for (const one of tasks)
    for (const row of behind.get(one) ?? []) {
      found.add(row);
      tasks.add(row.task);
    }
  return [...found];
}
