/** A table that can be sorted by its heads, keeps its order while pointed at, and is cut after a screenful. */

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { plural } from "./format.ts";
import { kept, type Key, type Order, sorted } from "./sort.ts";

export interface Column<Row> {
  id: string;
  title: string;
  /** What the figures are, shown on hover of the head. */
  hint?: string;
  key: (row: Row) => Key;
  cell: (row: Row) => ComponentChildren;
  /** Text is left-aligned and sorted upwards first. */
  text?: boolean;
  /** Left out on narrow screens: 1 first, 2 only on phones. */
  minor?: 1 | 2;
}

interface Props<Row> {
  title: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  name: (row: Row) => string;
  order: Order;
  /** Singular and plural of what a row is. */
  nouns: [string, string?];
  empty: ComponentChildren;
}

const SCREENFUL = 15; // rows

export function Table<Row>({ title, rows, columns, name, order: first, nouns, empty }: Props<Row>) {
  const [order, setOrder] = useState(first);
  const [all, setAll] = useState(false);
  const [pointed, setPointed] = useState(false);
  const shown = useRef<string[]>([]);
  const column = columns.find((c) => c.id === order.column) ?? columns[0];
  const ordered = pointed
    ? kept(rows, name, shown.current)
    : sorted(rows, column?.key ?? name, name, order.descending);
  shown.current = ordered.map(name);
  const visible = all ? ordered : ordered.slice(0, SCREENFUL);

  function sortBy(next: Column<Row>): void {
    setPointed(false);
    setOrder({ column: next.id, descending: order.column === next.id ? !order.descending : !next.text });
  }

  return (
    <section class="cm-card">
      <header>
        <h2>{title}</h2>
        {rows.length > 0 && <span class="cm-muted">{plural(rows.length, ...nouns)}</span>}
      </header>
      {rows.length === 0 && <p class="cm-none">{empty}</p>}
      {rows.length > 0 && (
        <div class="cm-scroll" tabIndex={0} role="region" aria-label={title}>
          <table>
            <thead>
              <tr>{columns.map((c) => <Head key={c.id} column={c} order={order} sort={() => sortBy(c)} />)}</tr>
            </thead>
            <tbody onMouseEnter={() => setPointed(true)} onMouseLeave={() => setPointed(false)}>
              {visible.map((row) => (
                <tr key={name(row)}>
                  {columns.map((c) => (
                    <td key={c.id} class={classes(c)}>{c.cell(row)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rows.length > SCREENFUL && (
        <button type="button" class="cm-button cm-more" onClick={() => setAll(!all)}>
          {all ? `Show the first ${SCREENFUL}` : `Show all ${rows.length}`}
        </button>
      )}
    </section>
  );
}

function classes<Row>(column: Column<Row>): string {
  return `${column.text ? "cm-text" : "cm-number"} ${column.minor ? `cm-minor-${column.minor}` : ""}`;
}

function Head<Row>({ column, order, sort }: { column: Column<Row>; order: Order; sort: () => void }) {
  const active = order.column === column.id;
  const direction = order.descending ? "descending" : "ascending";
  return (
    <th scope="col" class={classes(column)} aria-sort={active ? direction : undefined} title={column.hint}>
      <button type="button" onClick={sort}>
        {column.title}
        <span aria-hidden="true" class="cm-arrow">{active ? (order.descending ? "▾" : "▴") : ""}</span>
      </button>
    </th>
  );
}
