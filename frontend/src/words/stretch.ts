/** What a page looks at, in words: "the last 1 h", or from when to when. */

import type { Range } from "../address/window.ts";
import { serverNow } from "./clock.ts";
import { clock, span } from "./format.ts";

interface Shown {
  seconds: number;
  start: string;
  end: string;
}

/** The window that was answered, whole steps of it, as the range that was asked for is called. */
export function stretch(window: Shown, range: Range): string {
  if (!("since" in range)) return `the last ${span(window.seconds)}`;
  return `${clock(window.start, serverNow())} – ${clock(window.end, new Date(window.start))}`;
}

/** The period of the same length that a window is compared with. */
export function before(window: Shown): string {
  return `the ${span(window.seconds)} before`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
