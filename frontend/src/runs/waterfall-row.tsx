/** One row of the waterfall: a step, a group of many, a plan or a wait, and when it was. */

import { executions } from "../address/links.ts";
import { share } from "../parts/share.tsx";
import { count, duration, plural } from "../words/format.ts";
import { executionMark } from "../words/states.ts";
import type { Bar, Mark, Row } from "./waterfall.ts";

export interface Scale {
  at: (time: number) => string;
  wide: (from: number, to: number) => string;
}

interface LineProps {
  run: string;
  row: Row;
  /** Whether other rows have its name. */
  twin: boolean;
  scale: Scale;
  selected: boolean;
  /** Its number among how many: not all of them are drawn. */
  number: number;
  rows: number;
  /** Where it stands when it is not in line with the others, px. */
  top: number | null;
  /** Whether Tab stops here; arrows go to the others. */
  stop: boolean;
  select: (id: string) => void;
  toggle: (key: string) => void;
}

/** Whether a row can be pressed. */
export function isDoor(row: Row): boolean {
  return row.id !== null || (row.kind === "group" && row.members.length > 0);
}

export function Line({ run, row, twin, scale, selected, number, rows, top, stop, select, toggle }: LineProps) {
  const mark = executionMark(row.kind === "wait" ? (row.state === "open" ? "WAITING" : "SUCCESS") : row.state);
  const act = row.kind === "group" ? () => toggle(row.key) : () => select(row.id!);
  const content = (
    <>
      <span class={`cm-wf-name cm-in-${row.depth}`}>
        <span class={`cm-state-${mark.tone}`} aria-hidden="true">{mark.shape}</span> <Name row={row} twin={twin} />
      </span>
      <span class="cm-wf-track">
        {row.bars.map((b, i) => <Segment key={i} bar={b} scale={scale} many={row.kind === "group"} />)}
        {row.spans.map((s, i) => <SpanLine key={i} span={s} scale={scale} />)}
        {row.waits.map((w, i) => <WaitLine key={i} wait={w} scale={scale} />)}
        {row.kind === "planned" && row.state === "PLANNED" && <span class="cm-wf-planned" />}
        {!row.bars.length && !row.waits.length && row.state !== "PLANNED" && <span class="cm-wf-word">{mark.word}</span>}
      </span>
      <span class="cm-wf-share">{row.share === null ? "" : share(row.share)}</span>
      <span class="cm-unseen">{said(row, mark.word)}</span>
    </>
  );
  return (
    <li
      class={`${row.lit ? "cm-lit" : ""} ${row.spans.length ? "cm-spanned" : ""} ${top === null ? "" : "cm-wf-aside"}`}
      style={{ top: top === null ? "" : `${top}px` }}
      data-row={number}
      aria-posinset={number + 1}
      aria-setsize={rows}
    >
      {isDoor(row) ? (
        <button
          type="button"
          class="cm-wf-row"
          onClick={act}
          tabIndex={stop ? 0 : -1}
          aria-pressed={row.kind === "step" ? selected : undefined}
          aria-expanded={row.kind === "group" ? row.unfolded : undefined}
          title={said(row, mark.word)}
        >
          {content}
        </button>
      ) : (
        <div class="cm-wf-row" title={said(row, mark.word)}>{content}</div>
      )}
      {row.kind === "group" && (!row.unfolded || row.count > row.members.length) && <Worst run={run} row={row} select={select} />}
    </li>
  );
}

function Name({ row, twin }: { row: Row; twin: boolean }) {
  const ended = Object.entries(row.states).reduce((sum, [state, n]) => (["STARTED", "WAITING", "RETRY"].includes(state) ? sum : sum + n), 0);
  return (
    <>
      <span class="cm-wf-task"><bdi>{row.name}</bdi></span>
      {twin && row.id && <code class="cm-id"> {row.id.slice(0, 8)}</code>}
      {row.lit && <span class="cm-star" aria-hidden="true"> ★</span>}
      {row.count > 1 && <b> ×{count(row.count)}</b>}
      {row.kind === "group" && ended < row.count && <span class="cm-muted"> {count(ended)} done</span>}
      {row.kind === "group" && row.members.length > 0 && <span class="cm-muted"> {row.unfolded ? "▾ fold" : "▸ unfold"}</span>}
      {row.attempts > 1 && <span class="cm-warn"> ↻{count(row.attempts - 1)}</span>}
      {row.kind === "wait" && <span class="cm-muted"> wait</span>}
    </>
  );
}

/** The members of a group to look at first, and the way to those that are told by number alone. */
function Worst({ run, row, select }: { run: string; row: Row; select: (id: string) => void }) {
  return (
    <p class={`cm-wf-worst cm-in-${row.depth}`}>
      {!row.unfolded && row.worst.length > 0 && <span class="cm-muted">{row.states.FAILURE ? "failed and longest" : "longest"} </span>}
      {!row.unfolded && row.worst.map((m) => (
        <button key={m.id} type="button" onClick={() => select(m.id)} title={m.id}>
          <span class={`cm-state-${executionMark(m.state).tone}`} aria-hidden="true">{executionMark(m.state).shape}</span>{" "}
          <code>{m.id.slice(0, 8)}</code> {duration(m.seconds)}
        </button>
      ))}
      {row.count > row.members.length && <a href={executions({ run, task: row.name, window: "92d" })}>all {count(row.count)} in a list</a>}
    </p>
  );
}

const TITLES: Record<Bar["kind"], string> = { wait: "in the broker", hold: "held by a worker", run: "ran", rest: "not due" };

function Segment({ bar, scale, many }: { bar: Bar; scale: Scale; many: boolean }) {
  const tone = bar.kind === "run" ? `cm-wf-${executionMark(bar.state).tone}` : "";
  return (
    <span
      class={`cm-wf-bar cm-wf-bar-${bar.kind} ${tone} ${many ? "cm-wf-many" : ""}`}
      style={{ left: scale.at(bar.from), width: scale.wide(bar.from, bar.to) }}
      title={`${TITLES[bar.kind]} ${duration(bar.to - bar.from)}, from ${duration(bar.from)}`}
    />
  );
}

function SpanLine({ span, scale }: { span: Mark; scale: Scale }) {
  return (
    <span
      class={`cm-wf-span cm-level-${Math.min(span.level, 2)} ${span.failed ? "cm-wf-span-failed" : ""}`}
      style={{ left: scale.at(span.from), width: scale.wide(span.from, span.to) }}
      title={`span ${span.name} ${duration(span.to - span.from)}${span.failed ? ", failed" : ""}`}
    />
  );
}

function WaitLine({ wait, scale }: { wait: Mark; scale: Scale }) {
  return (
    <span
      class={`cm-wf-wait ${wait.open ? "cm-wf-open" : ""}`}
      style={{ left: scale.at(wait.from), width: scale.wide(wait.from, wait.to) }}
      title={`${wait.open ? "waits" : "waited"} ${duration(wait.to - wait.from)} for ${wait.name}`}
    />
  );
}

/** A row in words, for who does not see the bars. */
function said(row: Row, state: string): string {
  const first = row.bars.find((b) => b.kind === "run");
  return [
    `${row.name}${row.count > 1 ? ` ×${row.count}` : ""}: ${state}`,
    first && `from ${duration(first.from)}`,
    row.seconds > 0 && `ran ${duration(row.seconds)}${row.count > 1 ? " in all" : ""}`,
    row.attempts > 1 && plural(row.attempts, "attempt"),
    row.share !== null && `${share(row.share)} of the run`,
    row.lit && "on the path that set the duration",
    ...row.waits.map((w) => `${w.open ? "waits" : "waited"} ${duration(w.to - w.from)} for ${w.name}`),
  ].filter(Boolean).join(", ");
}
