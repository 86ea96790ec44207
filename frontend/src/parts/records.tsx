/** Log records of a run or of an execution, the oldest first. */

import { useState } from "preact/hooks";
import { execution, search } from "../address/links.ts";
import { useAnswer } from "../answers/answer.ts";
import type { LogRecord, Logs } from "../api/runs.ts";
import { inline } from "../words/extra.ts";
import { clock, plural } from "../words/format.ts";
import { levelMark } from "../words/log-levels.ts";
import { Badge } from "./badge.tsx";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const LIMIT = 200; // records; more belong on a page of their own

interface Props {
  /** Path of the logs below the API's root. */
  path: string;
  everyMs: number;
  /** Whether records are of several executions, so that each says of which. */
  many?: boolean;
}

export function Records({ path, everyMs, many = false }: Props) {
  const [level, setLevel] = useState("");
  const asked = path + search({ level, limit: LIMIT });
  const { answer, problem } = useAnswer<Logs>(asked, asked, everyMs);
  const logs = answer?.logs ?? [];
  return (
    <section class="cm-card cm-records">
      <header>
        <h2>Log</h2>
        {answer && <span class="cm-muted">{logs.length ? plural(logs.length, "record") : "nothing was logged"}{answer.next && ", the first"}</span>}
        {problem && <span class="cm-warn">{problem.message}</span>}
        <label class="cm-level">
          <span class="cm-muted">level</span>{" "}
          <select value={level} onChange={(e) => setLevel(e.currentTarget.value)}>
            <option value="">all kept</option>
            {LEVELS.map((l) => <option key={l} value={l}>{l.toLowerCase()} and above</option>)}
          </select>
        </label>
      </header>
      {logs.length > 0 && (
        <ol tabIndex={0} aria-label="Log records">
          {logs.map((r, i) => <Line key={i} record={r} many={many} />)}
        </ol>
      )}
    </section>
  );
}

function Line({ record, many }: { record: LogRecord; many: boolean }) {
  const extra = inline(record.extra) ?? (record.extra == null ? "" : typeof record.extra === "string" ? record.extra : JSON.stringify(record.extra));
  return (
    <li>
      <time class="cm-muted" dateTime={record.at ?? undefined}>{clock(record.at, new Date())}</time>{" "}
      <Badge mark={levelMark(record.level)} word />{" "}
      {many && record.id && <a class="cm-name" href={execution(record.id)}>{record.task ?? record.id}</a>}{" "}
      <span class="cm-muted">{record.logger}</span> <span class="cm-message">{record.message}</span>
      {extra && <span class="cm-muted cm-message"> {extra}</span>}
      {record.exception && <pre tabIndex={0}>{record.exception}</pre>}
    </li>
  );
}
