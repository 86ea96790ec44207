/** The first line: is it fine, and if not, why. */

import type { ComponentChildren } from "preact";
import type { Summary } from "../api/summary.ts";
import { Badge } from "../parts/badge.tsx";
import { Told } from "../parts/told.tsx";
import { mark } from "../words/marks.ts";

const SHOWN = 4; // reasons; the alerts below have all of them

export function Verdict({ summary, children }: { summary: Summary; children: ComponentChildren }) {
  const { checks, reasons, namespace } = summary;
  const whole = mark(summary.state);
  const more = reasons.length - SHOWN;
  return (
    <div class={`cm-verdict cm-verdict-${whole.tone}`}>
      <h1>
        <span class={`cm-state-${whole.tone}`}>
          <span aria-hidden="true">{whole.shape}</span> {whole.word}
        </span>{" "}
        <small>
          {checks.total > 0 && summary.state !== "empty" && `${checks.ok} of ${checks.total} checks ok · `}
          {namespace}
        </small>
      </h1>
      {children}
      {reasons.length > 0 && (
        <div class="cm-reasons" role="status">
          <ul>
            {reasons.slice(0, SHOWN).map((r) => (
              <li key={`${r.rule} ${r.subject} ${r.text}`}>
                <Badge mark={mark(r.state)} /> <Told {...r} />
              </li>
            ))}
            {more > 0 && <li class="cm-muted">and {more} more</li>}
          </ul>
        </div>
      )}
    </div>
  );
}
