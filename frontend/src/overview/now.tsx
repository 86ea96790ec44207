/** What goes on at this moment: alerts that fire, attempts that run longest. */

import { execution } from "../address/links.ts";
import type { Alert, Running, WorkerRow } from "../api/summary.ts";
import { Badge } from "../parts/badge.tsx";
import { Told } from "../parts/told.tsx";
import { age, duration, plural } from "../words/format.ts";
import { alertMark } from "../words/marks.ts";

const SHOWN = 6; // lines; what is longer belongs on a page of its own
const RANK = { firing: 0, pending: 1, resolved: 2 };

export function Alerts({ alerts, now }: { alerts: readonly Alert[]; now: Date }) {
  const ordered = [...alerts].sort((a, b) => (RANK[a.state] ?? 3) - (RANK[b.state] ?? 3));
  const firing = ordered.filter((a) => a.state === "firing").length;
  return (
    <section class="cm-card">
      <header>
        <h2>Firing now</h2>
        <span class={firing ? "cm-bad" : "cm-muted"}>{firing || "none"}</span>
      </header>
      <ul class="cm-lines">
        {ordered.slice(0, Math.max(SHOWN, firing)).map((a) => (
          <li key={`${a.rule} ${a.subject}`} class={a.state === "resolved" ? "cm-muted" : ""}>
            <Badge mark={alertMark(a)} /> <span class="cm-said"><Told {...a} /></span>{" "}
            <span class="cm-muted cm-aside">
              {a.state === "firing" ? "for" : `${a.state},`} {duration(Math.round(age(a.state === "resolved" ? a.changed_at : a.since, now) ?? 0))}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function LongestRunning({ workers }: { workers: readonly WorkerRow[] }) {
  const running = workers
    .flatMap((w) => w.running.map((r) => ({ ...r, worker: w.worker })))
    .sort((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0));
  return (
    <section class="cm-card">
      <header>
        <h2>Longest running now</h2>
        <span class="cm-muted">{running.length ? plural(running.length, "attempt") : "nothing runs"}</span>
      </header>
      <ul class="cm-lines">
        {running.slice(0, SHOWN).map((r) => <Line key={`${r.id} ${r.pid}`} run={r} />)}
      </ul>
    </section>
  );
}

function Line({ run }: { run: Running & { worker: string } }) {
  return (
    <li title={`id ${run.id}\npid ${run.pid} on ${run.worker}, queue ${run.queue}`}>
      <a class="cm-said cm-name cm-task" href={execution(run.id)}><bdi>{run.task}</bdi></a>{" "}
      <b class="cm-aside">{duration(run.seconds)}</b>{" "}
      <span class="cm-muted cm-aside">{run.worker}</span>
    </li>
  );
}
