/** The first line of a page and what it says when there is nothing to show: loading, refused, gone, old. */

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { View } from "../answers/answer.ts";
import { isFinal } from "../answers/ask.ts";
import { Controls } from "./controls.tsx";
import { Notice, Trouble } from "./notice.tsx";

interface Props<T> {
  view: View<T>;
  /** What the page is about, for the browser's tab; the heading too unless `heading` is given. */
  title: string;
  heading?: ComponentChildren;
  /** Pause between two questions in words, as `useAnswer` was told. */
  every?: string;
  /** Window of the page when its address names none; null for pages without one. */
  window?: string | null;
  /** What to say when the API knows nothing by that id or name. */
  missing?: ComponentChildren;
  children: (answer: T) => ComponentChildren;
}

/** A page around one answer: heading, controls, and the answer drawn by `children`, dimmed while it is old. */
export function Sheet<T>({ view, title, heading, every = "5 s", window = null, missing, children }: Props<T>) {
  const { answer, at, problem, link } = view;
  useEffect(() => {
    document.title = `${title} · Monitor - Flower`;
  }, [title]);
  const gone = problem?.code === "not_found";
  return (
    <>
      <div class="cm-head">
        <h1>{heading ?? title}</h1>
        <Controls link={gone ? "live" : link} words={{ live: `Every ${every}`, polling: problem && isFinal(problem) ? "Not asked again" : "Trying again" }} window={window} />
      </div>
      {gone && !answer && <Notice tone="unknown" title="Nothing is recorded of it.">{missing ?? problem.message}</Notice>}
      {problem && !(gone && !answer) && <Trouble problem={problem} since={at?.toISOString() ?? null} />}
      {!answer && !problem && <Notice tone="unknown" title="Loading…" />}
      {answer && <div class={problem ? "cm-old" : ""}>{children(answer)}</div>}
    </>
  );
}
