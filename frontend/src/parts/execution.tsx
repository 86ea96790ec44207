/** An execution, asked for as long as somebody looks, and its attempts as cards. */

import { useEffect, useState } from "preact/hooks";
import { worker } from "../address/links.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Execution } from "../api/runs.ts";
import { serverNow } from "../words/clock.ts";
import { clock, duration, plural } from "../words/format.ts";
import { executionMark } from "../words/states.ts";
import { AttemptCard } from "./attempt.tsx";
import { Badge } from "./badge.tsx";

const OPEN_MS = 2_000;
const OVER_MS = 15_000; // a late record may still correct it

/** Whether something of it can still come. */
function isOpen(row: Pick<Execution, "state">): boolean {
  return ["WAITING", "STARTED", "RETRY"].includes(row.state);
}

/** An execution, asked for more often while it is not over. */
export function useExecution(id: string) {
  const path = `/executions/${encodeURIComponent(id)}`;
  const [everyMs, setEveryMs] = useState(OPEN_MS);
  const view = useAnswer<Execution>(path, path, everyMs);
  const wanted = view.answer && !isOpen(view.answer) ? OVER_MS : OPEN_MS;
  useEffect(() => setEveryMs(wanted), [wanted]);
  return { view, everyMs };
}

/** The attempt that has not ended: its other figures come with its end. */
function Now({ at }: { at: NonNullable<Execution["running"]> }) {
  return (
    <p>
      <Badge mark={executionMark("STARTED")} word /> for <b>{duration(at.seconds)}</b> on{" "}
      {at.worker ? <a href={worker(at.worker)}>{at.worker}</a> : "an unknown worker"}, pid {at.pid}, since {clock(at.started_at, serverNow())}
    </p>
  );
}

export function Attempts({ row }: { row: Execution }) {
  const all = row.attempts;
  return (
    <section class="cm-card cm-padded">
      <h2>{all.length ? plural(all.length, "attempt") : row.running ? "The first attempt runs" : "No attempt has ended yet"}</h2>
      {row.running && <Now at={row.running} />}
      {[...all].reverse().map((a, i) => <AttemptCard key={a.uid} attempt={a} number={all.length - i} />)}
    </section>
  );
}
