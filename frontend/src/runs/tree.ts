/** Who stands below whom in a run's picture, and in which order: the run's tree, with chords joined behind their groups. */

import type { RunDetail, StepExecution } from "../api/runs.ts";

export interface Step {
  execution: StepExecution;
  /** Seconds since the epoch: first news of it, its first start (or that news), its last end or now. */
  from: number;
  start: number;
  end: number;
  /** Stands behind all its siblings, like what follows a group. */
  joined: boolean;
  children: Step[];
}

/** Seconds since the epoch; null for none. */
export function at(iso: string | null | undefined): number | null {
  const ms = iso ? Date.parse(iso) : NaN;
  return Number.isNaN(ms) ? null : ms / 1000;
}

/** The steps that stand below no other, each with what follows it, in the order of their starts. */
export function tree(run: Pick<RunDetail, "executions">, now: number): Step[] {
  const steps = new Map(run.executions.map((e) => [e.id, step(e, now)]));
  const groups = groupEnds([...steps.values()]);
  const roots: Step[] = [];
  for (const s of steps.values()) {
    const parent = above(s, steps, groups);
    (parent ? parent.children : roots).push(s);
  }
  for (const s of steps.values()) s.children.sort(byStart);
  return roots.sort(byStart);
}

function step(e: StepExecution, now: number): Step {
  const starts = e.attempts.map((a) => at(a.started_at)).filter((t) => t !== null);
  const ends = e.attempts.map((a) => at(a.ended_at)).filter((t) => t !== null);
  const waits = e.attempts.map((a) => (at(a.started_at) ?? now) - (a.wait_seconds ?? 0));
  const news = at(e.published_at);
  const start = starts.length ? Math.min(...starts) : e.state === "WAITING" ? now : (news ?? now);
  const open = e.attempts.some((a) => a.started_at && !a.ended_at) || e.state === "WAITING";
  const end = open ? now : Math.max(start, at(e.ended_at) ?? start, ...ends);
  return { execution: e, from: Math.min(start, ...waits, news ?? start), start, end, joined: false, children: [] };
}

/** A follower may be published, and start, a moment before the one it follows has told its end. */
export const SLACK_S = 0.05;

interface GroupEnd {
  members: number;
  end: number;
}

function groupEnds(steps: readonly Step[]): Map<string, GroupEnd> {
  const groups = new Map<string, GroupEnd>();
  for (const { execution, end } of steps) {
    const key = groupOf(execution);
    if (!key) continue;
    const known = groups.get(key) ?? { members: 0, end: 0 };
    groups.set(key, { members: known.members + 1, end: Math.max(known.end, end) });
  }
  return groups;
}

/** The group an execution is a member of; a chord's body has the group's id too, but another parent than the members. */
function groupOf(e: StepExecution): string | null {
  return e.group_id && `${e.parent_id} ${e.group_id}`;
}

/** What a step stands below. Its parent, but what follows a whole group stands beside that group: its last member merely published it. */
function above(s: Step, steps: ReadonlyMap<string, Step>, groups: ReadonlyMap<string, GroupEnd>): Step | null {
  let parent = steps.get(s.execution.parent_id ?? "");
  // A group's follower may be a member of the next group's chain, and so on up; a loop cannot be, but is not trusted.
  for (let i = 0; parent && i < steps.size; i++) {
    const group = groups.get(groupOf(parent.execution) ?? "");
    if (!group || group.members < 2 || s.start < group.end - SLACK_S) break;
    s.joined = true;
    parent = steps.get(parent.execution.parent_id ?? "");
  }
  return parent && !isBelow(parent, s, steps) ? parent : null;
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
