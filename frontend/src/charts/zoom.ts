/** What is chosen in a picture becomes the time of the page, and can be taken back. */

import { go } from "../address/location.ts";
import { withRange } from "../address/window.ts";
import { serverNow } from "../words/clock.ts";

const ZOOMED = "zoomed"; // state of the history's entry

/** Look at a stretch, in seconds since the epoch; the newest step of a picture ends later than the API has anything to tell. */
export function zoom(start: number, end: number): void {
  const [since, until] = [moment(start), moment(Math.min(end, Math.ceil(serverNow().getTime() / 1000)))];
  if (since >= until) return;
  go(withRange(location.search, since, until));
  history.replaceState(ZOOMED, "");
}

/** Return to what was looked at before; false when the page was not zoomed in a picture. */
export function unzoom(): boolean {
  if (history.state !== ZOOMED) return false;
  history.back();
  return true;
}

function moment(seconds: number): string {
  return new Date(Math.round(seconds) * 1000).toISOString();
}
