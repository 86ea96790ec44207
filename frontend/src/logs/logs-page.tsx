/** Log records of all executions, the newest first: by text, level, task and run. */

import { useRef } from "preact/hooks";
import { changed, execution, search as query } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { limits, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { LogRecord, Logs } from "../api/runs.ts";
import { Badge } from "../parts/badge.tsx";
import { csv } from "../parts/csv.ts";
import { download } from "../parts/download.ts";
import { Filters } from "../parts/filters.tsx";
import { Sheet } from "../parts/head.tsx";
import { useHeld } from "../parts/held.ts";
import { limitOf, More } from "../parts/more.tsx";
import { clock, plural } from "../words/format.ts";
import { levelMark, LEVELS } from "../words/log-levels.ts";
import { inline } from "../words/extra.ts";
import { marked } from "./marked.ts";

const WINDOW = "24h";
const TAIL_MS = 2_000;
const OLD_MS = 60_000;
const SEARCH_MS = 10_000; // a text that is rare has the store look at many records
const FILTERS = [
  { name: "text", example: "anywhere in it" },
  { name: "level", values: LEVELS.map((value) => ({ value, title: `${value.toLowerCase()} and above` })) },
  { name: "task", example: "exact name" },
  { name: "run", example: "id" },
] as const;

export function LogsPage({ search }: PageProps) {
  const given = new URLSearchParams(search);
  const filters = Object.fromEntries(FILTERS.map((f) => [f.name, given.get(f.name)]));
  const range = rangeOf(search, WINDOW);
  const asked = { ...filters, cursor: given.get("cursor"), limit: limitOf(search) };
  const over = Boolean(asked.cursor) || "since" in range; // nothing new can come
  const everyMs = over ? OLD_MS : filters.text || filters.run ? SEARCH_MS : TAIL_MS;
  const path = () => `/logs${query({ ...asked, ...limits(range, new Date()) })}`;
  const view = useAnswer<Logs>(path, query({ ...asked, ...range }), everyMs);
  return (
    <Sheet view={view} title="Logs" window={WINDOW} every={`${everyMs / 1000} s`}>
      {(found) => (
        <>
          <Filters filters={FILTERS} />
          <Tail found={found} search={search} filtered={Object.values(filters).some(Boolean)} text={filters["text"] ?? ""} />
          <More next={found.next} />
        </>
      )}
    </Sheet>
  );
}

interface TailProps {
  found: Logs;
  search: string;
  filtered: boolean;
  text: string;
}

/** The records; they stand still while pointed at or gone through by keyboard, and tell how many have come. */
function Tail({ found, search, filtered, text }: TailProps) {
  const { held, hands } = useHeld();
  const kept = useRef({ logs: found, search });
  if (!held || kept.current.search !== search) kept.current = { logs: found, search };
  const shown = kept.current.logs.logs;
  const newer = shown === found.logs ? 0 : newerThan(shown[0], found.logs);
  const short = found.next !== null && found.logs.length < limitOf(search);
  return (
    <section class="cm-card">
      <header>
        <h2>Newest first</h2>
        {shown.length > 0 && <span class="cm-muted">{plural(shown.length, "record")}</span>}
        {shown.length > 0 && found.next !== null && !short && <span class="cm-muted">the newest; there are more</span>}
        {short && <span class="cm-warn">many records were looked through; “Older” goes on</span>}
        {newer > 0 && <span class="cm-warn" role="status">{plural(newer, "new record")} when you go elsewhere</span>}
        {shown.length > 0 && <Files rows={shown} />}
      </header>
      {shown.length === 0 && <Nothing filtered={filtered} search={search} short={short} />}
      {shown.length > 0 && (
        <div class="cm-tail" {...hands}>
          <ol aria-label="Log records">{keyed(shown).map(([key, r]) => <Line key={key} record={r} text={text} />)}</ol>
        </div>
      )}
    </section>
  );
}

/** Records with keys that stay theirs when newer ones come: alike ones are counted from the oldest. */
function keyed(rows: readonly LogRecord[]): [string, LogRecord][] {
  const seen = new Map<string, number>();
  const found = [...rows].reverse().map((row): [string, LogRecord] => {
    const own = `${row.at} ${row.uid} ${row.message}`;
    const n = (seen.get(own) ?? 0) + 1;
    seen.set(own, n);
    return [`${own} ${n}`, row];
  });
  return found.reverse();
}

/** How many records have come before the first that is shown; all when it is not there any more. */
function newerThan(first: LogRecord | undefined, logs: readonly LogRecord[]): number {
  const at = logs.findIndex((r) => r.at === first?.at && r.uid === first?.uid && r.message === first?.message);
  return at < 0 ? logs.length : at;
}

function Nothing({ filtered, search, short }: { filtered: boolean; search: string; short: boolean }) {
  if (short) return <p class="cm-none">Nothing of this kind is among the newest records; “Older” looks on.</p>;
  return (
    <p class="cm-none">
      {filtered ? "No record of this kind" : <>No log record</>} is stored of this time.{" "}
      {!filtered && <>What tasks log at <code>monitor_log_level</code> and above is kept. </>}
      <a class="cm-button" href={changed(search, { window: "7d", since: null, until: null, cursor: null })}>Look at the last 7d</a>
    </p>
  );
}

function Line({ record, text }: { record: LogRecord; text: string }) {
  const brief = inline(record.extra);
  const extra = brief !== null || record.extra == null ? "" : typeof record.extra === "string" ? record.extra : JSON.stringify(record.extra, null, 1);
  const inside = text !== "" && [extra, record.exception ?? ""].some((part) => part.toLowerCase().includes(text.toLowerCase()));
  return (
    <li>
      <time class="cm-muted" dateTime={record.at ?? undefined} title={record.at ?? ""}>{clock(record.at, new Date())}</time>
      <Badge mark={levelMark(record.level)} word />
      {record.id ? (
        <a class="cm-name cm-task" href={execution(record.id)} title={`${record.task ?? ""}\nexecution ${record.id}\nlogger ${record.logger}`}><bdi>{record.task ?? record.id}</bdi></a>
      ) : (
        <span class="cm-muted">{record.logger}</span>
      )}
      <span class="cm-said"><Marked text={record.message} wanted={text} />{brief && <span class="cm-muted"> <Marked text={brief} wanted={text} /></span>}</span>
      <span class="cm-worker" title={record.worker ?? ""}>{record.worker}</span>
      {(record.exception || extra) && (
        <details open={inside}>
          <summary>{[record.exception && "traceback", extra && "extra"].filter(Boolean).join(" and ")}</summary>
          {extra && <pre tabIndex={0}><Marked text={extra} wanted={text} /></pre>}
          {record.exception && <pre tabIndex={0}><Marked text={record.exception} wanted={text} /></pre>}
        </details>
      )}
    </li>
  );
}

function Marked({ text, wanted }: { text: string; wanted: string }) {
  return <>{marked(text, wanted).map((part, i) => (part.hit ? <mark key={i}>{part.text}</mark> : part.text))}</>;
}

const FIELDS = ["at", "level", "logger", "message", "task", "workflow", "worker", "id", "exception"] as const;

function Files({ rows }: { rows: readonly LogRecord[] }) {
  const table = () => csv(FIELDS, rows.map((row) => FIELDS.map((field) => row[field])));
  return (
    <span class="cm-files">
      <button type="button" class="cm-button" onClick={() => download("logs.csv", "text/csv", table())}>CSV</button>
      <button type="button" class="cm-button" onClick={() => download("logs.json", "application/json", JSON.stringify(rows, null, 1))}>JSON</button>
    </span>
  );
}
