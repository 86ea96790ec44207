/** The main chart: executions by outcome as stacked bars, p95 of the runtime as a line; dragging over it zooms the page. */

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { executions } from "../address/links.ts";
import type { Range } from "../address/window.ts";
import type { Num } from "../api/basics.ts"
import type { Series, Summary } from "../api/summary.ts";
import { clock, count, day, duration } from "../words/format.ts";
import { rateUnit } from "../words/rate-unit.ts";
import { isUtc, useUtc } from "../words/zone.ts";
import { useCursor } from "./cursor.ts";
import { usePlotCursor } from "./plot-cursor.ts";
import { perSecond, stack, top } from "./scale.ts";
import { colour, useTheme } from "./theme.ts";
import { zoom } from "./zoom.ts";

/** From the ground up: failures stand on the axis, where their size can be compared. */
const LAYERS = ["failed", "retried", "other", "succeeded"] as const;
const HEIGHT = 210; // px
const FONT = "12px system-ui, sans-serif";

type Table = [number[], ...(number[] | Num[])[]];

/** Rates per second stacked, highest layer first because bars are painted over each other; p95 last. */
function table({ series, window }: Summary): Table {
  const { step_seconds: step, end } = window;
  const rates = LAYERS.map((name) => perSecond(series[name], series.t, step, Date.parse(end) / 1000));
  const middle = series.t.map((t) => t + step / 2);
  return [middle, ...stack(rates).reverse(), series.runtime_p95];
}

/** Makes what was dragged over the range of the page. */
function dragged(u: uPlot): void {
  const { left, width } = u.select;
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  zoom(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
}

/** Midnight as a date, every other time as hours and minutes. */
function tick(seconds: number): string {
  const at = new Date(seconds * 1000);
  const time = clock(at.toISOString(), at).slice(0, 5);
  return time === "00:00" ? day(at).slice(5) : time;
}

function options(root: Element, summary: Summary, width: number, point: (i: number | null) => void): uPlot.Options {
  const bars = uPlot.paths.bars?.({ size: [1, 60], gap: 1 });
  const axis = { stroke: colour(root, "--cm-muted"), font: FONT, ticks: { show: false } };
  const grid = { stroke: colour(root, "--cm-line"), width: 1 };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    ...(isUtc() && { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") }),
    cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
    scales: {
      x: { time: true, range: (_, min, max) => [min - summary.window.step_seconds / 2, max + summary.window.step_seconds / 2] },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.05 : 1] },
      p95: { range: (_, __, max) => [0, max > 0 ? max * 1.15 : 1] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 70, values: (_, ticks) => ticks.map(tick) },
      { ...axis, grid, size: 76, values: (_, ticks) => ticks.map(rateUnit(ticks)) },
      { ...axis, scale: "p95", side: 1, size: 58, grid: { show: false }, values: (_, ticks) => ticks.map((v) => duration(v)) },
    ],
    series: [
      {},
      ...[...LAYERS].reverse().map((name) => ({
        fill: colour(root, `--cm-fill-${name}`),
        width: 0,
        paths: bars,
        points: { show: false },
      })),
      { scale: "p95", stroke: colour(root, "--cm-ink"), width: 1.5, points: { size: 4 }, spanGaps: false },
    ],
    hooks: { setCursor: [(u) => point(u.cursor.idx ?? null)] },
  };
}

export function Outcomes({ summary, range }: { summary: Summary; range: Range }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const theme = useTheme();
  const utc = useUtc();
  const { seconds, step_seconds: step } = summary.window;
  const { series } = summary;
  const cursor = useCursor(series.t, step, describe(summary), (i) => told(series, i));

  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const chart = new uPlot(
      { ...options(box, summary, box.clientWidth, setPointed) },
      table(summary) as uPlot.AlignedData,
      box,
    );
    chart.hooks.setSelect = [(u) => u.select.width > 2 && dragged(u)];
    plot.current = chart;
    const resize = new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: HEIGHT }));
    resize.observe(box);
    return () => {
      resize.disconnect();
      chart.destroy();
    };
    // A new chart for another window or theme; new figures of the same window are put into the old one below.
  }, [theme, utc, seconds, step]);

  useEffect(() => {
    plot.current?.setData(table(summary) as uPlot.AlignedData);
  }, [summary]);
  usePlotCursor(plot, series.t.map((t) => t + step / 2), cursor.at, cursor.stretch, step / 2);

  return (
    <section class="cm-card cm-outcomes">
      <header>
        <h2>Executions by outcome</h2>
        <a href={executions(range)}>executions</a>
        <Legend summary={summary} at={cursor.at ?? pointed} />
      </header>
      <div ref={place} class="cm-plot" onPointerMove={cursor.clear} {...cursor.keys} />
    </section>
  );
}

/** Names, colours and figures: of the step under the pointer, else of the window. */
function Legend({ summary, at }: { summary: Summary; at: number | null }) {
  const { series, totals } = summary;
  const start = at == null ? undefined : series.t[at];
  const figure = (name: (typeof LAYERS)[number]) =>
    at == null || start == null ? sum(series[name]) : (series[name][at] ?? null);
  const p95 = at == null || start == null ? totals.runtime_seconds.p95 : series.runtime_p95[at];
  return (
    <ul class="cm-legend">
      {start != null && <li class="cm-when">{clock(new Date(start * 1000).toISOString(), new Date())}</li>}
      {[...LAYERS].reverse().map((name) => (
        <li key={name}>
          <i class={`cm-swatch cm-fill-${name}`} /> {name} <b>{count(figure(name))}</b>
        </li>
      ))}
      <li>
        <i class="cm-swatch cm-swatch-line" /> p95 runtime <b>{duration(p95)}</b>
      </li>
    </ul>
  );
}

function sum(values: readonly Num[]): number {
  return values.reduce<number>((all, v) => all + (v ?? 0), 0);
}

/** The figures of one step, as the legend has them. */
function told(series: Series, at: number): string {
  const counts = [...LAYERS].reverse().map((name) => `${count(series[name][at] ?? null)} ${name}`);
  return [...counts, `p95 runtime ${duration(series.runtime_p95[at])}`].join(", ");
}

function describe(summary: Summary): string {
  const counts = LAYERS.map((name) => `${count(sum(summary.series[name]))} ${name}`).join(", ");
  return `Executions by outcome: ${counts}; most in one step ${count(top(summary.series.succeeded))} succeeded.`;
}
