/** The answer to a page's question, before any figure: a state, a sentence, and the reasons for it. */

import type { ComponentChildren } from "preact";
import type { Mark } from "../words/marks.ts";

interface Props {
  mark: Mark;
  /** The answer in a few words. */
  text: ComponentChildren;
  /** A figure or two that belong to it. */
  aside?: ComponentChildren;
  /** Reasons, one to a line. */
  children?: ComponentChildren;
}

export function Finding({ mark, text, aside, children }: Props) {
  const tint = { ok: "ok", warning: "warning", critical: "critical", lost: "critical" }[mark.tone as string] ?? "unknown";
  return (
    <section class={`cm-finding cm-verdict-${tint}`} aria-label="Finding">
      <p class="cm-found">
        <span class={`cm-state-${mark.tone}`} aria-hidden="true">{mark.shape}</span> <b>{text}</b>
        {aside && <span class="cm-muted"> {aside}</span>}
      </p>
      {children}
    </section>
  );
}
