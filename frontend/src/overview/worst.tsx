/** What stands out: tasks that take longest, tasks that fail most, queues whose messages wait longest. */

import type { ComponentChildren } from "preact";
import { executions, queue, task } from "../address/links.ts";
import type { Range } from "../address/window.ts";
import type { QueueRow, TaskRow } from "../api/summary.ts";
import { Door } from "../parts/door.tsx";
import { highest } from "../words/highest.ts";
import { count, duration, percent } from "../words/format.ts";

const SHOWN = 4; // lines: the tables below have all

export function Worst({ tasks, queues, range }: { tasks: readonly TaskRow[]; queues: readonly QueueRow[]; range: Range }) {
  return (
    <div class="cm-trio">
      <Card title="Slowest" note="p95 of the time in the body" empty="nothing ended">
        {highest(tasks, (t) => t.runtime_seconds.p95, SHOWN).map((t) => (
          <Line key={t.task} name={t.task} href={task(t.task, range)} figure={duration(t.runtime_seconds.p95)} beside={`${count(t.ended)} ended`} />
        ))}
      </Card>
      <Card title="Most failing" note="failed attempts" empty="nothing failed">
        {highest(tasks, (t) => t.failed, SHOWN).map((t) => (
          <Line
            key={t.task}
            name={t.task}
            href={task(t.task, range)}
            figure={<Door n={t.failed} href={executions({ task: t.task, state: "FAILURE", ...range })} />}
            beside={t.success_ratio == null ? "" : `${percent(1 - t.success_ratio)} errors`}
          />
        ))}
      </Card>
      <Card title="Longest waiting now" note="age of the oldest message" empty="nothing waits">
        {highest(queues, (q) => q.oldest_seconds, SHOWN).map((q) => (
          <Line key={q.queue} of="" name={q.queue} href={queue(q.queue, range)} figure={duration(q.oldest_seconds)} beside={`${count(q.backlog)} waiting`} />
        ))}
      </Card>
    </div>
  );
}

function Card({ title, note, empty, children }: { title: string; note: string; empty: string; children: ComponentChildren[] }) {
  return (
    <section class="cm-card">
      <header>
        <h2>{title}</h2>
        <span class="cm-muted">{children.length ? note : empty}</span>
      </header>
      <ul class="cm-lines">{children}</ul>
    </section>
  );
}

interface LineProps {
  name: string;
  href: string;
  figure: ComponentChildren;
  beside: string;
  /** Class of the name. */
  of?: string;
}

function Line({ name, href, figure, beside, of = "cm-task" }: LineProps) {
  return (
    <li title={name}>
      <a class={`cm-said cm-name ${of}`} href={href}><bdi>{name}</bdi></a> <b class="cm-aside">{figure}</b> <span class="cm-muted cm-aside cm-whole">{beside}</span>
    </li>
  );
}
