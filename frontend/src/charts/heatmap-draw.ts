/** Paints a chart over time on a canvas: latency as a heatmap with lines, ends by outcome as bars below it. */

import type { Num } from "../api/basics.ts";
import type { Heatmap } from "../api/tasks.ts";
import { clock, day, duration, rate } from "../words/format.ts";
import { isUtc } from "../words/zone.ts";
import { type Box, cells, durationTicks, LEVELS, logScale, pieces, type Scale, spread, stretch, timeTicks, xOf, yOf } from "./heatmap.ts";
import { perSecond, stack, top } from "./scale.ts";
import { colour } from "./theme.ts";

export interface Layer {
  name: string;
  /** Part of the custom property `--cm-fill-…` that colours it. */
  fill: string;
  values: readonly Num[];
}

export interface Line {
  name: string;
  values: readonly Num[];
  dash: number[];
}

export interface Picture {
  t: readonly number[];
  step: number;
  /** When the figures are of, in s: the last column may go on still. */
  end: number;
  heatmap?: Heatmap;
  lines?: readonly Line[];
  /** Counts of each column, the first on the ground. */
  layers: readonly Layer[];
}

/** Where everything is; `heat` is null without a heatmap. */
export interface Layout {
  heat: Box | null;
  bars: Box;
  width: number;
  height: number;
}

const AXIS = 22; // px below the bars
const FONT = "12px system-ui, sans-serif";
const FAINTEST = 0.2; // of the first level's colour: less cannot be told from the ground

export function layout(width: number, withHeat: boolean): Layout {
  const narrow = width < 560;
  const across = { left: narrow ? 64 : 74, width: Math.max(40, width - (narrow ? 64 : 74) - (withHeat ? 34 : 8)) };
  const heat = withHeat ? { ...across, top: 8, height: narrow ? 170 : 220 } : null;
  const bars = { ...across, top: heat ? heat.top + heat.height + 16 : 8, height: heat ? 72 : 110 };
  return { heat, bars, width, height: bars.top + bars.height + AXIS };
}

export function paint(canvas: HTMLCanvasElement, picture: Picture, at: Layout): void {
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(at.width * ratio);
  canvas.height = Math.round(at.height * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.font = FONT;
  pen.textBaseline = "middle";
  paintTimes(pen, canvas, picture, at);
  paintBars(pen, canvas, picture, at.bars);
  if (at.heat && picture.heatmap) paintHeat(pen, canvas, picture, picture.heatmap, at.heat);
}

function paintTimes(pen: CanvasRenderingContext2D, root: Element, picture: Picture, at: Layout): void {
  const over = stretch(picture.t, picture.step);
  const ahead = isUtc() ? 0 : -new Date(over.start * 1000).getTimezoneOffset() * 60;
  const top = (at.heat ?? at.bars).top;
  const bottom = at.bars.top + at.bars.height;
  pen.textAlign = "center";
  for (const second of timeTicks(over, Math.max(2, at.bars.width / 80), ahead)) {
    const x = Math.round(xOf(second, over, at.bars)) + 0.5;
    stroke(pen, colour(root, "--cm-line"), 1, [], () => {
      pen.moveTo(x, top);
      pen.lineTo(x, bottom + 4);
    });
    pen.fillStyle = colour(root, "--cm-muted");
    pen.fillText(tick(second, over.end - over.start), Math.min(x, at.width - 18), bottom + 13);
  }
}

/** Midnight as a date, other times as hours and minutes, with seconds where columns are that close. */
function tick(second: number, over: number): string {
  const moment = new Date(second * 1000);
  const text = clock(moment.toISOString(), moment);
  if (text === "00:00:00") return day(moment).slice(5);
  return over < 300 ? text : text.slice(0, 5);
}

function paintBars(pen: CanvasRenderingContext2D, root: Element, picture: Picture, box: Box): void {
  const rates = picture.layers.map((layer) => perSecond(layer.values, picture.t, picture.step, picture.end));
  const sums = stack(rates);
  const highest = top(sums[sums.length - 1] ?? []);
  const y = (n: number) => box.top + box.height * (1 - (highest ? n / highest : 0));
  const edge = (i: number) => Math.round(box.left + (i / picture.t.length) * box.width);
  const ground = colour(root, "--cm-line");
  for (const n of highest ? [highest, 0] : [0]) {
    stroke(pen, ground, 1, [], () => {
      pen.moveTo(box.left, Math.round(y(n)) + 0.5);
      pen.lineTo(box.left + box.width, Math.round(y(n)) + 0.5);
    });
  }
  pen.textAlign = "right";
  pen.fillStyle = colour(root, "--cm-muted");
  if (highest) pen.fillText(rate(highest), box.left - 6, box.top + 4);
  pen.fillText("0", box.left - 6, box.top + box.height);
  picture.layers.forEach((layer, n) => {
    pen.fillStyle = colour(root, `--cm-fill-${layer.fill}`);
    rates[n]?.forEach((value, i) => {
      if (!value) return;
      const [high, low] = [y(sums[n]?.[i] ?? 0), y(n ? (sums[n - 1]?.[i] ?? 0) : 0)];
      // A single failure among thousands would be thinner than can be seen.
      const height = Math.max(layer.fill === "failed" ? 2 : 0.5, low - high);
      pen.fillRect(edge(i), low - height, Math.max(1, edge(i + 1) - edge(i) - 1), height);
    });
  });
}

function paintHeat(pen: CanvasRenderingContext2D, root: Element, picture: Picture, heat: Heatmap, box: Box): void {
  const scale = logScale(heat.bounds);
  pen.textAlign = "right";
  for (const seconds of heat.bounds.length ? durationTicks(scale, Math.floor(box.height / 24)) : []) {
    const y = Math.round(yOf(seconds, scale, box)) + 0.5;
    stroke(pen, colour(root, "--cm-line"), 1, [], () => {
      pen.moveTo(box.left, y);
      pen.lineTo(box.left + box.width, y);
    });
    pen.fillStyle = colour(root, "--cm-muted");
    pen.fillText(duration(seconds), box.left - 6, y);
  }
  pen.fillStyle = colour(root, "--cm-fill-running");
  for (const cell of cells(heat.counts, heat.bounds, scale, box)) {
    pen.globalAlpha = shade(cell.level);
    pen.fillRect(cell.left, cell.top, cell.width, cell.height);
  }
  pen.globalAlpha = 1;
  paintLines(pen, root, picture.lines ?? [], scale, box);
}

/** Opacity of a level. */
export function shade(level: number): number {
  return FAINTEST + ((1 - FAINTEST) * (level - 1)) / (LEVELS - 1);
}

function paintLines(pen: CanvasRenderingContext2D, root: Element, lines: readonly Line[], scale: Scale, box: Box): void {
  const surface = colour(root, "--cm-surface");
  const ink = colour(root, "--cm-ink");
  const ends = lines.map((line) => {
    const found = pieces(line.values, scale, box);
    const draw = () => {
      for (const piece of found) {
        piece.forEach(({ x, y }, i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
        const [alone, more] = piece;
        if (alone && !more) pen.lineTo(alone.x + 3, alone.y);
      }
    };
    // A rim of the ground's colour: ink on the darkest cells of the dark theme would be lost.
    stroke(pen, surface, 4, [], draw);
    stroke(pen, ink, 1.5, line.dash, draw);
    return found.at(-1)?.at(-1)?.y ?? null;
  });
  const known = lines.map((line, i) => ({ name: line.name, y: ends[i] ?? null })).filter((l): l is { name: string; y: number } => l.y !== null);
  const places = spread(known.map((l) => l.y), 13, box.top + 4, box.top + box.height - 2);
  pen.textAlign = "left";
  pen.fillStyle = ink;
  known.forEach((l, i) => pen.fillText(l.name, box.left + box.width + 5, places[i] ?? l.y));
}

function stroke(pen: CanvasRenderingContext2D, style: string, width: number, dash: number[], draw: () => void): void {
  pen.beginPath();
  pen.strokeStyle = style;
  pen.lineWidth = width;
  pen.lineJoin = "round";
  pen.setLineDash(dash);
  draw();
  pen.stroke();
  pen.setLineDash([]);
}
