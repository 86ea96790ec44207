/** A chart by keyboard: arrows go from point to point, with Shift they choose a stretch, Enter zooms, Escape takes back. */

import { useState } from "preact/hooks";
import { clock } from "../words/format.ts";
import { unzoom, zoom } from "./zoom.ts";

/** A point and the other end of a stretch, none of them at first. */
export interface Cursor {
  at: number | null;
  from: number | null;
}

export const NOWHERE: Cursor = { at: null, from: null };
const FAR = 10; // the tenth of a chart is a long step

/** Where a key leads among so many points; null for a key that moves nothing. */
export function moved(key: string, shift: boolean, { at, from }: Cursor, points: number): Cursor | null {
  const far = Math.max(1, Math.round(points / FAR));
  const last = points - 1;
  const next = {
    ArrowLeft: (at ?? points) - 1,
    ArrowRight: (at ?? -1) + 1,
    PageDown: (at ?? points) - far,
    PageUp: (at ?? -1) + far,
    Home: 0,
    End: last,
  }[key];
  if (next === undefined || points < 1) return null;
  const there = Math.max(0, Math.min(last, next));
  return { at: there, from: shift ? (from ?? at ?? there) : null };
}

/** First and last point of what Enter zooms into, null when nothing is. */
export function chosenBy({ at, from }: Cursor): [number, number] | null {
  return at === null ? null : [Math.min(at, from ?? at), Math.max(at, from ?? at)];
}

/** The point of a moment: the last that does not begin after it. */
export function pointAt(t: readonly number[], moment: number | null): number | null {
  if (moment === null || !t.length) return null;
  return Math.max(0, t.filter((start) => start <= moment).length - 1);
}

/**
 * The cursor of one chart.
 * @param t starts of the points, in seconds; the cursor stays at its moment when they move on
 * @param tell the figures of a point in words
 */
export function useCursor(t: readonly number[], step: number, words: string, tell: (point: number) => string) {
  const [held, hold] = useState<Cursor>(NOWHERE); // moments
  const cursor = { at: pointAt(t, held.at), from: pointAt(t, held.from) };
  const chosen = chosenBy(cursor);
  const put = ({ at, from }: Cursor) => hold({ at: at === null ? null : t[at] ?? null, from: from === null ? null : t[from] ?? null });
  const stretch = chosen && chosen[0] < chosen[1] ? chosen : null;

  function pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = moved(event.key, event.shiftKey, cursor, t.length);
    if (next) put(next);
    else if (event.key === "Enter" && chosen) {
      hold(NOWHERE);
      zoom(t[chosen[0]] ?? 0, (t[chosen[1]] ?? 0) + step);
    } else if (event.key === "Escape" && cursor.at !== null) put({ at: cursor.from === null ? null : cursor.at, from: null });
    else if (event.key !== "Escape" || !unzoom()) return;
    event.preventDefault();
  }

  return {
    at: cursor.at,
    /** First and last point of a stretch of several. */
    stretch,
    clear: () => hold(NOWHERE),
    /** What makes an element such a chart: readers of screens tell a slider's value whenever it changes. */
    keys: {
      role: "slider" as const,
      tabIndex: 0,
      "aria-roledescription": "chart",
      "aria-label": words,
      "aria-valuemin": 0,
      "aria-valuemax": Math.max(0, t.length - 1),
      "aria-valuenow": cursor.at ?? Math.max(0, t.length - 1),
      "aria-valuetext": said(t, step, cursor.at, stretch, tell),
      onKeyDown: pressed,
      onBlur: () => hold(NOWHERE),
    },
  };
}

function said(t: readonly number[], step: number, at: number | null, stretch: [number, number] | null, tell: (point: number) => string): string {
  if (at === null) return "no point chosen, arrow keys choose one";
  const [first, last] = stretch ?? [at, at];
  const [start, end] = [(t[first] ?? 0) * 1000, ((t[last] ?? 0) + step) * 1000];
  const when = `${clock(new Date(start).toISOString(), new Date())} – ${clock(new Date(end).toISOString(), new Date(start))}`;
  return stretch ? `${when} chosen, Enter zooms` : `${when}: ${tell(at)}`;
}
