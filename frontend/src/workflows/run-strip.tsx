/** The newest runs of a workflow as bars from old to new: how long each took and how it ended; each opens its run. */

import { run as runLink } from "../address/links.ts";
import type { Run } from "../api/runs.ts";
import { top } from "../charts/scale.ts";
import { clock, duration } from "../words/format.ts";
import { runMark } from "../words/states.ts";

export function RunStrip({ runs }: { runs: readonly Run[] }) {
  const known = runs.filter((r) => r.duration_seconds != null).sort((a, b) => ((a.started_at ?? "") < (b.started_at ?? "") ? -1 : 1));
  const over = known.filter((r) => r.ended_at);
  const highest = top(over.map((r) => r.duration_seconds)); // one that lasts and lasts would flatten all others
  if (known.length < 2 || !highest) return null;
  return (
    <section class="cm-card cm-padded">
      <h2>Duration of the newest runs <span class="cm-muted">up to {duration(highest)}</span></h2>
      <ol class="cm-strip">
        {known.map((r) => {
          const mark = runMark(r.state);
          const said = `${mark.word}, ${duration(r.duration_seconds)}, ${clock(r.started_at, new Date())}`;
          return (
            <li key={r.id}>
              <a href={runLink(r.id)} title={said} aria-label={said}>
                <span class={`cm-wf-bar-run cm-wf-${mark.tone}`} style={{ height: `${Math.min(100, Math.max(3, ((r.duration_seconds ?? 0) / highest) * 100))}%` }} />
                {mark.tone !== "ok" && <small class={`cm-state-${mark.tone}`} aria-hidden="true">{mark.shape}</small>}
              </a>
            </li>
          );
        })}
      </ol>
      <p class="cm-strip-times cm-muted" style={{ maxWidth: `${known.length * 25}px` }}>
        <span>{clock(known[0]?.started_at, new Date())}</span>
        <span>{clock(known.at(-1)?.started_at, new Date())}</span>
      </p>
    </section>
  );
}
