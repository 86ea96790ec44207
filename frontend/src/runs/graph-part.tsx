/** The graph's place beside the waterfall: its file, with the library that lays it out, is fetched when it is first looked at. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Notice } from "../parts/notice.tsx";
import type { GraphProps } from "./graph-view.tsx";

/** Steps that a graph is made of one by one: with more it could not be read, and the others are told by task. */
export const MOST_STEPS = 500;

let view: ComponentType<GraphProps> | null = null;

export function GraphPart(props: Omit<GraphProps, "fail">) {
  const [, setThere] = useState(false);
  const [gone, setGone] = useState(false);
  const fail = (error: unknown) => {
    console.warn(error);
    setGone(true);
  };
  useEffect(() => {
    if (view) return;
    import("./graph-view.tsx").then(
      (file) => {
        view = file.GraphView;
        setThere(true);
      },
      fail,
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
  const many = props.run.executions.length > MOST_STEPS; // of the waterfall's answer; the graph's own is on its way
  return View && !many ? <View {...props} fail={fail} /> : <div class="cm-graph-coming" />;
}
