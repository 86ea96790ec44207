/** What of a drawing a frame shows: moved and zoomed. Pure. */

/** The drawing is shown `scale` times as large, its left upper corner at x and y of the frame, px. */
export interface Part {
  x: number;
  y: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

const LEAST = 0.05;
const MOST = 2;
const EDGE = 16; // px around a drawing that fits

/**
 * The whole drawing in the middle of its frame, never enlarged.
 * @param legible least scale: a larger drawing begins at the left upper corner and goes on beyond the frame
 */
export function fitted(drawing: Size, frame: Size, legible = LEAST): Part {
  const room = (whole: number, part: number) => (part > 0 ? Math.max(whole - 2 * EDGE, 1) / part : 1);
  const scale = Math.max(Math.min(1, room(frame.width, drawing.width), room(frame.height, drawing.height)), legible);
  const place = (whole: number, part: number) => (part * scale <= whole ? (whole - part * scale) / 2 : EDGE);
  return { x: place(frame.width, drawing.width), y: place(frame.height, drawing.height), scale };
}

export function moved({ x, y, scale }: Part, dx: number, dy: number): Part {
  return { x: x + dx, y: y + dy, scale };
}

/** Larger or smaller by a factor; what is at a point of the frame stays there. */
export function zoomed(part: Part, factor: number, at: { x: number; y: number }): Part {
  const scale = Math.min(MOST, Math.max(LEAST, part.scale * factor));
  const by = scale / part.scale;
  return { x: at.x - (at.x - part.x) * by, y: at.y - (at.y - part.y) * by, scale };
}

/** Moved just so far that a box of the drawing is seen; the same when it is. */
export function revealing(part: Part, box: { x: number; y: number } & Size, frame: Size): Part {
  const shift = (from: number, size: number, at: number, whole: number): number => {
    const [start, end] = [at + from * part.scale, at + (from + size) * part.scale];
    if (start < EDGE || end - start > whole - 2 * EDGE) return EDGE - start;
    return end > whole - EDGE ? whole - EDGE - end : 0;
  };
  return moved(part, shift(box.x, box.width, part.x, frame.width), shift(box.y, box.height, part.y, frame.height));
}

/** Whether nothing of the drawing lies beyond the frame. */
export function whole({ x, y, scale }: Part, drawing: Size, frame: Size): boolean {
  return x >= 0 && y >= 0 && x + drawing.width * scale <= frame.width && y + drawing.height * scale <= frame.height;
}
