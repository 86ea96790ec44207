/** The hands on a graph's frame: dragging, pinching, the wheel, and what part is shown. */

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { fitted, moved, type Part, type Size, whole, zoomed } from "./pan-zoom.ts";

/** What is first shown is not smaller. */
export const LEGIBLE = 0.6;
const WHEEL = 0.0015; // of a factor, per px
const STEP = 1.25;
const DRAGGED = 4; // px until a press is no click

export interface Hands {
  part: Part;
  /** Size of the frame; null until it is known. */
  frame: Size | null;
  /** Whether nothing lies beyond the frame. */
  whole: boolean;
  /** Show another part; null: the whole again. */
  show: (part: Part | null) => void;
  zoom: (out?: boolean) => void;
  fit: () => void;
  pointer: Record<"onPointerDown" | "onPointerMove" | "onPointerUp" | "onPointerCancel", (event: PointerEvent) => void> & { onClickCapture: (event: MouseEvent) => void };
}

/** What part of a drawing the frame shows; until somebody moves it, its beginning in a legible size, or all of it. */
export function useHands(element: RefObject<HTMLElement | null>, drawing: Size): Hands {
  const frame = useSize(element);
  const [chosen, setChosen] = useState<Part | null>(null);
  const part = chosen ?? fitted(drawing, frame ?? drawing, LEGIBLE);
  const now = useRef(part);
  now.current = part;
  const show = (next: Part | null) => {
    if (next) now.current = next; // a second event may come before the page is drawn
    setChosen(next);
  };
  useWheel(element, (factor, at) => show(zoomed(now.current, factor, at)));
  const middle = () => ({ x: (frame?.width ?? 0) / 2, y: (frame?.height ?? 0) / 2 });
  return {
    part,
    frame,
    show,
    zoom: (out = false) => show(zoomed(now.current, out ? 1 / STEP : STEP, middle())),
    // Where all of it is legible it goes on fitting when it grows.
    fit: () => show(frame && !whole(fitted(drawing, frame, LEGIBLE), drawing, frame) ? fitted(drawing, frame) : null),
    whole: frame !== null && whole(part, drawing, frame),
    pointer: usePointers(element, now, show),
  };
}

function useSize(element: RefObject<HTMLElement | null>): Size | null {
  const [size, setSize] = useState<Size | null>(null);
  useLayoutEffect(() => {
    const measure = () => {
      const { clientWidth: width, clientHeight: height } = element.current!;
      setSize((old) => (old?.width === width && old.height === height ? old : { width, height }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  return size;
}

/** The wheel zooms once the graph has been touched, or with Ctrl as a pinch on a pad has it; else it moves the page. */
function useWheel(element: RefObject<HTMLElement | null>, zoom: (factor: number, at: { x: number; y: number }) => void): void {
  const doing = useRef(zoom);
  doing.current = zoom;
  useEffect(() => {
    const frame = element.current!;
    const turned = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey && !frame.contains(document.activeElement)) return;
      event.preventDefault();
      const pixels = event.deltaMode === event.DOM_DELTA_LINE ? event.deltaY * 16 : event.deltaY;
      doing.current(Math.exp(-pixels * WHEEL * (event.ctrlKey ? 4 : 1)), within(frame, event));
    };
    frame.addEventListener("wheel", turned, { passive: false }); // preact's own could not keep the page still
    return () => frame.removeEventListener("wheel", turned);
  }, []);
}

function within(frame: Element, event: MouseEvent): { x: number; y: number } {
  const { left, top } = frame.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

/** One pointer drags, two pinch. */
function usePointers(element: RefObject<HTMLElement | null>, now: { current: Part }, show: (part: Part) => void): Hands["pointer"] {
  const down = useRef(new Map<number, { x: number; y: number }>());
  const way = useRef(0);
  const ended = (event: PointerEvent) => void down.current.delete(event.pointerId);
  return {
    onPointerDown(event) {
      if (event.button !== 0) return;
      if (!down.current.size) way.current = 0;
      down.current.set(event.pointerId, within(element.current!, event));
    },
    onPointerMove(event) {
      const from = down.current.get(event.pointerId);
      if (!from) return;
      const to = within(element.current!, event);
      way.current += Math.abs(to.x - from.x) + Math.abs(to.y - from.y);
      down.current.set(event.pointerId, to);
      if (way.current < DRAGGED) return;
      element.current!.setPointerCapture(event.pointerId);
      const other = [...down.current].find(([id]) => id !== event.pointerId)?.[1];
      if (!other) return show(moved(now.current, to.x - from.x, to.y - from.y));
      const apart = (one: { x: number; y: number }) => Math.max(Math.hypot(one.x - other.x, one.y - other.y), 1);
      show(zoomed(now.current, apart(to) / apart(from), { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 }));
    },
    onPointerUp: ended,
    onPointerCancel: ended,
    // The end of a drag is no click on what lies under it.
    onClickCapture(event) {
      if (way.current >= DRAGGED) event.stopPropagation();
      if (way.current >= DRAGGED) event.preventDefault();
      if (event.detail) way.current = 0;
    },
  };
}
