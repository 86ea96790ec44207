/** Draws a part of a long list of rows: measures them, follows the scrolling, and brings rows into sight. */

import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { drawn, offsets, type Range, revealing, STEP, WHOLE } from "./row-window.ts";

const USUAL = 24; // px of a row, until one has been measured

/** A row by its key, and what rows of the same height have in common; no key is a shape. */
interface Measured {
  key: string;
  shape: string;
}

export interface RowWindow {
  range: Range;
  /** Where each row begins and the list ends, px. */
  begins: readonly number[];
  /** Bring a row into sight, and focus what can be pressed in it. */
  reveal: (row: number) => void;
  /** Bring a row into sight, and leave the focus where it is. */
  show: (row: number) => void;
}

/**
 * @param frame what scrolls
 * @param list what the rows are children of; each has its number as `data-row`
 */
export function useRowWindow(frame: RefObject<HTMLElement | null>, list: RefObject<HTMLElement | null>, rows: readonly Measured[]): RowWindow {
  const [sight, setSight] = useState({ top: 0, height: innerHeight, width: 0 });
  const [measured, remeasured] = useReducer<number, void>((n) => n + 1, 0);
  const heights = useRef(new Map<string, number>());
  const wanted = useRef<number | null>(null);
  const aim = useRef<number | null>(null);
  const begins = useMemo(() => offsets(heightsOf(rows, heights.current)), [rows, measured]);
  const range = drawn(begins, sight.top, sight.height);

  useLayoutEffect(() => {
    const element = frame.current!;
    const look = () => {
      const top = Math.max(element.scrollTop - list.current!.offsetTop, 0);
      const now = { top: top - (top % STEP), height: element.clientHeight, width: element.clientWidth };
      setSight((old) => {
        if (old.width !== now.width) heights.current.clear(); // names wrap elsewhere
        return old.top === now.top && old.height === now.height && old.width === now.width ? old : now;
      });
    };
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);

  useLayoutEffect(() => {
    const news = rows.length > WHOLE && measure(list.current!, rows, heights.current);
    if (news) remeasured();
    if (aim.current !== null && scrollTo(frame.current!, list.current!, begins, aim.current) && !news) aim.current = null;
    const button = wanted.current === null ? null : list.current!.querySelector<HTMLElement>(`[data-row="${wanted.current}"] > button`);
    if (!button) return;
    wanted.current = null;
    button.focus({ preventScroll: true });
  });

  const reveal = (row: number) => {
    const element = frame.current!;
    const above = list.current!.offsetTop;
    wanted.current = row;
    element.scrollTop = revealing(begins, row, element.scrollTop, element.clientHeight - above);
    remeasured(); // also when nothing had to be scrolled
  };
  const show = (row: number) => {
    aim.current = row;
    remeasured(); // once it is drawn its place is known to the px
  };
  return { range, begins, reveal, show };
}

/** Scroll a row that is not in sight to the middle; whether it is drawn, as where it stands is guessed before. */
function scrollTo(frame: HTMLElement, list: HTMLElement, begins: readonly number[], row: number): boolean {
  const element = list.querySelector<HTMLElement>(`[data-row="${row}"]`);
  const box = element?.getBoundingClientRect();
  const from = box ? box.top - list.getBoundingClientRect().top : begins[row]!;
  const height = box?.height ?? begins[row + 1]! - from;
  const room = frame.clientHeight - list.offsetTop; // the axis stays on top of it
  if (from < frame.scrollTop || from + height > frame.scrollTop + room) frame.scrollTop = from - (room - height) / 2;
  element?.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" }); // the page too
  return element !== null;
}

/** Heights of rows that are not drawn are those of others of their shape. */
function* heightsOf(rows: readonly Measured[], heights: ReadonlyMap<string, number>): Iterable<number> {
  for (const { key, shape } of rows) yield heights.get(key) ?? heights.get(shape) ?? USUAL;
}

/** Note the heights of the rows that are drawn; whether one is another than was known. */
function measure(list: HTMLElement, rows: readonly Measured[], heights: Map<string, number>): boolean {
  let news = false;
  for (const element of list.children as Iterable<Element> & HTMLCollection) {
    const row = rows[Number((element as HTMLElement).dataset.row)];
    if (!row) continue;
    const height = element.getBoundingClientRect().height;
    const known = heights.get(row.key) ?? heights.get(row.shape) ?? USUAL;
    if (!heights.has(row.shape)) heights.set(row.shape, height);
    if (Math.abs(known - height) < 0.5) continue;
    heights.set(row.key, height);
    news = true;
  }
  return news;
}
