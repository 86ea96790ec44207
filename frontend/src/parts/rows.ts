/** A table by keyboard: up and down lead to the same column of another row, Escape behind the table. */

const FAR = 10; // rows
const STOPS = "a[href], button, input, select, summary, [tabindex='0']";

/** What a key pressed in a table does; keys that do nothing here are left to the browser. */
export function pressedIn(event: KeyboardEvent): void {
  const cell = (event.target as Element).closest<HTMLTableCellElement>("td, th");
  const table = cell?.closest("table");
  if (!cell || !table || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const there = event.key === "Escape" ? behind(table) ?? table.parentElement : inRows(table, cell, event.key);
  if (!there) return;
  there.focus();
  event.preventDefault();
}

function inRows(table: HTMLTableElement, cell: HTMLTableCellElement, key: string): HTMLElement | null {
  const rows = [...table.rows]; // the first is the head
  const at = rows.indexOf(cell.parentElement as HTMLTableRowElement);
  const to = { ArrowUp: at - 1, ArrowDown: at + 1, PageUp: at - FAR, PageDown: at + FAR, Home: 1, End: rows.length - 1 }[key];
  if (to === undefined) return null;
  const step = to < at ? -1 : 1;
  const least = key === "ArrowUp" ? 0 : 1; // only a single step leads into the head
  for (let n = Math.max(least, Math.min(rows.length - 1, to)); n !== at && rows[n]; n += step) {
    const stop = rows[n]?.cells[cell.cellIndex]?.querySelector<HTMLElement>(STOPS) ?? rows[n]?.querySelector<HTMLElement>(STOPS);
    if (stop) return stop;
  }
  return null;
}

/** What Tab would come to after all rows. */
function behind(table: HTMLTableElement): HTMLElement | undefined {
  const all = document.querySelectorAll<HTMLElement>(STOPS);
  return [...all].find((e) => table.compareDocumentPosition(e) === Node.DOCUMENT_POSITION_FOLLOWING && e.offsetParent !== null);
}
