/** An execution, asked for as long as somebody looks, and its attempts as cards. */

import { useEffect, useState } from "preact/hooks";
import { useAnswer } from "../answers/answer.ts";
import type { Execution } from "../api/runs.ts";
import { plural } from "../words/format.ts";
import { AttemptCard } from "./attempt.tsx";

const OPEN_MS = 2_000;
const OVER_MS = 15_000; // a late record may still correct it

/** Whether something of it can still come. */
export function isOpen(row: Pick<Execution, "state">): boolean {
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

export function Attempts({ row }: { row: Execution }) {
  const all = row.attempts;
  return (
    <section class="cm-card cm-padded">
      <h2>{all.length ? plural(all.length, "attempt") : row.state === "STARTED" ? "It runs: figures come with its end" : "No attempt has ended yet"}</h2>
      {[...all].reverse().map((a, i) => <AttemptCard key={a.uid} attempt={a} number={all.length - i} />)}
    </section>
  );
}
