/** The waterfall: a row per step, time from left to right; what set the run's duration stands out. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { ticks } from "../charts/ticks.ts";
import { serverNow } from "../words/clock.ts";
import { duration } from "../words/format.ts";
import { AROUND, type Range } from "./row-window.ts";
import type { RunDetail } from "./steps.ts";
import { useRowWindow } from "./use-row-window.ts";
import { groupOf, picture, type Row } from "./waterfall.ts";
import { isDoor, Line, type Scale } from "./waterfall-row.tsx";

const TICKS = 6;

interface Props {
  run: RunDetail;
  /** Execution whose details are shown. */
  selected: string | null;
  select: (id: string) => void;
  unfolded: ReadonlySet<string>;
  toggle: (key: string) => void;
}

export function Waterfall({ run, selected, select, unfolded, toggle }: Props) {
  const { rows, seconds } = useMemo(() => picture(run, serverNow().getTime() / 1000, unfolded), [run, unfolded]);
  const twins = useMemo(() => twinsOf(rows), [rows]);
  const measured = useMemo(() => rows.map((row) => ({ key: row.key, shape: shapeOf(row) })), [rows]);
  const frame = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const { range, begins, reveal, show } = useRowWindow(frame, list, measured);
  const [last, setLast] = useState<string | null>(null);
  const [inside, setInside] = useState(false);
  const remembered = useMemo(() => stopOf(rows, last, selected), [rows, last, selected]);
  const choose = useShown(rows, selected, show, toggle, select);
  const at = (time: number) => `${Math.min(100, (time / seconds) * 100)}%`;
  const scale: Scale = { at, wide: (from, to) => `${Math.max(0, Math.min(100, ((to - from) / seconds) * 100))}%` };
  const away = remembered < range.first || remembered >= range.end;
  const stop = away && !inside ? doorIn(rows, range) : remembered;
  // What has the focus stays drawn wherever the others are: it would be lost, and with it the place in the list.
  const shown = [...(stop >= 0 && stop < range.first ? [stop] : []), ...numbers(range), ...(stop >= range.end ? [stop] : [])];
  return (
    <div ref={frame} class="cm-wf" tabIndex={0} role="region" aria-label="Waterfall: arrow keys go from row to row, Home and End to the first and the last">
      <div class="cm-wf-axis" aria-hidden="true">
        <span />
        <span class="cm-wf-track">
          {ticks(seconds, TICKS).filter((t) => t < seconds * 0.95).map((t) => (
            <span key={t} class="cm-wf-tick" style={{ left: at(t) }}>{duration(t)}</span>
          ))}
        </span>
        <span class="cm-wf-share" title="of the run's duration; what ran beside each other is added up">share</span>
      </div>
      <ol
        ref={list}
        style={{ paddingTop: `${begins[range.first]}px`, paddingBottom: `${begins[rows.length]! - begins[range.end]!}px` }}
        onKeyDown={(event) => pressed(event, rows, reveal)}
        onFocusCapture={(event) => {
          setInside(true);
          setLast(rows[numberOf(event.target)]?.key ?? null);
        }}
        onBlurCapture={(event) => setInside((event.currentTarget as Element).contains(event.relatedTarget as Element | null))}
      >
        {shown.map((number) => {
          const row = rows[number]!;
          return (
            <Line
              key={row.key}
              run={run.id}
              row={row}
              twin={twins.has(row.name)}
              scale={scale}
              selected={row.id !== null && row.id === selected}
              number={number}
              rows={rows.length}
              top={away && inside && number === stop ? begins[number]! : null}
              stop={number === stop}
              select={choose}
              toggle={toggle}
            />
          );
        })}
      </ol>
    </div>
  );
}

/** Bring the step that the address names into sight, out of its group; returns `select` for a step that is pressed: it is in sight. */
function useShown(rows: readonly Row[], selected: string | null, show: (row: number) => void, toggle: (key: string) => void, select: (id: string) => void) {
  const shown = useRef<string | null>(null);
  useLayoutEffect(() => {
    if (selected === null) shown.current = null;
    if (selected === null || selected === shown.current) return;
    const number = rows.findIndex((row) => row.id === selected);
    const group = number < 0 ? groupOf(rows, selected) : undefined;
    if (group) toggle(group.key);
    if (number < 0) return;
    shown.current = selected;
    show(number);
  }, [rows, selected]);
  return (id: string) => {
    shown.current = id;
    select(id);
  };
}

/** Names that more than one step has. */
function twinsOf(rows: readonly Row[]): Set<string> {
  const names = new Set<string>();
  return new Set(rows.filter((r) => r.kind === "step" && names.size === names.add(r.name).size).map((r) => r.name));
}

/** What rows of the same height have in common. */
function shapeOf(row: Row): string {
  const below = row.kind === "group" && ((!row.unfolded && row.worst.length > 0) || row.count > row.members.length);
  return `shape ${below} ${row.spans.length > 0}`;
}

/** The row that Tab goes to: the last that had the focus, else that of the selected step, else the first. */
function stopOf(rows: readonly Row[], last: string | null, selected: string | null): number {
  const by = (test: (row: Row) => boolean) => rows.findIndex((row) => isDoor(row) && test(row));
  const found = [last === null ? -1 : by((row) => row.key === last), selected === null ? -1 : by((row) => row.id === selected)];
  return found.find((number) => number >= 0) ?? by(() => true);
}

/** The first that is about in sight. */
function doorIn(rows: readonly Row[], { first, end }: Range): number {
  const begin = first ? first + AROUND : 0;
  for (let number = begin; number < end; number++) if (isDoor(rows[number]!)) return number;
  return -1;
}

function numbers({ first, end }: Range): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

function numberOf(target: EventTarget | null): number {
  return Number((target as HTMLElement | null)?.closest<HTMLElement>("[data-row]")?.dataset.row ?? -1);
}

/** Up and down go from row to row, by way of those that cannot be pressed. */
function pressed(event: KeyboardEvent, rows: readonly Row[], reveal: (row: number) => void): void {
  const here = numberOf(event.target);
  const step = { ArrowDown: 1, ArrowUp: -1, Home: 1, End: -1 }[event.key];
  if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  let next = { Home: 0, End: rows.length - 1 }[event.key] ?? here + step;
  while (rows[next] && !isDoor(rows[next]!)) next += step;
  event.preventDefault();
  if (rows[next]) reveal(next);
}
