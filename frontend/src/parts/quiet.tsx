/** Nothing happened in a window, or between two moments; what to do about it. */

import type { ComponentChildren } from "preact";
import { useAddress } from "../address/location.ts";
import { withWindow } from "../address/window.ts";
import type { Window } from "../api/runs.ts";
import { clock } from "../words/format.ts";
import { Notice, Quiet } from "./notice.tsx";

export function Ending({ window, what, children }: { window: Window; what: string; children?: ComponentChildren }) {
  const { search } = useAddress();
  if (!new URLSearchParams(search).get("since")) return <Quiet seconds={window.seconds} what={what}>{children}</Quiet>;
  const now = new Date();
  return (
    <Notice tone="unknown" title={`${what} from ${clock(window.start, now)} to ${clock(window.end, now)}.`}>
      {children} <a class="cm-button" href={withWindow(search, "24h")}>Look at the last 24h</a>
    </Notice>
  );
}
