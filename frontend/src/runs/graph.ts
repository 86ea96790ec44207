/** What a run's graph is made of: steps, groups of steps, plans, and what leads to what. Pure; where it all stands is graph-layout.ts. */

import type { Num } from "../api/basics.ts";
import type { Folded, Planned, Wait } from "../api/runs.ts";
import { by, counted, following, inOrder, middle, ran, tally, worstState } from "./groups.ts";
import type { RunDetail } from "./steps.ts";
import { at, type Group, placed, type Step, tree } from "./tree.ts";

/** In a run with more nodes than this all chords and groups are folded until somebody opens them. */
export const FOLD_ABOVE = 200;
/** Fewer beside each other are no group. */
const LEAST = 3;
/** So many of one task with nothing behind each share a frame, as long as nothing is folded. */
const FRAME = 5;
/** Members a frame shows: with more a person needs a list. */
export const MOST_MEMBERS = 120;

export interface Member {
  id: string;
  name: string;
  state: string;
  seconds: number;
  attempts: number;
  lit: boolean;
}

export interface Node {
  key: string;
  /** "join" is where all of a group come together before several others. */
  kind: "step" | "group" | "planned" | "join";
  name: string;
  /** The execution, where the node is of one. */
  id: string | null;
  state: string;
  /** On the path that set the run's duration. */
  lit: boolean;
  /** Run time, attempts that run now included; of a group all its members together. */
  seconds: number;
  attempts: number;
  /** Of the run's duration; null of a group, and when it is not known. */
  share: Num;
  /** Waits for something outside. */
  waits: { name: string; seconds: number } | null;
  /** How many steps stand in the node. */
  count: number;
  /** A group's members by state. */
  states: Record<string, number>;
  /** A group's run time in the middle. */
  p50: Num;
  /** A group that is open shows these. */
  members: Member[];
  open: boolean;
  /** Whether there are members to open it for. */
  opens: boolean;
}

export interface Edge {
  from: string;
  to: string;
  lit: boolean;
}

export interface Graph {
  nodes: Node[];
  edges: Edge[];
  /** Whether groups are folded unless they are opened. */
  folds: boolean;
  /** Node that an execution stands in, or a planned step. */
  nodeOf: ReadonlyMap<string, string>;
}

/**
 * The graph of a run.
 * @param now server's time in seconds since the epoch: where what is open ends
 * @param turned keys of the groups that are open where others are folded, or folded where others are open
 */
export function graph(run: RunDetail, now: number, turned: ReadonlySet<string>): Graph {
  const roots = tree(run, now);
  const draft = new Draft(run, now, turned, placed(run.folded, roots));
  draft.emit(roots, draft.foldedBelow(null), null, "");
  draft.join();
  draft.plan(run.planned);
  draft.light(run);
  return { nodes: [...draft.nodes.values()], edges: [...draft.edges.values()], folds: draft.folds, nodeOf: draft.nodeOf };
}

class Draft {
  nodes = new Map<string, Node>();
  edges = new Map<string, Edge>();
  folds: boolean;
  #run: RunDetail;
  #now: number;
  #turned: ReadonlySet<string>;
  #folded: ReadonlyMap<string | null, Folded[]>;
  #waits: Map<string, Wait[]>;
  nodeOf = new Map<string, string>();
  /** Nodes that a group's members stand in. */
  #groups = new Map<string, Set<string>>();
  /** Nodes that stand behind a group. */
  #joined = new Map<Group, Set<string>>();
  /** Joins by the edge that they stand for. */
  #through = new Map<string, string>();

  constructor(run: RunDetail, now: number, turned: ReadonlySet<string>, folded: ReadonlyMap<string | null, Folded[]>) {
    this.#run = run;
    this.#now = now;
    this.#turned = turned;
    this.#folded = folded;
    this.#waits = by(run.waits, (w) => (w.state === "open" ? w.id : null));
    const planned = run.planned.reduce((sum, p) => sum + p.steps, 0);
    this.folds = run.executions.length + counted(run.folded) + planned > FOLD_ABOVE;
  }

  foldedBelow(id: string | null): readonly Folded[] {
    return this.#folded.get(id) ?? [];
  }

  /** Add steps that stand beside each other behind `from`, and all that follows each. */
  emit(steps: readonly Step[], folded: readonly Folded[], from: string | null, owner: string): void {
    const { first, behind } = inOrder(folded);
    const left = new Set(first);
    // A chord's body may be of the header's task.
    for (const members of by(steps, (s) => `${s.execution.task} ${s.joined?.key}`).values()) {
      const { task } = members[0]!.execution;
      const more = [...left].filter((f) => f.task === task);
      for (const f of more) left.delete(f);
      this.#beside(members, more, behind, from, owner);
    }
    for (const more of by([...left], (f) => f.task).values()) this.#beside([], more, behind, from, owner);
  }

  #beside(members: readonly Step[], given: readonly Folded[], behind: ReadonlyMap<string, Folded[]>, from: string | null, owner: string): void {
    const task = members[0]?.execution.task ?? given[0]!.task;
    const line = this.folds && members.length === 1 ? inLine(members[0]!) : members;
    const ends = line.length > members.length ? line.slice(-1) : line;
    const below = line.flatMap((s) => this.foldedBelow(s.execution.id));
    const further = line.length > members.length ? below.filter((f) => f.task === task) : [];
    const more = [...given, ...further];
    const alone = line.every((s) => !s.children.length);
    const many = this.folds ? line.length >= LEAST : alone && line.length >= FRAME;
    if (!many && !more.length) return members.forEach((s) => this.#step(s, from));
    const key = `${owner} ${task} ${members[0]?.joined?.key ?? ""}`;
    this.#group(key, task, line, more, alone);
    this.#lead(from, key, members);
    const within = new Set(line);
    const next = ends.flatMap((s) => s.children).filter((s) => !within.has(s));
    this.emit(next, [...following(behind, task), ...below.filter((f) => !further.includes(f))], key, key);
  }

  #step(step: Step, from: string | null): void {
    const e = step.execution;
    const seconds = ran(step, this.#now);
    const whole = this.#run.duration_seconds;
    this.nodes.set(e.id, {
      ...EMPTY,
      key: e.id,
      name: e.task,
      id: e.id,
      state: e.state,
      lit: e.on_path,
      seconds,
      attempts: e.attempt_count,
      share: whole && seconds > 0 ? Math.min(seconds / whole, 1) : null,
      waits: this.#waitOf([step]),
    });
    this.#stands(e.id, [step]);
    this.#lead(from, e.id, [step]);
    this.emit(step.children, this.foldedBelow(e.id), e.id, e.id);
  }

  #group(key: string, name: string, steps: readonly Step[], more: readonly Folded[], alone: boolean): void {
    const states = tally(steps, more);
    const shown = this.folds || !alone ? this.#turned.has(key) : !this.#turned.has(key);
    const open = shown && steps.length > 0;
    this.nodes.set(key, {
      ...EMPTY,
      key,
      kind: "group",
      name,
      state: worstState(states),
      lit: steps.some((s) => s.execution.on_path),
      seconds: steps.reduce((sum, s) => sum + ran(s, this.#now), 0) + more.reduce((sum, f) => sum + (f.runtime_seconds ?? 0), 0),
      attempts: steps.reduce((sum, s) => sum + Math.max(s.execution.attempt_count, 1), 0),
      waits: this.#waitOf(steps),
      count: steps.length + counted(more),
      states,
      p50: middle(steps, more, this.#now),
      members: open ? this.#members(steps) : [],
      open,
      opens: steps.length > 0,
    });
    this.#stands(key, steps);
  }

  /** Members to show: the path, what failed and what is open first, in the order they started. */
  #members(steps: readonly Step[]): Member[] {
    const rank = ({ execution: e }: Step) => (e.on_path ? 0 : ["FAILURE", "LOST", "STARTED", "RETRY"].includes(e.state) ? 1 : 2);
    const first = [...steps].sort((a, b) => rank(a) - rank(b)).slice(0, MOST_MEMBERS);
    const chosen = new Set(first);
    return steps.filter((s) => chosen.has(s)).map((s) => ({
      id: s.execution.id,
      name: s.execution.task,
      state: s.execution.state,
      seconds: ran(s, this.#now),
      attempts: s.execution.attempt_count,
      lit: s.execution.on_path,
    }));
  }

  #waitOf(steps: readonly Step[]): Node["waits"] {
    const first = steps.flatMap((s) => this.#waits.get(s.execution.id) ?? [])[0];
    const since = first && at(first.begun_at);
    return first && since != null ? { name: first.wait, seconds: Math.max(this.#now - since, 0) } : null;
  }

  #stands(key: string, steps: readonly Step[]): void {
    for (const { execution: e } of steps) {
      this.nodeOf.set(e.id, key);
      this.#inGroup(e.group_id, key);
    }
  }

  #inGroup(group: string | null, key: string): void {
    if (group) this.#groups.set(group, (this.#groups.get(group) ?? new Set()).add(key));
  }

  /** What stands behind a whole group is led to from the group, once all of that is here. */
  #lead(from: string | null, to: string, steps: readonly Step[]): void {
    const groups = new Set(steps.map((s) => s.joined));
    for (const group of groups) if (group) this.#joined.set(group, (this.#joined.get(group) ?? new Set()).add(to));
    if (from !== null && (groups.has(null) || !groups.size)) this.#edge(from, to);
  }

  /** Draw the edges behind groups; from many to many they meet in a point, else they would be a hatching. */
  join(): void {
    for (const [group, behind] of this.#joined) {
      const before = new Set(group.members.map((s) => this.nodeOf.get(s.execution.id)!));
      const key = `join ${group.key}`;
      const meet = before.size > 1 && behind.size > 1;
      if (meet) this.nodes.set(key, { ...EMPTY, key, kind: "join", name: "", state: "" });
      for (const from of before) if (meet) this.#edge(from, key);
      for (const to of behind) if (meet) this.#edge(key, to);
      for (const from of before) for (const to of behind) meet ? this.#through.set(`${from} > ${to}`, key) : this.#edge(from, to);
    }
  }

  /** Steps that are not published yet, behind what they wait for; many of one task that wait for the same are one node. */
  plan(planned: readonly Planned[]): void {
    const sets = [...by(planned, (p) => `${p.after_id} ${p.group_id} ${p.state} ${p.task}`).values()];
    const added: { key: string; after: string | null }[] = [];
    for (const set of sets)
      for (const one of set.length >= LEAST ? [set] : set.map((p) => [p])) {
        const first = one[0]!;
        const key = `planned ${first.id ?? `${first.after_id} ${first.task}`}`;
        const count = one.reduce((sum, p) => sum + p.steps, 0);
        this.nodes.set(key, { ...EMPTY, key, kind: "planned", name: first.task, state: first.state, count });
        for (const p of one) {
          if (p.id) this.nodeOf.set(p.id, key);
          if (p.group_id !== first.after_id) this.#inGroup(p.group_id, key);
        }
        added.push({ key, after: first.after_id });
      }
    for (const { key, after } of added) {
      const before = this.nodeOf.get(after ?? "");
      for (const from of before !== undefined ? [before] : (this.#groups.get(after ?? "") ?? [])) this.#edge(from, key);
    }
  }

  /** The edges of the path, which is told by attempts. */
  light({ path, executions }: Pick<RunDetail, "path" | "executions">): void {
    const owner = new Map(executions.flatMap((e) => e.attempts.map((a) => [a.uid, e.id] as const)));
    const keys = path.map((uid) => this.nodeOf.get(owner.get(uid) ?? "")).filter((key) => key !== undefined);
    keys.forEach((key, i) => {
      const from = keys[i - 1];
      const join = this.#through.get(`${from} > ${key}`);
      for (const name of join ? [`${from} > ${join}`, `${join} > ${key}`] : [`${from} > ${key}`]) {
        const edge = this.edges.get(name);
        if (edge) edge.lit = true;
      }
    });
  }

  #edge(from: string, to: string): void {
    if (from !== to) this.edges.set(`${from} > ${to}`, { from, to, lit: false });
  }
}

const EMPTY: Omit<Node, "key" | "name" | "state"> = {
  kind: "step", id: null, lit: false, seconds: 0, attempts: 0, share: null, waits: null, count: 1, states: {}, p50: null, members: [], open: false, opens: false,
};

/** A step and those of its task that follow one another alone, as those of a task that publishes itself do. */
function inLine(step: Step): Step[] {
  const line = [step];
  for (let next = step.children; next.length === 1 && next[0]!.execution.task === step.execution.task && !next[0]!.joined; next = next[0]!.children) line.push(next[0]!);
  return line;
}
