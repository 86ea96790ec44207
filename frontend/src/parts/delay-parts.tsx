/** Where a message's delay went so far, as parts of one bar: until it was due, in the broker, held by a worker. */

import type { Waiting } from "../api/queues.ts";
import { duration } from "../words/format.ts";

interface Part {
  name: string;
  tone: "later" | "wait" | "hold";
  seconds: number;
}

export function partsOf(row: Waiting): Part[] {
  const parts: Part[] = [
    { name: row.retry_backoff_seconds ? "until its retry" : "until due", tone: "later", seconds: row.eta_seconds + row.retry_backoff_seconds },
    { name: "in the broker", tone: "wait", seconds: row.broker_seconds },
    { name: "held", tone: "hold", seconds: row.hold_seconds },
  ];
  return parts.filter((p) => p.seconds > 0);
}

export function Parts({ row }: { row: Waiting }) {
  const parts = partsOf(row);
  const error = row.hold_error_seconds ? ` (± ${duration(row.hold_error_seconds)})` : "";
  const words = parts.map((p) => `${p.name} ${duration(p.seconds)}${p.tone === "hold" ? error : ""}`).join(", ");
  return (
    <span class="cm-parts" title={words}>
      <span class="cm-where-bar" aria-hidden="true">{parts.map((p) => <span key={p.tone} class={`cm-where-${p.tone}`} style={{ flexGrow: p.seconds }} />)}</span>
      <span class="cm-unseen">{words}</span>
    </span>
  );
}
