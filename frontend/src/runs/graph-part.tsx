/** The graph's place beside the waterfall: its file, with the library that lays it out, is fetched when it is first looked at. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Notice } from "../parts/notice.tsx";
import type { GraphProps } from "./graph-view.tsx";

let view: ComponentType<GraphProps> | null = null;

export function GraphPart(props: GraphProps) {
  const [, setThere] = useState(false);
  const [gone, setGone] = useState(false);
  useEffect(() => {
    if (view) return;
    import("./graph-view.tsx").then(
      (file) => {
        view = file.GraphView;
        setThere(true);
      },
      (error: unknown) => {
        console.warn(error);
        setGone(true);
      },
    );
  }, []);
  if (gone)
    return (
      <Notice tone="warning" title="The graph could not be fetched.">
        Flower does not answer, or celery-monitor was upgraded since this tab was opened.{" "}
        <a class="cm-button" href={location.href} target="_self">Load it again</a>
      </Notice>
    );
  const View = view;
  return View ? <View {...props} /> : <div class="cm-graph-coming" />;
}
