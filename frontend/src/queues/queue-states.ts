/** Why nothing moves: what a queue's figures say in one sentence, and the reasons for it. */

import type { Num } from "../api/basics.ts";
import type { Queue, QueueDetail, QueueWorker, WaitingRow } from "../api/queues.ts";
import { count, duration, plural, rate } from "../words/format.ts";
import type { Mark } from "../words/marks.ts";
import { alertedMark, isUnconsumed, isUnserved, unservedMark } from "../words/queue-marks.ts";

export type Condition = "abandoned" | "blocked" | "growing" | "alert" | "twice" | "noted" | "moving" | "later" | "unknown" | "unused" | "empty";

const MARKS: Record<Condition, Mark> = {
  abandoned: unservedMark(),
  blocked: { shape: "■", word: "stands still", tone: "critical" },
  growing: { shape: "▲", word: "growing", tone: "warning" },
  alert: alertedMark("warning", "alert"),
  twice: { shape: "▲", word: "runs twice", tone: "warning" },
  noted: { shape: "▲", word: "look", tone: "warning" },
  moving: { shape: "●", word: "moving", tone: "ok" },
  later: { shape: "◌", word: "due later", tone: "waiting" },
  unknown: { shape: "○", word: "depth unknown", tone: "unknown" },
  unused: { shape: "○", word: "not in use", tone: "unknown" },
  empty: { shape: "●", word: "empty", tone: "ok" },
};
const ORDER = Object.keys(MARKS) as Condition[];

/** A backlog no older than that is on its way, whatever the rates of the last minutes say. */
const FRESH_S = 30;
/** In that time more slots would have to empty it. */
const SOON_S = 300;

type Row = Omit<Queue, "spark">;

/** What the figures of a queue come to. */
export function condition(row: Row): Condition {
  const waits = row.backlog ?? 0;
  if (isUnserved(row)) return "abandoned";
  if (waits > 0 && old(row) && still(row)) return "blocked";
  if (waits > 0 && old(row) && row.empties_in_seconds == null) return "growing";
  if (row.state !== "ok") return "alert";
  if (row.delivered_twice > 0) return "twice";
  if (row.backlog == null && row.consumers > 0 && row.notes.length === 0) return "unknown";
  if (row.notes.some((note) => note.includes("did you mean"))) return "noted";
  if (isUnconsumed(row) || (row.published + row.ended === 0 && row.backlog === 0)) return row.notes.length ? "unused" : row.backlog == null ? "unknown" : "empty";
  if (row.notes.length && row.published + row.ended > 0) return "noted";
  if (waits + row.held + row.running > 0) return "moving";
  return row.eta_held > 0 ? "later" : "empty";
}

/** Whether it has waited for long; where nobody knows the age, it may have. */
function old(row: Row): boolean {
  return row.oldest_seconds == null || row.oldest_seconds > FRESH_S;
}

/** Whether nothing was started or ended in the last minutes. */
function still(row: Row): boolean {
  return !row.start_per_second && !row.out_per_second;
}

export function queueMark(row: Row): Mark {
  const found = condition(row);
  if (found === "abandoned") return unservedMark(row.state);
  return found === "alert" ? alertedMark(row.state, MARKS.alert.word) : MARKS[found];
}

/** Rank of a queue: what needs somebody stands first, and of that what is critical. */
export function urgency(row: Row): number {
  const rank = ORDER.indexOf(condition(row));
  return queueMark(row).tone === "critical" ? rank : ORDER.length + rank;
}

/** The answer on top of a queue's page. */
export function answer(row: Row): string {
  const waits = row.backlog;
  if (waits == null) return "How much waits in the broker is not known";
  const oldest = row.oldest_seconds == null ? "" : `, the oldest for ${duration(row.oldest_seconds)}`;
  if (waits === 0) return row.held + row.running > 0 ? "Nothing waits in the broker" : row.eta_held ? "Nothing waits but what is due later" : "Nothing waits";
  const waiting = `${plural(waits, "message")} ${waits === 1 ? "waits" : "wait"}${oldest}`;
  const [come, go] = [row.in_per_second ?? 0, row.out_per_second ?? 0];
  switch (condition(row)) {
    case "abandoned":
      return `${waiting}, and nobody takes from it`;
    case "blocked":
      return `${waiting}; nothing has been taken for minutes`;
    case "growing":
      return come > go ? `${waiting}; growing by ${rate(come - go)}` : `${waiting}; it does not get less`;
    default:
      return row.empties_in_seconds == null ? waiting : `${waiting}; empty in ${duration(Math.round(row.empties_in_seconds))} at this rate`;
  }
}

/** What the API notes of a queue, without what its state says already. */
export function notes(row: Row): string[] {
  const said = condition(row) === "abandoned" ? /^no worker consumes this queue(; )?/ : /^$/;
  return row.notes.map((note) => note.replace(said, "")).filter(Boolean);
}

/** Why what waits is not running: sentences, those that explain most first. */
export function reasons(row: QueueDetail, waiting: readonly WaitingRow[]): string[] {
  const found = notes(row);
  if ((row.backlog ?? 0) + row.held > 0) {
    const full = row.workers.filter((w) => w.slots != null && w.slots > 0 && w.busy >= w.slots);
    if (full.length && full.length === row.workers.length) found.push(allBusy(row.workers, row.running, waiting));
    else if (full.length) found.push(`${plural(full.length, "worker")} of ${count(row.workers.length)} ${full.length === 1 ? "has" : "have"} no free slot: ${full.slice(0, 3).map((w) => w.worker).join(", ")}`);
    const more = slotsMissing(row);
    const alone = row.workers.some((w) => w.busy > w.running) ? " for this queue alone" : "";
    if (more) found.push(`about ${plural(more, "more slot")}${alone} would empty it in ${duration(SOON_S)}`);
  }
  if (row.delivered_twice > 0) found.push(twice(row, row.broker.visibility_timeout_seconds));
  return found;
}

/** What waits for its time for longer than the broker waits for a worker. */
function twice(row: Row, timeout: Num): string {
  const one = row.delivered_twice === 1;
  const after = timeout ? ` (visibility timeout ${duration(timeout)})` : "";
  return `${plural(row.delivered_twice, "message")} ${one ? "is" : "are"} due only after the broker gives ${one ? "it" : "them"} out again${after}: will run twice`;
}

/** Why a queue wants a look, in one line: what is told of it, not that nothing waits where that is not the point. */
export function complaint(row: Row, timeout: Num): string {
  const found = row.delivered_twice > 0 ? [...notes(row), twice(row, timeout)] : notes(row);
  return [...(row.backlog === 0 && found.length ? [] : [answer(row)]), ...found].join("; ");
}

function allBusy(workers: readonly QueueWorker[], running: number, waiting: readonly WaitingRow[]): string {
  const slots = workers.reduce((n, w) => n + (w.slots ?? 0), 0);
  const busy = workers.reduce((n, w) => n + w.busy, 0);
  const of = workers.length === 1 ? workers[0]!.worker : `${count(workers.length)} workers`;
  const others = busy > running ? `, ${count(busy - running)} with tasks of other queues` : "";
  const most = commonest(waiting);
  return `${slots === 1 ? "the slot" : `all ${count(slots)} slots`} of ${of} ${slots === 1 ? "is" : "are"} busy${others}${most ? `; most with ${most}` : ""}`;
}

/** The task that runs in most of the slots that are waited for. */
function commonest(waiting: readonly WaitingRow[]): string | null {
  const seen = new Map<string, string>(); // a slot once, however many wait for it
  for (const row of waiting) for (const s of row.slots) if (s.id && s.task) seen.set(s.id, s.task);
  const counts = new Map<string, number>();
  for (const task of seen.values()) counts.set(task, (counts.get(task) ?? 0) + 1);
  const [first] = [...counts].sort((a, b) => b[1] - a[1]);
  return first ? first[0] : null;
}

/** Slots beyond those there are that would empty the queue soon; null when slots are not what it lacks, or nobody can tell. */
export function slotsMissing(row: QueueDetail): Num {
  const { backlog, in_per_second: come, out_per_second: go, empties_in_seconds: empties } = row;
  const busy = row.workers.length > 0 && row.workers.every((w) => w.slots != null && w.busy >= w.slots);
  const mean = runtime(row);
  if (!backlog || come == null || go == null || !busy || mean == null) return null;
  if (empties != null && empties <= SOON_S) return null;
  return Math.max(1, Math.ceil((come + backlog / SOON_S - go) * mean));
}

/** Mean run time of what ended from this queue, in seconds. */
function runtime(row: QueueDetail): Num {
  const n = row.tasks.reduce((sum, t) => sum + t.runtime_seconds.count, 0);
  return n ? row.tasks.reduce((sum, t) => sum + (t.runtime_seconds.total ?? 0), 0) / n : null;
}

/** How queues stand together: the most urgent first. */
export function standing(rows: readonly Row[]): { mark: Mark; text: string } {
  const bad = rows.filter((r) => ["critical", "warning"].includes(queueMark(r).tone));
  if (rows.length === 0) return { mark: MARKS.unknown, text: "No queue is known yet" };
  if (bad.length === 0) {
    const waits = rows.reduce((n, r) => n + (r.backlog ?? 0), 0);
    return { mark: MARKS.moving, text: waits ? `${plural(waits, "message")} wait${waits === 1 ? "s" : ""}, and all queues move` : "Nothing waits" };
  }
  const worst = bad.reduce((a, b) => (urgency(b) < urgency(a) ? b : a));
  return { mark: queueMark(worst), text: `${bad.length} of ${plural(rows.length, "queue")} ${bad.length === 1 ? "wants" : "want"} a look` };
}
