/** How large the nodes of a run's graph are, what their places depend on, and who is next to whom; graph-place.ts places them. */

import type { Edge, Graph, Node } from "./graph.ts";

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
