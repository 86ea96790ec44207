/** A chart over time on a canvas: what is under the pointer is told in words, what is dragged over becomes the page's window. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { clock, count, duration } from "../words/format.ts";
import { useUtc } from "../words/zone.ts";
import { layout, type Layout, paint, type Picture, shade } from "./heatmap-draw.ts";
import { useCursor } from "./cursor.ts";
import { type Box, chosen, columnAt, LEVELS, logScale, rowAt, type Stretch, stretch, xOf, yOf } from "./heatmap.ts";
import { useTheme } from "./theme.ts";
import { zoom } from "./zoom.ts";

/** A column, and the heatmap's row when the pointer is in it. */
interface Place {
  column: number;
  row: number | null;
}

const LEAST_DRAG = 4; // px: less is a click

interface Props {
  title: string;
  picture: Picture;
  /** The picture in words, for who does not see it. */
  words: string;
  /** Beside the title. */
  children?: ComponentChildren;
}

export function TimeChart({ title, picture, words, children }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { at, place } = useLayout(Boolean(picture.heatmap));
  const [pointed, setPointed] = useState<Place | null>(null);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const [raised, setRow] = useState<number | null>(null); // row of the heatmap, chosen by keys
  const rows = (picture.heatmap?.bounds.length ?? 0) - 1;
  const row = raised === null || rows < 1 ? null : Math.min(raised, rows - 1);
  const theme = useTheme();
  const utc = useUtc();
  const cursor = useCursor(picture.t, picture.step, words, (column) => told(picture, { column, row }));
  const keyed = cursor.at === null ? null : { column: cursor.at, row };

  useEffect(() => {
    if (canvas.current && at) paint(canvas.current, picture, at);
  }, [picture, at, theme, utc]);

  const x = (event: PointerEvent) => event.clientX - (canvas.current?.getBoundingClientRect().left ?? 0);
  const y = (event: PointerEvent) => event.clientY - (canvas.current?.getBoundingClientRect().top ?? 0);
  const dragged = (from: number, to: number) => {
    if (!at) return;
    const over = chosen(from, to, picture.t, picture.step, at.bars);
    setPointed(null);
    zoom(over.start, over.end);
  };
  const handlers = at && {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0) return;
      canvas.current?.setPointerCapture(event.pointerId);
      setDrag({ from: x(event), to: x(event) });
    },
    onPointerMove: (event: PointerEvent) => {
      cursor.clear();
      setPointed(placeAt(x(event), y(event), picture, at));
      if (drag) setDrag({ ...drag, to: x(event) });
    },
    onPointerUp: (event: PointerEvent) => {
      if (drag && Math.abs(x(event) - drag.from) >= LEAST_DRAG) dragged(drag.from, x(event));
      setDrag(null);
    },
    onPointerCancel: () => setDrag(null),
    onPointerLeave: () => setPointed(null),
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!up || rows < 1 || cursor.at === null) return cursor.keys.onKeyDown(event);
    const next = Math.min(rows - 1, (row ?? -1) + up);
    setRow(next < 0 ? null : next);
    event.preventDefault();
  };
  return (
    <section class={`cm-card cm-chart ${picture.heatmap ? "cm-chart-heat" : ""}`}>
      <header>
        <h2>{title}</h2>
        {children}
        <Legend picture={picture} at={keyed ?? pointed} />
      </header>
      <div class="cm-chart-place" ref={place} style={at ? { height: `${at.height}px` } : undefined}>
        <canvas ref={canvas} title="Drag to zoom" {...cursor.keys} {...handlers} onKeyDown={onKeyDown} />
        {at && drag && <Selected part={chosen(drag.from, drag.to, picture.t, picture.step, at.bars)} picture={picture} at={at} />}
        {at && cursor.stretch && <Selected part={part(cursor.stretch, picture)} picture={picture} at={at} />}
        {at && (keyed ?? (drag ? null : pointed)) && <Hair column={(keyed ?? pointed!).column} picture={picture} at={at} />}
        {at && keyed && <Mark place={keyed} picture={picture} at={at} />}
      </div>
    </section>
  );
}

/** The place of everything in the width there is. */
function useLayout(withHeat: boolean) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState<Layout | null>(null);
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const resize = new ResizeObserver(() => setWidth(box.clientWidth));
    resize.observe(box);
    return () => resize.disconnect();
  }, []);
  useEffect(() => setAt(width ? layout(width, withHeat) : null), [width, withHeat]);
  return { at, place };
}

function placeAt(x: number, y: number, picture: Picture, at: Layout): Place {
  const { heatmap } = picture;
  const row = at.heat && heatmap ? rowAt(y, heatmap.bounds, logScale(heatmap.bounds), at.heat) : null;
  return { column: columnAt(x, picture.t.length, at.bars), row };
}

/** Pixels of a column's middle, twice: a stretch of that one column. */
function middle(column: number, picture: Picture, box: Box): [number, number] {
  const x = box.left + ((column + 0.5) / picture.t.length) * box.width;
  return [x, x];
}

/** From the start of a point to the end of another. */
function part([first, last]: [number, number], picture: Picture): Stretch {
  return { start: picture.t[first] ?? 0, end: (picture.t[last] ?? 0) + picture.step };
}

function Selected({ part, picture, at }: { part: Stretch; picture: Picture; at: Layout }) {
  const over = stretch(picture.t, picture.step);
  const [left, right] = [xOf(part.start, over, at.bars), xOf(part.end, over, at.bars)];
  return <div class="cm-chart-chosen" style={{ left: `${left}px`, width: `${right - left}px`, ...upright(at) }} />;
}

/** The cell of the heatmap that keys have led to. */
function Mark({ place, picture, at }: { place: Place; picture: Picture; at: Layout }) {
  const { heatmap } = picture;
  if (!at.heat || !heatmap || place.row === null) return null;
  const scale = logScale(heatmap.bounds);
  const [low, high] = [0, 1].map((n) => yOf(heatmap.bounds[(place.row ?? 0) + n] ?? 0, scale, at.heat!));
  const over = stretch(picture.t, picture.step);
  const { start, end } = part([place.column, place.column], picture);
  const [left, right] = [xOf(start, over, at.heat), xOf(end, over, at.heat)];
  return <div class="cm-chart-mark" style={{ left: `${left}px`, width: `${right - left}px`, top: `${high}px`, height: `${(low ?? 0) - (high ?? 0)}px` }} />;
}

function Hair({ column, picture, at }: { column: number; picture: Picture; at: Layout }) {
  const [x] = middle(column, picture, at.bars);
  return <div class="cm-chart-hair" style={{ left: `${Math.round(x)}px`, ...upright(at) }} />;
}

function upright(at: Layout): { top: string; height: string } {
  const top = (at.heat ?? at.bars).top;
  return { top: `${top}px`, height: `${at.bars.top + at.bars.height - top}px` };
}

/** Figures of the column under the pointer, else of the whole window. */
function Legend({ picture, at }: { picture: Picture; at: Place | null }) {
  const start = at ? picture.t[at.column] : undefined;
  const figure = (values: readonly (number | null)[]) =>
    at ? (values[at.column] ?? null) : values.reduce<number>((sum, v) => sum + (v ?? 0), 0);
  return (
    <ul class="cm-legend">
      {at && start !== undefined && (
        <li class="cm-when">{clock(moment(start), new Date())} – {clock(moment(start + picture.step), new Date(start * 1000))}</li>
      )}
      {at && <Took picture={picture} at={at} />}
      {[...picture.layers].reverse().map((layer) => (
        <li key={layer.name}>
          <i class="cm-swatch" style={{ background: `var(--cm-fill-${layer.fill})` }} /> {layer.name} <b>{count(figure(layer.values))}</b>
        </li>
      ))}
      {at && picture.lines?.map((line) => <li key={line.name}>{line.name} <b>{duration(line.values[at.column])}</b></li>)}
      {!at && picture.heatmap && <Shades picture={picture} />}
    </ul>
  );
}

/** The legend of one column in a sentence. */
function told(picture: Picture, { column, row }: Place): string {
  const { heatmap } = picture;
  const took = heatmap && row !== null && `${count(heatmap.counts[column]?.[row] ?? 0)} took ${duration(heatmap.bounds[row])} – ${duration(heatmap.bounds[row + 1])}`;
  const layers = [...picture.layers].reverse().map((l) => `${l.name} ${count(l.values[column] ?? null)}`);
  return [took, ...layers, ...(picture.lines ?? []).map((l) => `${l.name} ${duration(l.values[column])}`)].filter(Boolean).join(", ");
}

function Took({ picture, at }: { picture: Picture; at: Place }) {
  const { heatmap } = picture;
  if (!heatmap || at.row === null) return null;
  const n = heatmap.counts[at.column]?.[at.row] ?? 0;
  return <li><b>{count(n)}</b> took {duration(heatmap.bounds[at.row])} – {duration(heatmap.bounds[at.row + 1])}</li>;
}

function Shades({ picture }: { picture: Picture }) {
  const most = Math.max(0, ...(picture.heatmap?.counts.flat() ?? []));
  if (!most) return null;
  return (
    <li title="attempts in one cell of the heatmap; each shade is some times more">
      1{" "}
      {Array.from({ length: LEVELS }, (_, i) => (
        <i key={i} class="cm-swatch cm-shade-step" style={{ opacity: shade(i + 1) }} />
      ))}{" "}
      {count(most)} a cell
    </li>
  );
}

function moment(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
