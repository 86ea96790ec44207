/** Where a run's graph stands: dagre places nodes and bends edges; frames, curves and who is next to whom are reckoned here. */

import { Graph as Dagre, layout as place } from "@dagrejs/dagre";
import type { Edge, Graph, Node } from "./graph.ts";

/** Where time goes. */
export type Direction = "right" | "down";
export type Room = keyof typeof WIDTHS;

export interface Box {
  /** Left upper corner. */
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  width: number;
  height: number;
  boxes: Map<string, Box>;
  /** Path of each edge as SVG has it, by `nameOf`. */
  curves: Map<string, string>;
}

/** All nodes are as wide as the longest name takes, within bounds: what stands beside each other has to fit the page. */
export const WIDTHS = { wide: { least: 168, most: 272 }, narrow: { least: 160, most: 176 } };
const HEIGHT = 46;
const LETTER = 8.3; // px across, on average, in bold
const SIGNS = 64; // px beside a name
const COUNT = 7; // letters of a group's number
export const MEMBER = { width: 92, height: 24, gap: 4 };
/** Of an open group: what stands above its members, what around them, and below them when a list has more. */
export const FRAME = { head: 46, edge: 8, foot: 24 };
const JOIN = 8; // px across
const MOST_COLUMNS = 12;
const GAPS = { nodesep: 16, edgesep: 8, ranksep: 44, marginx: 2, marginy: 2 };
const SHAPE = 2; // an open group is about so many times as wide as high

export function nameOf({ from, to }: Pick<Edge, "from" | "to">): string {
  return `${from} > ${to}`;
}

/** What the layout depends on: as long as it is the same, nothing moves. */
export function structure({ nodes, edges }: Pick<Graph, "nodes" | "edges">, room: Room): string {
  const width = widthOf(nodes, room);
  const sizes = nodes.map((n) => [n.key, n.kind, n.open ? [n.members.length, hasMore(n)] : 0]);
  return JSON.stringify([room, width, sizes, edges.map((e) => [e.from, e.to])]);
}

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
  for (const node of nodes) dagre.setNode(node.key, sizeOf(node, least));;
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

export function columns(members: number): number {
  const wide = Math.sqrt((members * SHAPE * MEMBER.height) / MEMBER.width);
  return Math.max(2, Math.min(Math.ceil(wide), MOST_COLUMNS));
}

/** Whether a group has more members than its open frame shows. */
export function hasMore(node: Pick<Node, "count" | "members">): boolean {
  return node.count > node.members.length;
}

export function widthOf(nodes: readonly Node[], room: Room): number {
  const { least, most } = WIDTHS[room];
  const letters = Math.max(0, ...nodes.map((n) => n.name.length + (n.count > 1 ? COUNT : 0)));
  return Math.round(Math.max(least, Math.min(SIGNS + letters * LETTER, most)));
}

/** @param least width of a node that is not open */
export function sizeOf(node: Node, least: number): { width: number; height: number } {
  if (node.kind === "join") return { width: JOIN, height: JOIN };
  if (!node.open) return { width: least, height: HEIGHT };
  const across = columns(node.members.length);
  const down = Math.ceil(node.members.length / across);
  return {
    width: Math.max(across * (MEMBER.width + MEMBER.gap) - MEMBER.gap + 2 * FRAME.edge, least),
    height: FRAME.head + down * (MEMBER.height + MEMBER.gap) - MEMBER.gap + FRAME.edge + (hasMore(node) ? FRAME.foot : 0),
  };
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

export type Arrow = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown";

/** The box to go to from another by an arrow key: the nearest in that direction, what lies aside counts double. */
export function beside(boxes: ReadonlyMap<string, Box>, from: string, arrow: Arrow): string | null {
  const here = boxes.get(from);
  if (!here) return null;
  const sign = arrow === "ArrowLeft" || arrow === "ArrowUp" ? -1 : 1;
  const along = arrow === "ArrowLeft" || arrow === "ArrowRight";
  let best: { key: string; far: number } | null = null;
  for (const [key, there] of boxes) {
    const dx = middle(there.x, there.width) - middle(here.x, here.width);
    const dy = middle(there.y, there.height) - middle(here.y, here.height);
    const [ahead, aside] = along ? [dx * sign, Math.abs(dy)] : [dy * sign, Math.abs(dx)];
    if (key === from || ahead <= 1 || there.width <= JOIN) continue;
    const far = ahead + 2 * aside;
    if (!best || far < best.far) best = { key, far };
  }
  return best?.key ?? null;
}

function middle(at: number, size: number): number {
  return at + size / 2;
}

/** The member of an open group to go to from another; null: out of the group. */
export function inGrid(number: number, members: number, arrow: Arrow): number | null {
  const across = columns(members);
  const column = number % across;
  if (arrow === "ArrowLeft") return column > 0 ? number - 1 : null;
  if (arrow === "ArrowRight") return column < across - 1 && number + 1 < members ? number + 1 : null;
  const other = arrow === "ArrowUp" ? number - across : number + across;
  return other >= 0 && other < members ? other : null;
}
