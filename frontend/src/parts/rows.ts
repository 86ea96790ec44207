/** A table by keyboard: up and down lead to the same column of another row, Escape behind the table. */

const FAR = 10; // rows
const STOPS = "a[href], button, input, select, summary, [tabindex='0']";

/** What a key pressed in a table does; keys that do nothing here are left to the browser. */
export function pressedIn(event: KeyboardEvent): void {
  const cell = (event.target as Element).closest<HTMLTableCellElement>("td, th");
  const table = cell?.closest("table");
  if (!cell || !table || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const end = { Home: "start", End: "end" }[event.key] as "start" | "end" | undefined;
  const there = event.key === "Escape" ? (behind(table) ?? table.parentElement) : end ? table : inRows(table, cell, event.key);
  if (!there) return;
  event.preventDefault();
  if (end) toEnd(table, cell.cellIndex, end);
  else there.focus();
}

/** The rows that are drawn; the head is the first of them. */
function drawn(table: HTMLTableElement): HTMLTableRowElement[] {
  return [...table.rows].filter((row) => row.ariaHidden !== "true");
}

function inRows(table: HTMLTableElement, cell: HTMLTableCellElement, key: string): HTMLElement | null {
  const rows = drawn(table);
  const at = rows.indexOf(cell.parentElement as HTMLTableRowElement);
  const to = { ArrowUp: at - 1, ArrowDown: at + 1, PageUp: at - FAR, PageDown: at + FAR }[key];
  if (to === undefined) return null;
  const step = to < at ? -1 : 1;
  const least = key === "ArrowUp" ? 0 : 1; // only a single step leads into the head
  for (let n = Math.max(least, Math.min(rows.length - 1, to)); n !== at && rows[n]; n += step) {
    const stop = stopIn(rows[n], cell.cellIndex);
    if (stop) return stop;
  }
  return null;
}

function stopIn(row: HTMLTableRowElement | undefined, column: number): HTMLElement | null {
  return row?.cells[column]?.querySelector<HTMLElement>(STOPS) ?? row?.querySelector<HTMLElement>(STOPS) ?? null;
}

/** To the first or the last of all rows; of a long table they are drawn as soon as it is scrolled there. */
function toEnd(table: HTMLTableElement, column: number, end: "start" | "end"): void {
  table.tBodies[0]?.scrollIntoView({ block: end, behavior: "instant" });
  const focus = () => stopIn(drawn(table).at(end === "start" ? 1 : -1), column)?.focus();
  if (table.querySelector(".cm-room")) requestAnimationFrame(() => requestAnimationFrame(focus));
  else focus();
}

/** What Tab would come to after all rows. */
function behind(table: HTMLTableElement): HTMLElement | undefined {
  const all = document.querySelectorAll<HTMLElement>(STOPS);
  return [...all].find((e) => table.compareDocumentPosition(e) === Node.DOCUMENT_POSITION_FOLLOWING && e.offsetParent !== null);
}
