/** The graph: what leads to what in a run; many of one task are one node, what set the run's duration stands out. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { serverNow } from "../words/clock.ts";
import { LEGIBLE, useHands } from "./graph-frame.ts";
import { laidOut } from "./graph-elsewhere.ts";
import { type Arrow, beside, inGrid, type Layout, nameOf, type Room, structure } from "./graph-layout.ts";
import { GraphNode } from "./graph-node.tsx";
import { type Graph, graph } from "./graph.ts";
import { fitted, moved, revealing } from "./pan-zoom.ts";
import type { RunDetail } from "./steps.ts";

const NARROW = 600; // px of the page
const STEP = 60; // px an arrow key moves
const LOWEST = 150; // px of the frame
const HIGHEST = 0.68; // of the window

export interface GraphProps {
  run: RunDetail;
  /** Execution whose details are shown. */
  selected: string | null;
  select: (id: string) => void;
  /** Groups that were opened or folded by hand. */
  turned: ReadonlySet<string>;
  turn: (key: string) => void;
  /** Told when there is nothing that lays it out. */
  fail: (error: unknown) => void;
}

export function GraphView(props: GraphProps) {
  const { run, turned, fail } = props;
  const drawn = useMemo(() => graph(run, serverNow().getTime() / 1000, turned), [run, turned]);
  const found = useLayout(drawn, innerWidth < NARROW ? "narrow" : "wide", fail);
  return found ? <Frame {...props} {...found} /> : <div class="cm-graph-coming" />;
}

interface Placed {
  drawn: Graph;
  laid: Layout;
}

function Frame({ run, selected, select, turn, drawn, laid }: GraphProps & Placed) {
  const element = useRef<HTMLDivElement>(null);
  const hands = useHands(element, laid);
  const held = selected === null ? undefined : drawn.nodeOf.get(selected);
  const [last, setLast] = useState<string | null>(null);
  const stop = [last, held, drawn.nodes[0]?.key].find((key) => key != null && laid.boxes.has(key));
  const { frame, part, show } = hands;
  const reveal = (key: string) => {
    const there = laid.boxes.get(key);
    if (!there || !frame) return;
    const next = revealing(part, there, frame);
    if (next.x !== part.x || next.y !== part.y) show(next);
  };
  // What is chosen elsewhere, or left of a frame that has become smaller, is brought into sight.
  useLayoutEffect(() => (held === undefined ? undefined : reveal(held)), [held, frame?.width, frame?.height]);
  return (
    <div class="cm-graph-place">
      <div class="cm-graph-tools">
        <button type="button" class="cm-button" onClick={() => hands.zoom(true)} aria-label="Zoom out" title="Zoom out (−)">−</button>
        <button type="button" class="cm-button" onClick={() => hands.zoom()} aria-label="Zoom in" title="Zoom in (+)">+</button>
        <button type="button" class="cm-button" onClick={hands.fit} title="All of it (0)">Fit</button>
      </div>
      <div
        ref={element}
        class={`cm-graph ${hands.whole ? "cm-graph-whole" : ""}`}
        role="region"
        aria-label="Graph: arrow keys go from step to step, + and − zoom, 0 shows all of it; the waterfall tells the same as a list"
        tabIndex={0}
        style={{ height: `${heightOf(laid, frame?.width ?? laid.width)}px` }}
        onKeyDown={(event) => pressed(event, laid, hands)}
        onFocusCapture={(event) => {
          const key = (event.target as HTMLElement).dataset.node;
          if (key === undefined) return;
          if (laid.boxes.has(key)) setLast(key);
          if ((event.target as HTMLElement).matches(":focus-visible")) reveal(laid.boxes.has(key) ? key : drawn.nodeOf.get(key) ?? "");
        }}
        {...hands.pointer}
      >
        <div class="cm-graph-layer" style={{ width: `${laid.width}px`, height: `${laid.height}px`, transform: `translate(${part.x}px, ${part.y}px) scale(${part.scale})` }}>
          <Edges drawn={drawn} laid={laid} />
          {drawn.nodes.map((node) => (
            <GraphNode key={node.key} run={run.id} node={node} box={laid.boxes.get(node.key)!} selected={selected} holds={node.key === held} stop={node.key === stop} select={select} turn={turn} />
          ))}
        </div>
      </div>
    </div>
  );
}

/** Reckoned anew only when something else leads to something else: a refresh moves nothing. Until then all stays as it was. */
function useLayout(drawn: Graph, room: Room, fail: (error: unknown) => void): Placed | null {
  const wanted = useMemo(() => structure(drawn, room), [drawn, room]);
  const [found, setFound] = useState<(Placed & { of: string }) | null>(null);
  const last = useRef({ of: wanted, drawn });
  const busy = useRef(false);
  const gone = useRef(false);
  if (found?.of === wanted) last.current = { of: wanted, drawn };
  useEffect(() => {
    // One after the other: what grows faster than it is laid out is shown as it was a moment ago.
    if (busy.current || found?.of === wanted) return;
    busy.current = true;
    laidOut(drawn, room)
      .then((laid) => {
        busy.current = false;
        if (!gone.current) setFound({ of: wanted, drawn, laid });
      })
      .catch(fail);
  }, [wanted, found]);
  useEffect(() => () => void (gone.current = true), []);
  return found && { drawn: last.current.of === found.of ? last.current.drawn : found.drawn, laid: found.laid };
}

/** As high as all of it takes at the width there is, within what a window has. */
function heightOf(laid: Layout, width: number): number {
  const { scale } = fitted(laid, { width, height: Infinity }, LEGIBLE);
  return Math.round(Math.max(LOWEST, Math.min(laid.height * scale + 48, innerHeight * HIGHEST)));
}

function Edges({ drawn, laid }: { drawn: Graph; laid: Layout }) {
  const lines = drawn.edges.map((edge) => ({ edge, curve: laid.curves.get(nameOf(edge)) }));
  lines.sort((a, b) => Number(a.edge.lit) - Number(b.edge.lit)); // what is lit lies on top
  return (
    <svg class="cm-graph-edges" width={laid.width} height={laid.height} aria-hidden="true">
      {lines.map(({ edge, curve }) => curve && <path key={nameOf(edge)} class={edge.lit ? "cm-lit" : ""} d={curve} />)}
    </svg>
  );
}

const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];

/** On a step arrows go to the next one in their direction, on the frame they move what is shown. */
function pressed(event: KeyboardEvent, laid: Layout, hands: ReturnType<typeof useHands>): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const frame = event.currentTarget as HTMLElement;
  const focused = event.target as HTMLElement;
  if (event.key === "+" || event.key === "=") hands.zoom();
  else if (event.key === "-") hands.zoom(true);
  else if (event.key === "0") hands.fit();
  else if (ARROWS.includes(event.key)) {
    const key = focused.dataset.node;
    if (key === undefined) hands.show(pan(hands.part, event.key as Arrow));
    else next(frame, focused, key, laid, event.key as Arrow)?.focus({ preventScroll: true });
  } else return;
  event.preventDefault();
}

function pan(part: { x: number; y: number; scale: number }, arrow: Arrow) {
  const [dx, dy] = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[arrow] as [number, number];
  return moved(part, dx * STEP, dy * STEP);
}

/** The next to have the focus: another member of an open group, else another node. */
function next(frame: HTMLElement, focused: HTMLElement, key: string, laid: Layout, arrow: Arrow): HTMLElement | null | undefined {
  const open = focused.closest(".cm-node-open");
  const face = open?.querySelector<HTMLElement>(".cm-node-face");
  const members = [...(open?.querySelectorAll<HTMLElement>(".cm-member") ?? [])];
  const list = open?.querySelector<HTMLElement>(".cm-members-more");
  if (focused === face && arrow === "ArrowDown") return members[0];
  if (focused === list && arrow === "ArrowUp") return members.at(-1);
  const number = members.indexOf(focused);
  const other = number < 0 ? null : inGrid(number, members.length, arrow);
  if (other !== null) return members[other];
  if (number >= 0 && arrow === "ArrowUp") return face;
  if (number >= 0 && arrow === "ArrowDown" && list) return list;
  const found = beside(laid.boxes, face?.dataset.node ?? key, arrow);
  return [...frame.querySelectorAll<HTMLElement>(".cm-node-face")].find((one) => one.dataset.node === found);
}
