/** Where a run's graph stands: dagre places nodes and bends edges, frames and curves are reckoned here. */

import { Graph as Dagre, layout as place } from "@dagrejs/dagre";
import { type Box, type Layout, nameOf, type Room, sizeOf, widthOf } from "./graph-layout.ts";
import type { Graph } from "./graph.ts";

/** Where time goes. */
type Direction = "right" | "down";

const GAPS = { nodesep: 16, edgesep: 8, ranksep: 44, marginx: 2, marginy: 2 };

/** Time goes to the right; on a narrow page down, if that is less wide. */
export function layout(graph: Pick<Graph, "nodes" | "edges">, room: Room): Layout {
  const right = placed(graph, room, "right");
  const down = room === "narrow" ? placed(graph, room, "down") : right;
  return down.width < right.width ? down : right;
}

function placed({ nodes, edges }: Pick<Graph, "nodes" | "edges">, room: Room, direction: Direction): Layout {
  const dagre = new Dagre();
  dagre.setGraph({ rankdir: direction === "right" ? "LR" : "TB", ...GAPS });
  dagre.setDefaultEdgeLabel(() => ({}));
  const least = widthOf(nodes, room);
  for (const node of nodes) dagre.setNode(node.key, sizeOf(node, least));
  for (const { from, to } of edges) dagre.setEdge(from, to);
  place(dagre);
  const { width = 0, height = 0 } = dagre.graph() as { width?: number; height?: number };
  const boxes = new Map(nodes.map(({ key }) => [key, box(dagre.node(key) as Box)]));
  const curves = new Map(edges.map((e) => {
    const { points = [] } = dagre.edge(e.from, e.to) as { points?: Point[] };
    return [nameOf(e), curve(points, boxes.get(e.from)!, boxes.get(e.to)!, direction)];
  }));
  return { width: finite(width), height: finite(height), boxes, curves };
}

/** An empty graph is infinitely small to dagre. */
function finite(size: number): number {
  return Number.isFinite(size) ? size : 0;
}

/** Dagre gives centres. */
function box({ x, y, width, height }: Box): Box {
  return { x: x - width / 2, y: y - height / 2, width, height };
}

interface Point {
  x: number;
  y: number;
}

/** A curve that leaves a node in the direction of time and arrives so, by way of dagre's bends in between. */
function curve(points: readonly Point[], from: Box, to: Box, direction: Direction): string {
  const right = direction === "right";
  const start = right ? { x: from.x + from.width, y: from.y + from.height / 2 } : { x: from.x + from.width / 2, y: from.y + from.height };
  const end = right ? { x: to.x, y: to.y + to.height / 2 } : { x: to.x + to.width / 2, y: to.y };
  const ahead = (p: Point) => (right ? p.x > start.x && p.x < end.x : p.y > start.y && p.y < end.y);
  const way = [start, ...points.slice(1, -1).filter(ahead), end];
  const parts = way.slice(1).map((p, i) => {
    const last = way[i]!;
    const half = right ? (last.x + p.x) / 2 : (last.y + p.y) / 2;
    return right ? `C${n(half)},${n(last.y)} ${n(half)},${n(p.y)} ${n(p.x)},${n(p.y)}` : `C${n(last.x)},${n(half)} ${n(p.x)},${n(half)} ${n(p.x)},${n(p.y)}`;
  });
  return `M${n(start.x)},${n(start.y)}${parts.join("")}`;
}

function n(value: number): number {
  return Math.round(value * 10) / 10;
}
