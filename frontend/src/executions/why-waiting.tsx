/** Why one execution waits: the reason, where its delay went, and what runs in the slots it waits for. */

import { execution, worker as workerLink } from "../address/links.ts";
import type { Waiting } from "../api/queues.ts";
import { Parts, partsOf } from "../parts/delay-parts.tsx";
import { Facts } from "../parts/facts.tsx";
import { Finding } from "../parts/finding.tsx";
import { serverNow } from "../words/clock.ts";
import { clock, duration } from "../words/format.ts";
import { unservedMark } from "../words/queue-marks.ts";

const SHOWN = 5; // slots; the worker's page has all
const WAITS = { shape: "◌", word: "waiting", tone: "waiting" } as const;

export function WhyWaiting({ waiting: w }: { waiting: Waiting }) {
  return (
    <>
      <Finding mark={w.because === "no_consumer" ? unservedMark() : WAITS} text={`Has waited ${duration(w.seconds)}: ${w.text}`}>
        {w.slots.length > 0 && (
          <ul>
            {w.slots.slice(0, SHOWN).map((s) => (
              <li key={`${s.worker} ${s.pid} ${s.id}`}>
                {s.id ? <a href={execution(s.id)}>{s.task}</a> : s.task} runs for {duration(s.seconds)} on <a href={workerLink(s.worker)}>{s.worker}</a>
              </li>
            ))}
            {w.slots.length > SHOWN && <li class="cm-muted">and others</li>}
          </ul>
        )}
        {w.delivered_twice && <p>▲ It will run twice: the broker gives it out again at {clock(w.delivered_twice_at, serverNow())}, before it is due.</p>}
      </Finding>
      <section class="cm-card cm-padded">
        <Facts
          facts={[
            { name: "of it", value: <Parts row={w} /> },
            ...partsOf(w).map((p) => ({ name: p.name, value: duration(p.seconds), hint: p.tone === "hold" && w.hold_error_seconds ? `may be off by ${duration(w.hold_error_seconds)}: requests are looked at now and then` : undefined })),
            w.due_at ? { name: "due", value: clock(w.due_at, serverNow()) } : null,
            { name: "held by", value: w.held_by ? <a href={workerLink(w.held_by)}>{w.held_by}</a> : "nobody" },
          ]}
        />
      </section>
    </>
  );
}
