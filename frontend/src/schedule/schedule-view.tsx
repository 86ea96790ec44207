/** Lanes of scheduled entries: when each was due (hollow) and when it ran (filled), faults with a shape of their own. */

import { changed } from "../address/links.ts";
import type { Entry } from "../api/schedule.ts";
import { Badge } from "../parts/badge.tsx";
import { clock, day } from "../words/format.ts";
import { executionMark } from "../words/states.ts";
import { edgesOf, lane, type Lane, type LaneMark, scheduleMark, worst } from "./schedule-lanes.ts";

const TICKS = 5;
const HEIGHT = 26; // px of a lane
const ROOM = 0.05; // of a lane, for a number
const LAST = 0.9; // of the axis: what is written beyond would be cut
const MIDDLE = HEIGHT / 2;
const STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000];

interface Props {
  entries: readonly Entry[];
  window: { start: string; end: string };
  search: string;
  selected: string | null;
}

export function Lanes({ entries, window, search, selected }: Props) {
  const edges = edgesOf(window.start, window.end);
  const now = Date.parse(window.end);
  const marks = times(edges);
  return (
    <section class="cm-card">
      <header>
        <h2>Expected against actual</h2>
        <Legend />
      </header>
      <ol class="cm-lanes" aria-label="Lanes of the entries">
        <li class="cm-lane-row cm-lane-axis" aria-hidden="true">
          <span />
          <span class="cm-lane-times">{marks.map((t) => <span key={t.ms} style={{ left: `${t.at * 100}%` }}>{t.at < LAST && t.text}</span>)}</span>
        </li>
        {entries.map((e) => (
          <li key={e.entry} class="cm-lane-row" aria-current={e.entry === selected ? "true" : undefined}>
            <span class="cm-lane-name">
              <Badge mark={scheduleMark(worst(e))} />{" "}
              <a href={changed(search, { entry: e.entry === selected ? null : e.entry })} title={`${e.entry}\n${e.task}`}>{e.entry}</a>{" "}
              <small class="cm-muted">{e.schedule}</small>
            </span>
            <Drawn lane={lane(e, edges, now)} grid={marks.map((t) => t.at)} words={inWords(e)} />
          </li>
        ))}
      </ol>
    </section>
  );
}

/** "30 expected, 29 sent, 1 missed". */
export function inWords(e: Entry): string {
  const faults = (["late", "missed", "duplicate", "unsent", "overlapping"] as const).filter((s) => e[s] > 0).map((s) => `${e[s]} ${scheduleMark(s).word}`);
  return [`${e.expected} expected`, `${e.sent} sent`, ...faults].join(", ");
}

/** Round moments between the edges, in the reader's zone. */
function times([from, to]: [number, number]): { ms: number; at: number; text: string }[] {
  const wanted = (to - from) / 1000 / TICKS;
  const step = (STEPS.find((s) => s >= wanted) ?? STEPS.at(-1)!) * 1000;
  const shift = step >= 3_600_000 ? new Date(from).getTimezoneOffset() * 60_000 : 0;
  const found = [];
  for (let ms = Math.ceil((from - shift) / step) * step + shift; ms < to; ms += step) {
    const at = new Date(ms);
    const text = step >= 86_400_000 ? day(at).slice(5) : clock(at.toISOString(), at).slice(0, 5);
    found.push({ ms, at: (ms - from) / (to - from), text });
  }
  return found;
}

function Drawn({ lane, grid, words }: { lane: Lane; grid: readonly number[]; words: string }) {
  const percent = (x: number) => `${Math.round(x * 1e4) / 100}%`;
  return (
    <svg class="cm-lane" width="100%" height={HEIGHT} role="img" aria-label={words}>
      <title>{words}</title>
      {grid.map((x) => <line key={x} class="cm-lane-grid" x1={percent(x)} x2={percent(x)} y1={0} y2={HEIGHT} />)}
      <line class="cm-lane-ground" x1="0" x2={percent(lane.now)} y1={MIDDLE} y2={MIDDLE} />
      {lane.band && <rect class="cm-lane-band" x={percent(lane.band[0])} width={percent(lane.band[1] - lane.band[0])} y={MIDDLE - 4} height={8} />}
      {lane.marks.map((m, i) => <Happened key={i} mark={m} percent={percent} />)}
      {lane.due.map((x) => <circle key={x} class="cm-lane-due" cx={percent(x)} cy={MIDDLE} r={4} />)}
      <line class="cm-lane-now" x1={percent(lane.now)} x2={percent(lane.now)} y1={2} y2={HEIGHT - 2} />
    </svg>
  );
}

function Happened({ mark, percent }: { mark: LaneMark; percent: (x: number) => string }) {
  const { shape, tone, word } = scheduleMark(mark.kind === "run" ? "on_time" : mark.kind);
  const many = mark.count > 1 ? `${mark.count} × ` : "";
  const state = mark.state ? `, ${executionMark(mark.state).word}` : "";
  const filled = mark.kind === "missed" || mark.kind === "unsent" ? null : <rect class={`cm-lane-run cm-lane-${mark.state ? executionMark(mark.state).tone : "ok"}`} x={percent(mark.from)} style={{ width: `max(3px, ${percent(mark.to - mark.from)})` }} y={MIDDLE - 5} height={10} rx={1} />;
  return (
    <g>
      <title>{`${many}${word}${state}`}</title>
      {mark.kind === "missed" && mark.to > mark.from && <rect class="cm-lane-gap" x={percent(mark.from)} width={percent(mark.to - mark.from)} y={MIDDLE - 5} height={10} />}
      {filled}
      {mark.kind !== "run" && (
        <text class={`cm-lane-shape cm-state-${tone}`} x={percent((mark.from + (mark.kind === "missed" ? mark.to : mark.from)) / 2)} y={mark.kind === "missed" ? MIDDLE + 5 : MIDDLE - 5}>
          {shape}{mark.count > 1 && mark.kind === "missed" && mark.to - mark.from > ROOM ? ` ${mark.count}` : ""}
        </text>
      )}
    </g>
  );
}

function Legend() {
  return (
    <ul class="cm-legend cm-lane-legend">
      <li><i class="cm-lane-hollow" /> due</li>
      <li><i class="cm-swatch cm-fill-succeeded" /> ran</li>
      {["late", "missed", "duplicate", "unsent"].map((s) => (
        <li key={s}><span class={`cm-state-${scheduleMark(s).tone}`} aria-hidden="true">{scheduleMark(s).shape}</span> {scheduleMark(s).word}</li>
      ))}
      <li><i class="cm-lane-pale" /> all on time</li>
    </ul>
  );
}
