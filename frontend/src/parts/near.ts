/** Of a long table only the rows near what is seen are drawn; the others are empty room. */

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const LONG = 150; // rows: fewer are all drawn
const MARGIN = 25; // rows on each side of what is seen: farther than a key leads
const BLOCK = 10; // rows: scrolling by less draws nothing anew
const USUAL = 26; // px of a row that was not measured yet

/** The rows from `first` to before `last`, and the room of those before and after, in px. */
export interface Near {
  first: number;
  last: number;
  above: number;
  below: number;
}

/**
 * @param rows how many there are
 * @param height of one, in px
 * @param top of the first within the window, below 0 when that has been scrolled past
 * @param seen height of the window
 */
export function near(rows: number, height: number, top: number, seen: number): Near {
  if (rows < LONG) return { first: 0, last: rows, above: 0, below: 0 };
  const first = Math.min(rows - 1, Math.max(0, Math.floor(-top / height) - MARGIN));
  const last = Math.max(1, Math.ceil((seen - top) / height) + MARGIN);
  const from = Math.floor(first / BLOCK) * BLOCK;
  const to = Math.min(rows, Math.max(from + MARGIN, Math.ceil(last / BLOCK) * BLOCK));
  return { first: from, last: to, above: from * height, below: (rows - to) * height };
}

/** What of a table's body is to be drawn now. */
export function useNear(body: RefObject<HTMLTableSectionElement | null>, rows: number): Near {
  const [, setChanges] = useState(0);
  const drawn = useRef<Near>(near(rows, USUAL, 0, innerHeight));
  const height = useRef(USUAL);
  if (rows < LONG || drawn.current.first >= rows) drawn.current = near(rows, height.current, 0, innerHeight);
  drawn.current = { ...drawn.current, last: Math.min(rows, drawn.current.last), below: Math.max(0, (rows - drawn.current.last) * height.current) };
  const look = () => {
    if (!body.current || rows < LONG) return;
    const box = body.current.getBoundingClientRect();
    const { first, last, above, below } = drawn.current;
    if (last > first && box.height > above + below) height.current = (box.height - above - below) / (last - first);
    const next = near(rows, height.current, box.top, innerHeight);
    if (next.first === first && next.last === last) return;
    drawn.current = next;
    setChanges((n) => n + 1);
  };
  const latest = useRef(look);
  latest.current = look;
  useLayoutEffect(() => look(), [rows]);
  useEffect(() => {
    const moved = () => latest.current();
    addEventListener("scroll", moved, { passive: true });
    addEventListener("resize", moved);
    return () => {
      removeEventListener("scroll", moved);
      removeEventListener("resize", moved);
    };
  }, []);
  return drawn.current;
}
