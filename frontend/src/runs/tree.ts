/** Who stands below whom in a run's picture, and in which order: the run's tree, with chords joined behind their groups. */

import type { Folded, RunDetail, StepExecution } from "../api/runs.ts";

export interface Step {
  execution: StepExecution;
  /** Seconds since the epoch: first news of it, its first start (or that news), its last end or now. */
  from: number;
  start: number;
  end: number;
  /** Group it stands behind, as a chord's body does behind the header; null for none. */
  joined: Group | null;
  children: Step[];
}

export interface Group {
  key: string;
  members: Step[];
  end: number;
}

/** Seconds since the epoch; null for none. */
export function at(iso: string | null | undefined): number | null {
  const ms = iso ? Date.parse(iso) : NaN;
  return Number.isNaN(ms) ? null : ms / 1000;
}

/** The steps that stand below no other, each with what follows it, in the order of their starts. */
export function tree(run: Pick<RunDetail, "executions">, now: number): Step[] {
  const steps = new Map(run.executions.map((e) => [e.id, step(e, now)]));
  const groups = groupsOf(steps);
  const roots: Step[] = [];
  for (const s of steps.values()) {
    const parent = above(s, steps, groups);
    (parent ? parent.children : roots).push(s);
  }
  for (const s of steps.values()) s.children.sort(byStart);
  return roots.sort(byStart);
}

/** Folded rows by the step they stand below, null for none: beside the steps that have the same parent and task, else below that parent. */
export function placed(folded: readonly Folded[], roots: readonly Step[]): Map<string | null, Folded[]> {
  const beside = new Map<string, string | null>();
  const known = new Set<string>();
  const visit = (steps: readonly Step[], owner: string | null): void => {
    for (const { execution: e, children } of steps) {
      known.add(e.id);
      beside.set(`${e.parent_id} ${e.task}`, owner);
      visit(children, e.id);
    }
  };
  visit(roots, null);
  const found = new Map<string | null, Folded[]>();
  for (const f of folded) {
    const twin = beside.get(`${f.parent_id} ${f.task}`);
    const owner = twin !== undefined ? twin : f.parent_id !== null && known.has(f.parent_id) ? f.parent_id : null;
    found.set(owner, [...(found.get(owner) ?? []), f]);
  }
  return found;
}

function step(e: StepExecution, now: number): Step {
  const starts = e.attempts.map((a) => at(a.started_at)).filter((t) => t !== null);
  const ends = e.attempts.map((a) => at(a.ended_at)).filter((t) => t !== null);
  const waits = e.attempts.map((a) => (at(a.started_at) ?? now) - (a.wait_seconds ?? 0));
  const news = at(e.published_at);
  const start = starts.length ? Math.min(...starts) : e.state === "WAITING" ? now : (news ?? now);
  const open = e.attempts.some((a) => a.started_at && !a.ended_at) || e.state === "WAITING";
  const end = open ? now : Math.max(start, at(e.ended_at) ?? start, ...ends);
  return { execution: e, from: Math.min(start, ...waits, news ?? start), start, end, joined: null, children: [] };
}

/** A follower may be published, and start, a moment before the one it follows has told its end. */
export const SLACK_S = 0.05;

function groupsOf(steps: ReadonlyMap<string, Step>): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const s of steps.values()) {
    const key = groupOf(s.execution, steps);
    if (!key) continue;
    const known = groups.get(key) ?? { key, members: [], end: 0 };
    known.members.push(s);
    known.end = Math.max(known.end, s.end);
    groups.set(key, known);
  }
  return groups;
}

/** The group a step is a member of. A chord's body has the group's id too; so have all steps of a body that is a group, with one parent. */
function groupOf(e: StepExecution, steps: ReadonlyMap<string, Step>): string | null {
  const parent = steps.get(e.parent_id ?? "");
  return e.group_id && parent?.execution.group_id === e.group_id ? `${e.parent_id} ${e.group_id}` : e.group_id;
}

/** What a step stands below. Its parent, but what follows a whole group stands beside that group: its last member merely published it. */
function above(s: Step, steps: ReadonlyMap<string, Step>, groups: ReadonlyMap<string, Group>): Step | null {
  let parent = steps.get(s.execution.parent_id ?? "");
  // A group's follower may be a member of the next group's chain, and so on up; a loop cannot be, but is not trusted.
  for (let i = 0; parent && i < steps.size; i++) {
    const group = groups.get(groupOf(parent.execution, steps) ?? "");
    if (!group || group.members.length < 2 || s.start < group.end - SLACK_S) break;
    s.joined ??= group;
    parent = aboveAll(group.members, steps);
  }
  return parent && !isBelow(parent, s, steps) ? parent : null;
}

/** The nearest step above every member: of a group of chains that is above the chains, not their last step but one. */
function aboveAll(members: readonly Step[], steps: ReadonlyMap<string, Step>): Step | undefined {
  const [first, ...others] = members.map((m) => ancestors(m, steps));
  return first!.find((step) => others.every((way) => way.includes(step)));
}

function ancestors(s: Step, steps: ReadonlyMap<string, Step>): Step[] {
  const way: Step[] = [];
  for (let next = steps.get(s.execution.parent_id ?? ""); next && !way.includes(next); next = steps.get(next.execution.parent_id ?? "")) way.push(next);
  return way;
}

/** Whether a step stands below another, or is it: then the other cannot stand below the step. */
function isBelow(s: Step, other: Step, steps: ReadonlyMap<string, Step>): boolean {
  const seen = new Set<Step>();
  for (let next: Step | undefined = s; next && !seen.has(next); next = steps.get(next.execution.parent_id ?? "")) {
    if (next === other) return true;
    seen.add(next);
  }
  return false;
}

function byStart(a: Step, b: Step): number {
  return a.start - b.start || (a.execution.id < b.execution.id ? -1 : 1);
}
