/** Who stands below whom in a run's picture, and in which order: the run's tree, with chords joined behind their groups. */

import type { Folded } from "../api/runs.ts";
import type { RunDetail, StepExecution } from "./steps.ts";

export interface Step {
  execution: StepExecution;
  /** Seconds since the epoch: first news of it, its first start (or that news), its last end or now. */
  from: number;
  start: number;
  end: number;
  /** What published it, where that is shown. */
  parent: Step | null;
  /** Group it is a member of; null for none. */
  group: Group | null;
  /** Group it stands behind, as a chord's body does behind the header; null for none. */
  joined: Group | null;
  children: Step[];
}

export interface Group {
  key: string;
  members: Step[];
  end: number;
  /** The nearest step above every member, null for none; undefined until somebody asks. */
  above: Step | null | undefined;
  /** Where the way up by groups ends, if all on it had ended by `end`; undefined until somebody asks. */
  top: { step: Step | null; end: number } | undefined;
}

/** Seconds since the epoch; null for none. */
export function at(iso: string | null | undefined): number | null {
  const ms = iso ? Date.parse(iso) : NaN;
  return Number.isNaN(ms) ? null : ms / 1000;
}

/** The steps that stand below no other, each with what follows it, in the order of their starts. */
export function tree(run: Pick<RunDetail, "executions">, now: number): Step[] {
  const steps = new Map(run.executions.map((e) => [e.id, step(e, now)]));
  for (const s of steps.values()) s.parent = steps.get(s.execution.parent_id ?? "") ?? null;
  group(steps.values());
  const looped = inLoops(steps.values());
  const roots: Step[] = [];
  for (const s of steps.values()) {
    const parent = above(s, steps.size);
    (parent && !looped.has(s) ? parent.children : roots).push(s);
  }
  for (const s of steps.values()) if (s.children.length > 1) s.children.sort(byStart);
  return roots.sort(byStart);
}

/** Folded rows by the step they stand below, null for none: beside the steps that have the same parent and task, else below that parent. */
export function placed(folded: readonly Folded[], roots: readonly Step[]): Map<string | null, Folded[]> {
  const beside = new Map<string, string | null>();
  const known = new Set<string>();
  const left: { steps: readonly Step[]; owner: string | null }[] = [{ steps: roots, owner: null }];
  for (let next = left.pop(); next; next = left.pop())
    for (const { execution: e, children } of next.steps) {
      known.add(e.id);
      beside.set(`${e.parent_id} ${e.task}`, next.owner);
      if (children.length) left.push({ steps: children, owner: e.id });
    }
  const found = new Map<string | null, Folded[]>();
  for (const f of folded) {
    const twin = beside.get(`${f.parent_id} ${f.task}`);
    const owner = twin !== undefined ? twin : f.parent_id !== null && known.has(f.parent_id) ? f.parent_id : null;
    found.set(owner, [...(found.get(owner) ?? []), f]);
  }
  return found;
}

function step(e: StepExecution, now: number): Step {
  let start = Infinity;
  let from = Infinity;
  let end = e.ended_at ?? -Infinity;
  let open = e.state === "WAITING";
  for (const a of e.attempts) {
    start = Math.min(start, a.started_at ?? Infinity);
    end = Math.max(end, a.ended_at ?? -Infinity);
    from = Math.min(from, (a.started_at ?? now) - (a.wait_seconds ?? 0));
    open ||= a.started_at !== null && a.ended_at === null;
  }
  const news = e.published_at;
  if (start === Infinity) start = e.state === "WAITING" ? now : (news ?? now);
  end = open ? now : Math.max(start, end);
  return { execution: e, from: Math.min(start, from, news ?? start), start, end, parent: null, group: null, joined: null, children: [] };
}

/** A follower may be published, and start, a moment before the one it follows has told its end. */
export const SLACK_S = 0.05;

/** Tell each step its group. A chord's body has the group's id too; so have all steps of a body that is a group, with one parent. */
function group(steps: Iterable<Step>): void {
  const groups = new Map<string, Group>();
  for (const s of steps) {
    const { group_id: id, parent_id: parent } = s.execution;
    if (!id) continue;
    const key = s.parent?.execution.group_id === id ? `${parent} ${id}` : id;
    const known = groups.get(key);
    s.group = known ?? { key, members: [], end: 0, above: undefined, top: undefined };
    if (!known) groups.set(key, s.group);
    s.group.members.push(s);
    s.group.end = Math.max(s.group.end, s.end);
  }
}

/** What a step stands below. Its parent, but what follows a whole group stands beside that group: its last member merely published it. */
function above(s: Step, most: number): Step | null {
  let parent = s.parent;
  // A group's follower may be a member of the next group's chain, and so on up; a loop cannot be, but is not trusted.
  for (let i = 0; parent && i < most; i++) {
    const group = several(parent);
    if (!group || s.start < group.end - SLACK_S) break;
    s.joined ??= group;
    const top = topOf(group);
    if (s.start >= top.end - SLACK_S) return top.step;
    parent = aboveOf(group);
  }
  return parent;
}

function several({ group }: Step): Group | null {
  return group && group.members.length > 1 ? group : null;
}

function aboveOf(group: Group): Step | null {
  if (group.above === undefined) group.above = aboveAll(group.members);
  return group.above;
}

/** Thousands of groups may stand one behind the other: each goes the way up once. */
function topOf(group: Group): { step: Step | null; end: number } {
  const way: Group[] = [];
  const passed = new Set<Group>();
  let last: Step | null = null;
  let next: Group | null = group;
  while (next && !next.top && !passed.has(next)) {
    passed.add(next);
    way.push(next);
    last = aboveOf(next);
    next = last && several(last);
  }
  let top = next ? (next.top ?? { step: null, end: Infinity }) : { step: last, end: -Infinity }; // never, in a circle
  for (const one of way.reverse()) one.top = top = { step: top.step, end: Math.max(top.end, one.end) };
  return top;
}

/** The nearest step above every member: of a group of chains that is above the chains, not their last step but one. */
function aboveAll(members: readonly Step[]): Step | null {
  const [first, ...others] = members;
  if (others.every((one) => one.parent === first!.parent)) return first!.parent;
  const way = new Map<Step, number>(); // steps above the first, the nearest is 0; then of any what it meets
  const named: Step[] = [];
  for (let next = first!.parent; next && !way.has(next); next = next.parent) way.set(next, named.push(next) - 1);
  let nearest = 0;
  for (const other of others) {
    const passed = new Set<Step>();
    let next = other.parent;
    while (next && !way.has(next) && !passed.has(next)) {
      passed.add(next);
      next = next.parent;
    }
    const met = next ? way.get(next) : undefined;
    if (met === undefined) return null;
    for (const one of passed) way.set(one, met);
    nearest = Math.max(nearest, met);
  }
  return named[nearest] ?? null;
}

/** Steps whose parents lead back to them: who told so knows nothing of what stands above. */
function inLoops(steps: Iterable<Step>): Set<Step> {
  const seen = new Set<Step>();
  const found = new Set<Step>();
  for (const s of steps) {
    const way = new Set<Step>();
    let next: Step | null = s;
    for (; next && !seen.has(next); next = next.parent) {
      seen.add(next);
      way.add(next);
    }
    for (let at = next; at && way.has(at) && !found.has(at); at = at.parent) found.add(at);
  }
  return found;
}

function byStart(a: Step, b: Step): number {
  return a.start - b.start || (a.execution.id < b.execution.id ? -1 : 1);
}
