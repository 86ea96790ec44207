/** The run as a picture: the waterfall tells when, the graph what led to what; both show the same step as selected. */

import { useState } from "preact/hooks";
import { changed } from "../address/links.ts";
import { go } from "../address/location.ts";
import { plural } from "../words/format.ts";
import { GraphPart } from "./graph-part.tsx";
import { GraphLegend, WaterfallLegend } from "./legends.tsx";
import type { RunDetail } from "./steps.ts";
import { Waterfall } from "./waterfall-view.tsx";

interface Props {
  run: RunDetail;
  search: string;
  selected: string | null;
}

export function RunPicture({ run, search, selected }: Props) {
  const [unfolded, toggle] = useKeys();
  const [turned, turn] = useKeys();
  const select = (id: string) => go(changed(search, { step: id === selected ? null : id }), true);
  const asGraph = new URLSearchParams(search).get("view") === "graph";
  return (
    <section class="cm-card">
      <header>
        <h2>Steps</h2>
        <span class="cm-windows" role="group" aria-label="How the steps are shown">
          <a href={changed(search, { view: null })} aria-current={asGraph ? undefined : "true"}>Waterfall</a>
          <a href={changed(search, { view: "graph" })} aria-current={asGraph ? "true" : undefined}>Graph</a>
        </span>
        <span class="cm-muted">{plural(run.known, "step")}</span>
        {asGraph ? <GraphLegend /> : <WaterfallLegend />}
      </header>
      {asGraph
        ? <GraphPart run={run} selected={selected} select={select} turned={turned} turn={turn} />
        : <Waterfall run={run} selected={selected} select={select} unfolded={unfolded} toggle={toggle} />}
    </section>
  );
}

/** Keys that were chosen, and a function that chooses one or lets it go. */
function useKeys(): [ReadonlySet<string>, (key: string) => void] {
  const [keys, setKeys] = useState<ReadonlySet<string>>(new Set());
  return [keys, (key) => setKeys((old) => new Set(old.has(key) ? [...old].filter((k) => k !== key) : [...old, key]))];
}
