/** Failures of a window by kind: what fails most, since when, and on which worker more than elsewhere. */

import { executions, search as query, type Query } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Failures } from "../api/tasks.ts";
import { Door } from "../parts/door.tsx";
import { FailureTable } from "../parts/failure-table.tsx";
import { Filters } from "../parts/filters.tsx";
import { Sheet } from "../parts/head.tsx";
import { Notice } from "../parts/notice.tsx";
import { Ending } from "../parts/quiet.tsx";
import { count, percent } from "../words/format.ts";

const WINDOW = "24h";
const LIMIT = 500; // kinds; the store tells no more apart

export function FailuresPage({ search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const task = new URLSearchParams(search).get("task") ?? undefined;
  const path = `/failures${query({ ...range, task, limit: LIMIT })}`;
  const view = useAnswer<Failures>(path, path);
  return (
    <Sheet view={view} title="Failures" heading={<Heading found={view.answer} range={range} task={task} />} window={WINDOW}>
      {(found) => (
        <>
          {found.window.clamped && <Notice tone="unknown" title={found.window.clamped} />}
          <Filters filters={[{ name: "task", example: "exact name" }]} />
          <Answer found={found} range={range} task={task} />
        </>
      )}
    </Sheet>
  );
}

/** How many, and the kind that matters most, in the first line. */
function Heading({ found, range, task }: { found: Failures | null; range: Query; task: string | undefined }) {
  const worst = found?.failures.find((f) => f.fingerprint && f.count);
  const share = found && worst && found.grouped ? worst.count / found.grouped : null;
  return (
    <>
      Failures{" "}
      {found && (
        <small>
          {!task && (
            <>
              <Door n={found.failed} href={executions({ state: "FAILURE", ...range })} bad /> failed,{" "}
              <span title="their process died or fell silent: they raised nothing"><Door n={found.lost} href={executions({ state: "LOST", ...range })} bad /> lost</span>{" "}
            </>
          )}
          {worst && <>· {share === 1 ? "all" : percent(share)} {worst.exception}</>}
        </small>
      )}
    </>
  );
}

function Answer({ found, range, task }: { found: Failures; range: Query; task: string | undefined }) {
  const quiet = found.failures.length === 0 && found.failed + found.lost === 0;
  if (quiet && !task) return <Ending window={found.window} what="Nothing failed" />;
  const untold = found.failed - found.grouped;
  return (
    <>
      <FailureTable
        rows={found.failures}
        now={new Date(found.window.end)}
        range={range}
        ofTask={task}
        title={task ? `Of ${task}` : "By kind"}
        empty={task ? "Nothing of this task failed in this time." : "No attempt failed with an exception in this time."}
        main
      >
        {!task && untold > 0 && <span class="cm-muted" title="they ended without an exception that could be read">{count(untold)} failed without an exception</span>}
      </FailureTable>
    </>
  );
}
