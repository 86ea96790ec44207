/** Task names over a window: which is slow, which fails, which costs most. */

import { search as query } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { TaskFigures, TaskNames } from "../api/tasks.ts";
import { Sheet } from "../parts/head.tsx";
import { Notice } from "../parts/notice.tsx";
import { Ending } from "../parts/quiet.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { taskColumns } from "../parts/task-table.tsx";
import { duration } from "../words/format.ts";

const WINDOW = "24h";
const SCREENFUL = 50;

export function TasksPage({ search }: PageProps) {
  const range = rangeOf(search, WINDOW);
  const path = `/tasks${query(range)}`;
  const view = useAnswer<TaskNames>(path, path);
  return (
    <Sheet view={view} title="Tasks" window={WINDOW}>
      {({ window, tasks }) => (
        <>
          {window.clamped && <Notice tone="unknown" title={window.clamped} />}
          {tasks.length === 0 ? (
            <Ending window={window} what="No task was published or ended" />
          ) : (
            <Table
              title="By name"
              nouns={["task name"]}
              rows={tasks}
              columns={columns(new Date(window.end), range)}
              name={(r) => r.task}
              order={{ column: "ended", descending: true }}
              empty="No task ended in this time."
              file="tasks"
              main
              screenful={SCREENFUL}
            />
          )}
        </>
      )}
    </Sheet>
  );
}

/** Those of the overview, with the time from the first publish to the final end. */
function columns(now: Date, range: ReturnType<typeof rangeOf>): Column<TaskFigures>[] {
  const turnaround: Column<TaskFigures> = {
    id: "turnaround",
    title: "Turnaround p95",
    hint: "from the first publish to the final end, retries included",
    minor: 1,
    key: (r) => r.turnaround_seconds.p95,
    cell: (r) => duration(r.turnaround_seconds.p95),
  };
  const usual: Column<TaskFigures>[] = taskColumns(now, range);
  const at = usual.findIndex((c) => c.id === "wait") + 1;
  return [...usual.slice(0, at), turnaround, ...usual.slice(at)];
}
