/** Asks the worker for layouts. */

import type { Layout, Room } from "./graph-layout.ts";
import type { Graph } from "./graph.ts";

/** Name of the worker's file, as the build has it. */
declare const GRAPH_WORKER: string;

/** What the worker is sent. */
export interface Asked {
  number: number;
  graph: Pick<Graph, "nodes" | "edges">;
  room: Room;
}

/** What it answers. */
export interface Laid {
  number: number;
  layout: Layout;
}

interface Waiting {
  done: (layout: Layout) => void;
  failed: (error: unknown) => void;
}

let worker: Worker | null = null;
let asked = 0;
const waiting = new Map<number, Waiting>();

/** Where a graph stands. */
export function laidOut(graph: Pick<Graph, "nodes" | "edges">, room: Room): Promise<Layout> {
  worker ??= started();
  const question: Asked = { number: ++asked, graph: { nodes: graph.nodes, edges: graph.edges }, room };
  worker.postMessage(question);
  return new Promise((done, failed) => waiting.set(question.number, { done, failed }));
}

function started(): Worker {
  const one = new Worker(new URL(GRAPH_WORKER, import.meta.url), { type: "module" });
  one.addEventListener("message", ({ data }: MessageEvent<Laid>) => {
    waiting.get(data.number)?.done(data.layout);
    waiting.delete(data.number);
  });
  one.addEventListener("error", (event) => {
    for (const { failed } of waiting.values()) failed(event.message || "the worker could not be started");
    waiting.clear();
    one.terminate();
    worker = null;
  });
  return one;
}
