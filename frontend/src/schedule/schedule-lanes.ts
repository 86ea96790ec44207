/** Arithmetic of a lane: where its expected times, runs and faults lie between the edges of the window. */

import type { Booking, Entry, Sending } from "../api/schedule.ts";
import type { Mark as StateMark } from "../words/marks.ts";

/** Marks so near to each other, as a part of the lane, are drawn as one. */
const NEAR = 0.006;
/** The part of a lane that lies in the future. */
const AHEAD = 0.04;
/** Lines that the API gives of a ledger; what is older is not known one by one. */
const LEDGER = 50;

export type Kind = "run" | "late" | "duplicate" | "missed" | "unsent";

export interface LaneMark {
  kind: Kind;
  /** Beginning and end as parts of the lane. */
  from: number;
  to: number;
  /** How many it stands for. */
  count: number;
  /** State of the execution, of the worst where it stands for several. */
  state: string | null;
}

export interface Lane {
  /** Times it was due, hollow. */
  due: number[];
  marks: LaneMark[];
  /** Where all was on time, each of it too long ago to be listed; null for nothing of the kind. */
  band: [number, number] | null;
  /** Where now is. */
  now: number;
}

/** Edges of all lanes, in ms: the window and a little of what comes. */
export function edgesOf(start: string, end: string): [number, number] {
  const [from, to] = [Date.parse(start), Date.parse(end)];
  return [from, to + ((to - from) * AHEAD) / (1 - AHEAD)];
}

/** The lane of an entry; `now` in ms. */
export function lane(entry: Entry, [from, to]: [number, number], now: number): Lane {
  const place = (ms: number) => (ms - from) / (to - from);
  const inside = (x: number) => x >= 0 && x <= 1;
  const listed = new Set(entry.runs.map((r) => r.id).filter(Boolean));
  const older = entry.ledger.filter((line) => !line.id || !listed.has(line.id));
  const lines: (Booking | Sending)[] = [...entry.runs, ...older].sort((a, b) => at(a) - at(b));
  const next = Date.parse(entry.next_due_at ?? "");
  const due = lines.map((line) => Date.parse(line.due_at ?? "")).concat(next).filter((ms) => !Number.isNaN(ms));
  const marks = lines.map((line, i) => mark(line, lines.slice(i + 1).find((l) => l.sent_at), place, now));
  return {
    due: thinned(due.map(place).filter(inside)),
    marks: merged(marks.filter((m) => m.to >= 0 && m.from <= 1).map((m) => ({ ...m, from: clamp(m.from), to: clamp(m.to) }))),
    band: band(entry, lines, place),
    now: place(now),
  };
}

/** When a line happened: what was missed has only the time it was due. */
function at(line: Booking): number {
  return Date.parse(line.sent_at ?? line.due_at ?? "") || 0;
}

function mark(line: Booking | Sending, next: Booking | undefined, place: (ms: number) => number, now: number): LaneMark {
  const state = "execution_state" in line ? line.execution_state : null;
  if (line.state === "missed") {
    const first = Date.parse(line.due_at ?? "");
    const end = line.count > 1 ? (next ? at(next) : now) : first;
    return { kind: "missed", from: place(first), to: place(end), count: line.count, state: null };
  }
  const sent = at(line);
  const end = ended(line, sent, now);
  const kind = line.state === "on_time" ? "run" : line.state;
  return { kind, from: place(sent), to: place(end), count: 1, state };
}

function ended(line: Booking | Sending, sent: number, now: number): number {
  if (!("execution_state" in line)) return sent;
  if (line.execution_state === "STARTED") return now;
  return Math.max(sent, Date.parse(line.ended_at ?? "") || sent);
}

function clamp(x: number): number {
  return Math.min(1, Math.max(0, x));
}

/** Neighbours of one kind that cannot be told apart, as one that says how many it is. */
function merged(marks: readonly LaneMark[]): LaneMark[] {
  const out: LaneMark[] = [];
  for (const m of marks) {
    const before = out.at(-1);
    if (before && before.kind === m.kind && m.from - before.to < NEAR) {
      before.to = Math.max(before.to, m.to);
      before.count += m.count;
      before.state = worse(before.state, m.state);
    } else out.push(m);
  }
  return out;
}

const GOOD = ["SUCCESS", "WAITING", "STARTED"];

function worse(a: string | null, b: string | null): string | null {
  const rank = (state: string | null) => (state === null ? -1 : GOOD.includes(state) ? GOOD.indexOf(state) : GOOD.length);
  return rank(b) > rank(a) ? b : a;
}

function thinned(places: number[]): number[] {
  const out: number[] = [];
  for (const x of [...places].sort((a, b) => a - b)) if (out.length === 0 || x - out.at(-1)! >= NEAR) out.push(x);
  return out;
}

/** From the first sending to the first that is listed, where no fault can be hidden between them. */
function band(entry: Entry, lines: readonly Booking[], place: (ms: number) => number): [number, number] | null {
  const hidden = entry.on_time > entry.runs.filter((r) => r.state === "on_time").length;
  const first = Date.parse(entry.first_sent_at ?? "");
  const listed = entry.runs.map(at).reduce((least, ms) => Math.min(least, ms), Infinity);
  if (!hidden || Number.isNaN(first) || !Number.isFinite(listed)) return null;
  const known = entry.ledger.length < LEDGER ? first : Math.max(first, at(lines[0]!));
  return [clamp(place(known)), clamp(place(listed))];
}

const STATES: Record<string, StateMark> = {
  missed: { shape: "✕", word: "missed", tone: "critical" },
  unsent: { shape: "■", word: "not sent", tone: "critical" },
  duplicate: { shape: "◆", word: "double", tone: "critical" },
  late: { shape: "▲", word: "late", tone: "warning" },
  overlapping: { shape: "▲", word: "overlaps", tone: "warning" },
  on_time: { shape: "●", word: "on time", tone: "ok" },
  waiting: { shape: "○", word: "not due yet", tone: "unknown" },
  off: { shape: "○", word: "off", tone: "unknown" },
};
const RANK = Object.keys(STATES);

/** The worst that happened to an entry in the window. */
export function worst(entry: Entry): string {
  for (const state of ["missed", "unsent", "duplicate", "late", "overlapping"] as const) if (entry[state] > 0) return state;
  if (!entry.enabled) return "off";
  return entry.sent > 0 ? "on_time" : "waiting";
}

/** The mark of a state of an entry, or of a line of its ledger. */
export function scheduleMark(state: string): StateMark {
  return Object.hasOwn(STATES, state) ? STATES[state]! : { shape: "○", word: state, tone: "unknown" };
}

/** Order of entries: what went wrong first, then by name. */
export function byTrouble(a: Entry, b: Entry): number {
  return RANK.indexOf(worst(a)) - RANK.indexOf(worst(b)) || a.entry.localeCompare(b.entry);
}
