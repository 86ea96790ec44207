/** A small chart of lines over time: pointing at one tells the figures of that moment, dragging over it zooms the page. */

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { Num } from "../api/basics.ts";
import { clock, day } from "../words/format.ts";
import { isUtc, useUtc } from "../words/zone.ts";
import { useCursor } from "./cursor.ts";
import { usePlotCursor } from "./plot-cursor.ts";
import { bridged, lone } from "./scale.ts";
import { colour, useTheme } from "./theme.ts";
import { zoom } from "./zoom.ts";

const HEIGHT = 128; // px
const DAY = 86_400;
/** Round steps of an axis: 1 KiB, 2 KiB …; 1 ms, 2 ms, 5 ms … 30 s, 1 m, 2 m … */
const STEPS = {
  bytes: Array.from({ length: 50 }, (_, i) => 2 ** i),
  seconds: [-6, -5, -4, -3, -2, -1]
    .flatMap((e) => [10 ** e, 2 * 10 ** e, 5 * 10 ** e])
    .concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, DAY / 2, DAY, 2 * DAY, 5 * DAY, 10 * DAY]),
};
const FONT = "12px system-ui, sans-serif";

export interface Line {
  name: string;
  values: readonly Num[];
  /** Name of the custom property that colours it: "running" is --cm-running. */
  tone: "running" | "succeeded" | "failed" | "waiting" | "retried" | "lost" | "ink" | "muted";
  /** A limit rather than a measurement. */
  dashed?: boolean;
}

export interface ChartProps {
  title: string;
  hint?: string;
  t: readonly number[];
  lines: readonly Line[];
  /** Writes a value with its unit. */
  unit: (value: Num) => string;
  /** What the upper edge shows at least, so that noise does not look like mountains. */
  floor?: number;
  /** What values are, where the axis should not count in tens. */
  of?: "bytes" | "seconds";
}

/** Charts side by side that point at the same moment. */
export function Charts({ charts }: { charts: readonly ChartProps[] }) {
  return <div class="cm-charts">{charts.map((c) => <LineChart key={c.title} {...c} />)}</div>;
}

export function LineChart({ title, hint, t, lines, unit, floor = 0, of }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const theme = useTheme();
  const utc = useUtc();
  const step = (t[1] ?? 0) - (t[0] ?? 0);
  const cursor = useCursor(t, step, describe(title, lines, unit), (i) => lines.map((l) => `${l.name} ${unit(l.values[i] ?? null)}`).join(", "));
  const data = [t, ...lines.map((l) => bridged(l.values))] as unknown as uPlot.AlignedData;

  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const chart = new uPlot({ ...options(box, lines, unit, floor, of, step), width: box.clientWidth }, data, box);
    chart.hooks.setCursor = [(u) => setPointed(u.cursor.idx ?? null)];
    chart.hooks.setSelect = [(u) => u.select.width > 2 && dragged(u)];
    plot.current = chart;
    const resize = new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: HEIGHT }));
    resize.observe(box);
    return () => {
      resize.disconnect();
      chart.destroy();
      plot.current = null;
    };
    // New figures of the same window are put into the old chart below.
  }, [theme, utc, step, lines.length]);

  useEffect(() => plot.current?.setData(data), [t, lines]);
  usePlotCursor(plot, t, cursor.at, cursor.stretch);

  return (
    <section class="cm-card cm-over-time">
      <header title={hint}>
        <h3>{title}</h3>
        <Legend lines={lines} unit={unit} at={cursor.at ?? pointed} t={t} />
      </header>
      <div ref={place} class="cm-line-plot" onPointerMove={cursor.clear} {...cursor.keys} />
    </section>
  );
}

function options(
  root: Element, lines: readonly Line[], unit: (v: Num) => string, floor: number, of: keyof typeof STEPS | undefined, step: number,
): Omit<uPlot.Options, "width"> {
  const axis = { stroke: colour(root, "--cm-muted"), font: FONT, ticks: { show: false } };
  return {
    height: HEIGHT,
    legend: { show: false },
    ...(isUtc() && { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") }),
    cursor: {
      drag: { x: true, y: false, setScale: false },
      y: false,
      points: { size: 6 },
      // The others point along; a drag is the business of the chart it began on.
      sync: { key: "charts of the page", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
    },
    scales: {
      x: { time: true, range: (_, min, max) => [min, max + step] },
      y: { range: (_, __, max) => [0, Math.max(max * 1.1, floor) || 1] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 26, gap: 8, space: 70, values: (_, ticks) => ticks.map(tick) },
      { ...axis, grid: { stroke: colour(root, "--cm-line"), width: 1 }, size: 74, space: 34, ...(of && { incrs: STEPS[of] }), values: (_, ticks) => ticks.map((v) => unit(v)) },
    ],
    series: [
      {},
      ...lines.map((l) => ({
        stroke: colour(root, `--cm-${l.tone}`),
        width: 1.5,
        ...(l.dashed && { dash: [5, 4] }),
        // Where there is no room for all points, those that no line goes through are drawn.
        points: { size: 3, filter: (u: uPlot, i: number, all: boolean) => (all ? null : lone(u.data[i] as Num[])) },
        spanGaps: false,
      })),
    ],
  };
}

/** Midnight as a date, every other time as hours and minutes. */
function tick(seconds: number): string {
  const at = new Date(seconds * 1000);
  const time = clock(at.toISOString(), at);
  return time === "00:00:00" ? day(at).slice(5) : time.endsWith(":00") ? time.slice(0, 5) : time;
}

function dragged(u: uPlot): void {
  const { left, width } = u.select;
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  zoom(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
}

interface LegendProps {
  lines: readonly Line[];
  unit: (value: Num) => string;
  /** Point under the pointer; the last known of what is shown without. */
  at: number | null;
  t: readonly number[];
}

function Legend({ lines, unit, at, t }: LegendProps) {
  const start = at == null ? undefined : t[at];
  return (
    <ul class="cm-legend">
      {start != null && <li class="cm-when">{clock(new Date(start * 1000).toISOString(), new Date())}</li>}
      {lines.map((l) => (
        <li key={l.name}>
          <i class={`cm-line-mark cm-line-${l.tone} ${l.dashed ? "cm-dashed" : ""}`} /> {l.name}{" "}
          <b>{unit(start != null && at != null ? (l.values[at] ?? null) : latest(l.values))}</b>
        </li>
      ))}
    </ul>
  );
}

/** The last known value of what is shown: the newest point may not have a sample yet. */
function latest(values: readonly Num[]): Num {
  for (let i = values.length - 1; i >= 0; i--) if (values[i] != null) return values[i] ?? null;
  return null;
}

function describe(title: string, lines: readonly Line[], unit: (v: Num) => string): string {
  const most = (values: readonly Num[]) => values.reduce<Num>((top, v) => (v != null && v > (top ?? -1) ? v : top), null);
  return `${title} over time: ${lines.map((l) => `${l.name} at most ${unit(most(l.values))}`).join(", ")}.`;
}
