/** A table that can be sorted, filtered and saved, keeps its order while pointed at or gone through by keyboard, and is cut after a screenful. */

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { changed } from "../address/links.ts";
import { go, useAddress } from "../address/location.ts";
import { plural } from "../words/format.ts";
import { csv, type Value } from "./csv.ts";
import { download } from "./download.ts";
import { useHeld } from "./held.ts";
import { useNear } from "./near.ts";
import { pressedIn } from "./rows.ts";
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
  /** What a file has in this column, where that is not `key`. */
  value?: (row: Row) => Value;
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
  /** Name of the files it can be saved as; it cannot without. */
  file?: string;
  /** Whether rows can be narrowed by a text and filter and order stand in the address: for a page's one main table. */
  main?: boolean;
  /** Rows shown at first. */
  screenful?: number;
  /** Stands beside the title. */
  children?: ComponentChildren;
}

const SCREENFUL = 15; // rows

/** Order of an address: "-ended" is by the column `ended`, downwards. */
function orderOf(search: string, otherwise: Order): Order {
  const text = new URLSearchParams(search).get("sort");
  return text ? { column: text.replace(/^-/, ""), descending: text.startsWith("-") } : otherwise;
}

export function Table<Row>(props: Props<Row>) {
  const { title, columns, name, nouns, empty, file, main = false, screenful = SCREENFUL, children } = props;
  const { search } = useAddress();
  const [own, setOrder] = useState(props.order);
  const order = main ? orderOf(search, props.order) : own;
  const wanted = main ? (new URLSearchParams(search).get("q") ?? "") : "";
  const rows = wanted ? props.rows.filter((row) => holds(row, columns, wanted)) : props.rows;
  const [all, setAll] = useState(false);
  const { held, release, hands } = useHeld();
  const shown = useRef<string[]>([]);
  const column = columns.find((c) => c.id === order.column) ?? columns[0];
  const ordered = held
    ? kept(rows, name, shown.current)
    : sorted(rows, column?.key ?? name, name, order.descending);
  shown.current = ordered.map(name);
  const visible = all ? ordered : ordered.slice(0, screenful);
  const body = useRef<HTMLTableSectionElement>(null);
  const { first, last, above, below } = useNear(body, visible.length);

  function sortBy(next: Column<Row>): void {
    release();
    const descending = order.column === next.id ? !order.descending : !next.text;
    if (main) go(changed(search, { sort: `${descending ? "-" : ""}${next.id}` }), true);
    else setOrder({ column: next.id, descending });
  }

  return (
    <section class="cm-card">
      <header>
        <h2>{title}</h2>
        {rows.length > 0 && <span class="cm-muted">{plural(rows.length, ...nouns)}</span>}
        {children}
        {main && props.rows.length > 0 && (
          <input
            type="search"
            class="cm-filter"
            value={wanted}
            placeholder="filter rows"
            aria-label={`Filter the rows of ${title}`}
            onInput={(e) => go(changed(search, { q: e.currentTarget.value }), true)}
          />
        )}
        {file && rows.length > 0 && <Files file={file} columns={columns} rows={ordered} />}
      </header>
      {rows.length === 0 && <p class="cm-none">{wanted ? "No row has this in it." : empty}</p>}
      {rows.length > 0 && (
        <div class="cm-scroll" tabIndex={0} role="region" aria-label={title}>
          <table onKeyDown={pressedIn} aria-rowcount={visible.length + 1}>
            <thead>
              <tr>{columns.map((c) => <Head key={c.id} column={c} order={order} sort={() => sortBy(c)} />)}</tr>
            </thead>
            <tbody ref={body} {...hands}>
              {above > 0 && <Room key="above" height={above} />}
              {visible.slice(first, last).map((row, i) => (
                <tr key={name(row)} aria-rowindex={first + i + 2}>
                  {columns.map((c) => (
                    <td key={c.id} class={classes(c)}>{c.cell(row)}</td>
                  ))}
                </tr>
              ))}
              {below > 0 && <Room key="below" height={below} />}
            </tbody>
          </table>
        </div>
      )}
      {rows.length > screenful && (
        <button type="button" class="cm-button cm-more" onClick={() => setAll(!all)}>
          {all ? `Show the first ${screenful}` : `Show all ${rows.length}`}
        </button>
      )}
    </section>
  );
}

/** The place of rows that are not drawn. */
function Room({ height }: { height: number }) {
  return <tr aria-hidden="true" class="cm-room"><td style={{ height: `${height}px` }} /></tr>;
}

/** Whether one of the texts of a row has a text in it, whatever its case. */
function holds<Row>(row: Row, columns: readonly Column<Row>[], wanted: string): boolean {
  const lower = wanted.toLowerCase();
  return columns.some((c) => c.text && String((c.value ?? c.key)(row) ?? "").toLowerCase().includes(lower));
}

function Files<Row>({ file, columns, rows }: { file: string; columns: readonly Column<Row>[]; rows: readonly Row[] }) {
  const table = () => csv(columns.map((c) => c.id), rows.map((row) => columns.map((c) => (c.value ?? c.key)(row))));
  return (
    <span class="cm-files">
      <button type="button" class="cm-button" onClick={() => download(`${file}.csv`, "text/csv", table())}>CSV</button>
      <button type="button" class="cm-button" onClick={() => download(`${file}.json`, "application/json", JSON.stringify(rows, null, 1))}>JSON</button>
    </span>
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
