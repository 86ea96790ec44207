/** Layout of a run's waterfall: what stands in which row, from when to when. Pure; times are seconds since the run's begin. */

import type { Num } from "../api/basics.ts";
import type { Folded, Planned, Span, Wait } from "../api/runs.ts";
import { by, counted, following, inOrder, type Member, ran, tally, worst, worstState } from "./groups.ts";
import type { RunDetail, StepAttempt } from "./steps.ts";
import { at, placed, SLACK_S, type Step, tree } from "./tree.ts";

/** More siblings of one task than this share a row until somebody unfolds them. */
export const FOLD_ABOVE = 20;
const DEEPEST = 6; // steps to the right; what is deeper stands at the last
const ROOM = 1.06; // of the axis while more is to come

export interface Bar {
  kind: "wait" | "hold" | "run" | "rest";
  from: number;
  to: number;
  /** Of the attempt, for a run. */
  state: string;
}

export interface Mark {
  from: number;
  to: number;
  name: string;
  /** Spans: how deep in other spans; waits: 0. */
  level: number;
  failed: boolean;
  open: boolean;
}

export interface Row {
  key: string;
  kind: "step" | "group" | "planned" | "wait";
  name: string;
  depth: number;
  /** The execution, where the row is of one. */
  id: string | null;
  state: string;
  /** On the path that set the run's duration. */
  lit: boolean;
  bars: Bar[];
  spans: Mark[];
  waits: Mark[];
  attempts: number;
  /** Of the run's duration, above 1 where members of a group ran beside each other; null when nothing ran or it is not known. */
  share: Num;
  /** Seconds it ran, of a group all its members together. */
  seconds: number;
  /** How many stand in the row: 1, or a group's or a plan's members. */
  count: number;
  /** Members by state. */
  states: Record<string, number>;
  worst: Member[];
  /** Of a group: those that can be shown one by one. */
  members: readonly Step[];
  unfolded: boolean;
}

export interface Picture {
  /** Seconds since the epoch at the left edge. */
  begin: number;
  /** Seconds from edge to edge. */
  seconds: number;
  rows: Row[];
}

/**
 * The rows of a run from top to bottom.
 * @param now server's time in seconds since the epoch: where what is open ends
 * @param unfolded keys of the groups that are shown one by one
 */
export function picture(run: RunDetail, now: number, unfolded: ReadonlySet<string>): Picture {
  const roots = tree(run, now);
  const begin = Math.min(least([at(run.published_at), at(run.started_at)]), least(roots.map((s) => s.from)), now);
  const draft = new Draft(run, roots, begin, now, unfolded);
  draft.fill(roots);
  const known = new Set(run.executions.map((e) => e.id));
  for (const wait of run.waits) if (wait.id === null || !known.has(wait.id)) draft.rows.push(ofRun(wait, begin, now));
  for (const plan of plans(run.planned)) draft.rows.push(plan);
  let end = (at(run.ended_at) ?? begin) - begin;
  for (const row of draft.rows) for (const marks of [row.bars, row.spans, row.waits]) for (const { to } of marks) end = Math.max(end, to);
  const open = run.state === "RUNNING" && run.planned.some((p) => p.state === "PLANNED");
  return { begin, seconds: Math.max(end * (open ? ROOM : 1), 0.001), rows: draft.rows };
}

/** Of the numbers that are known; without `Math.min(...all)`, which thousands would be too many for. */
function least(all: readonly Num[]): number {
  return all.reduce((found: number, one) => Math.min(found, one ?? Infinity), Infinity);
}

function most(all: readonly Num[]): number {
  return all.reduce((found: number, one) => Math.max(found, one ?? -Infinity), -Infinity);
}

class Draft {
  rows: Row[] = [];
  #run: RunDetail;
  #begin: number;
  #now: number;
  #unfolded: ReadonlySet<string>;
  #spans: Map<string, Span[]>;
  #waits: Map<string, Wait[]>;
  #folded: Map<string | null, Folded[]>;
  /** What is left to do, the next last: a run may be thousands of steps deep, which is more than calls may be. */
  #left: (() => void)[] = [];

  constructor(run: RunDetail, roots: readonly Step[], begin: number, now: number, unfolded: ReadonlySet<string>) {
    this.#run = run;
    this.#begin = begin;
    this.#now = now;
    this.#unfolded = unfolded;
    this.#spans = by(run.spans, (s) => s.id);
    this.#waits = by(run.waits, (w) => w.id);
    this.#folded = placed(run.folded, roots);
  }

  /** Add everything that stands below these. */
  fill(roots: readonly Step[]): void {
    this.#emit(roots, this.#foldedBelow(null), 0, "");
    for (let next = this.#left.pop(); next; next = this.#left.pop()) next();
  }

  /** Do these next, the first one first, with all that they leave to do. */
  #next(doings: (() => void)[]): void {
    for (let i = doings.length; i--; ) this.#left.push(doings[i]!);
  }

  /** What the API has folded below an execution; null: below none. */
  #foldedBelow(id: string | null): readonly Folded[] {
    return this.#folded.get(id) ?? [];
  }

  /** Add steps that stand beside each other below `owner`, with all that follows each; many of one task are one row. */
  #emit(steps: readonly Step[], folded: readonly Folded[], depth: number, owner: string, parent?: Step): void {
    if (!steps.length && !folded.length) return;
    const kind = (s: Step) => `${s.execution.task} ${s.joined?.key}`; // a chord's body may be of the header's task
    const kinds = by(steps, kind);
    const { first, behind } = inOrder(folded);
    const rest = by(first, (f) => f.task);
    const more = new Map([...kinds].map(([key, [one]]) => [key, taken(rest, one!.execution.task)]));
    const done = new Set<string>();
    const doings: (() => void)[] = [];
    for (const step of steps) {
      const key = kind(step);
      const members = kinds.get(key)!;
      const others = more.get(key)!;
      if (members.length <= FOLD_ABOVE && !others.length) doings.push(() => this.#step(step, this.#depth(step, steps, depth, parent)));
      else if (!done.has(key)) {
        done.add(key);
        doings.push(() => this.#group(members, others, behind, depth, owner));
      }
    }
    for (const left of rest.values()) doings.push(() => this.#group([], left, behind, depth, owner));
    this.#next(doings);
  }

  /** What merely follows stands below what it follows, not to the right of it: a chain of ten is no staircase. */
  #depth(step: Step, siblings: readonly Step[], depth: number, parent: Step | undefined): number {
    const follows = parent && (step.joined || (siblings.length === 1 && step.start >= parent.end - SLACK_S));
    return follows ? Math.max(depth - 1, 0) : depth;
  }

  #step(step: Step, depth: number): void {
    const e = step.execution;
    const bars = e.attempts.flatMap((a, i) => this.#bars(a, i === 0 ? e.published_at : e.attempts[i - 1]!.ended_at));
    if (!e.attempts.length && e.state === "WAITING") bars.push({ kind: "wait", from: this.#at(step.from), to: this.#at(this.#now), state: e.state });
    const seconds = ran(step, this.#now);
    this.rows.push({
      ...EMPTY,
      key: e.id,
      name: e.task,
      id: e.id,
      state: e.state,
      depth: Math.min(depth, DEEPEST),
      lit: e.on_path,
      bars,
      spans: (this.#spans.get(e.id) ?? []).map((s) => this.#span(s)).filter((m) => m !== null),
      waits: (this.#waits.get(e.id) ?? []).map((w) => waited(w, this.#begin, this.#now)).filter((m) => m !== null),
      attempts: e.attempt_count,
      seconds,
      share: this.#share(seconds, 1), // one that still runs may have run longer than what is told of the run
    });
    this.#emit(step.children, this.#foldedBelow(e.id), depth + 1, e.id, step);
  }

  #group(members: readonly Step[], more: readonly Folded[], behind: ReadonlyMap<string, Folded[]>, depth: number, owner: string): void {
    const task = members[0]?.execution.task ?? more[0]?.task ?? "";
    const key = `${owner} ${task} ${members[0]?.joined?.key ?? ""}`;
    const unfolded = this.#unfolded.has(key) && members.length > 0;
    const starts = more.map((f) => at(f.started_at));
    const begun = members.filter((s) => s.execution.attempts.length);
    const from = this.#at(Math.min(least(members.map((s) => s.from)), least(starts)));
    const start = this.#at(Math.min(least(begun.map((s) => s.start)), least(starts)));
    const end = this.#at(Math.max(most(members.map((s) => s.end)), most(more.map((f) => at(f.ended_at)))));
    const bars: Bar[] = [];
    const states = tally(members, more);
    const state = worstState(states);
    if (Number.isFinite(from) && Number.isFinite(start)) bars.push({ kind: "wait", from, to: start, state });
    if (Number.isFinite(start) && Number.isFinite(end)) bars.push({ kind: "run", from: start, to: end, state });
    const seconds = members.reduce((sum, s) => sum + ran(s, this.#now), 0) + more.reduce((sum, f) => sum + (f.runtime_seconds ?? 0), 0);
    this.rows.push({
      ...EMPTY,
      key,
      kind: "group",
      name: task,
      depth: Math.min(depth, DEEPEST),
      state,
      lit: members.some((s) => s.execution.on_path),
      bars,
      seconds,
      share: this.#share(seconds),
      count: members.length + counted(more),
      states,
      worst: worst(members, this.#now),
      members,
      unfolded,
    });
    const below = unfolded ? [] : members.flatMap((s) => s.children);
    const folded = unfolded ? [] : members.flatMap((s) => this.#foldedBelow(s.execution.id));
    this.#next([
      ...(unfolded ? members.map((s) => () => this.#step(s, depth + 1)) : []),
      () => this.#emit(below, [...following(behind, task), ...folded], depth + 1, key),
    ]);
  }

  #bars(a: StepAttempt, since: number | null): Bar[] {
    const start = a.started_at;
    if (start === null) return [];
    const end = a.ended_at ?? (a.runtime_seconds != null ? start + a.runtime_seconds : this.#now);
    const due = a.wait_seconds != null ? start - a.wait_seconds : since;
    const held = Math.min(a.hold_seconds ?? 0, start - (due ?? start));
    const bars: Bar[] = [];
    const add = (kind: Bar["kind"], from: number, to: number) =>
      to > from && bars.push({ kind, from: this.#at(from), to: this.#at(to), state: a.state });
    if (since !== null && due !== null) add("rest", since, due); // an ETA, or the pause before a retry
    if (due !== null) add("wait", due, start - held);
    add("hold", start - held, start);
    const entered = a.runtime_seconds != null || a.ended_at === null; // one that was revoked has an end and no body
    if (entered) bars.push({ kind: "run", from: this.#at(start), to: this.#at(Math.max(end, start)), state: a.state });
    return bars;
  }

  #span(s: Span): Mark | null {
    const from = at(s.started_at);
    const to = at(s.ended_at) ?? this.#now;
    if (from === null) return null;
    const around = new Map((this.#spans.get(s.id ?? "") ?? []).filter((o) => o.uid === s.uid).map((o) => [o.number, o]));
    let level = 0;
    for (let o = around.get(s.parent ?? -1); o && level < DEEPEST; o = around.get(o.parent ?? -1)) level += 1;
    return { from: this.#at(from), to: this.#at(to), name: s.span, level, failed: s.state === "FAILURE", open: false };
  }

  #share(seconds: number, most = Infinity): Num {
    const whole = this.#run.duration_seconds;
    return whole && seconds > 0 ? Math.min(seconds / whole, most) : null;
  }

  #at(time: number): number {
    return Math.max(time - this.#begin, 0);
  }
}

/** The folded group that a step stands in, undefined where it has a row of its own or none. */
export function groupOf(rows: readonly Row[], id: string): Row | undefined {
  return rows.find((row) => !row.unfolded && row.members.some((step) => step.execution.id === id));
}

/** Take a task's folded rows: they stand with the first steps of that task. */
function taken(rest: Map<string, Folded[]>, task: string): readonly Folded[] {
  const found = rest.get(task) ?? [];
  rest.delete(task);
  return found;
}

const EMPTY: Omit<Row, "key" | "name" | "state"> = {
  kind: "step", depth: 0, id: null, lit: false, bars: [], spans: [], waits: [], attempts: 0, share: null, seconds: 0, count: 1,
  states: {}, worst: [], members: [], unfolded: false,
};

function waited(w: Wait, begin: number, now: number): Mark | null {
  const from = at(w.begun_at);
  if (from === null) return null;
  const open = w.state === "open";
  return { from: Math.max(from - begin, 0), to: Math.max((at(w.ended_at) ?? now) - begin, 0), name: w.wait, level: 0, failed: w.outcome === "error", open };
}

/** A wait of the run as a whole has a row of its own. */
function ofRun(w: Wait, begin: number, now: number): Row {
  const mark = waited(w, begin, now);
  return { ...EMPTY, key: `wait ${w.wait} ${w.begun_at}`, kind: "wait", name: w.wait, state: w.state, waits: mark ? [mark] : [] };
}

/** Steps that are not published yet; many of one task share a row. */
function plans(planned: readonly Planned[]): Row[] {
  const groups = by(planned, (p) => `planned ${p.state} ${p.task}`);
  return [...groups].flatMap(([key, of]) => {
    const steps = of.reduce((sum, p) => sum + p.steps, 0);
    const row = (p: Planned, k: string, n: number): Row => ({ ...EMPTY, key: k, kind: "planned", name: p.task, state: p.state, count: n });
    return of.length > FOLD_ABOVE ? [row(of[0]!, key, steps)] : of.map((p, i) => row(p, `${key} ${i}`, p.steps));
  });
}
