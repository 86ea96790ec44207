/** Every page of the tab. To add one: a line here, its path in `PAGES` of web/routes.py, an address in links.ts. */

import type { ComponentType } from "preact";
import { ExecutionPage } from "./execution-page.tsx";
import { ExecutionsPage } from "./executions-page.tsx";
import { HostPage } from "./host-page.tsx";
import { FailurePage } from "./failure-page.tsx";
import { FailuresPage } from "./failures-page.tsx";
import { LogsPage } from "./logs-page.tsx";
import { Overview } from "./overview.tsx";
import { QueuePage } from "./queue-page.tsx";
import { QueuesPage } from "./queues-page.tsx";
import { ResourcesPage } from "./resources-page.tsx";
import { RunPage } from "./run-page.tsx";
import { RunsPage } from "./runs-page.tsx";
import { SchedulePage } from "./schedule-page.tsx";
import { WorkerPage } from "./worker-page.tsx";
import { WorkersPage } from "./workers-page.tsx";
import { TaskPage } from "./task-page.tsx";
import { TasksPage } from "./tasks-page.tsx";
import { WorkflowPage } from "./workflow-page.tsx";
import { WorkflowsPage } from "./workflows-page.tsx";

export interface PageProps {
  /** What stands for `{}` in the path, decoded; "" without. */
  name: string;
  /** The address's query. */
  search: string;
}

export interface Page {
  path: string;
  /** Word in the navigation of the tab; a page without one is reached from others. */
  title?: string;
  view: ComponentType<PageProps>;
}

export const PAGES: readonly Page[] = [
  { path: "", title: "Overview", view: Overview },
  { path: "workflows", title: "Workflows", view: WorkflowsPage },
  { path: "workflows/{}", view: WorkflowPage },
  { path: "runs", title: "Runs", view: RunsPage },
  { path: "runs/{}", view: RunPage },
  { path: "executions", title: "Executions", view: ExecutionsPage },
  { path: "executions/{}", view: ExecutionPage },
  { path: "tasks", title: "Tasks", view: TasksPage },
  { path: "tasks/{}", view: TaskPage },
  { path: "failures", title: "Failures", view: FailuresPage },
  { path: "failures/{}", view: FailurePage },
  { path: "logs", title: "Logs", view: LogsPage },
  { path: "queues", title: "Queues", view: QueuesPage },
  { path: "queues/{}", view: QueuePage },
  { path: "workers", title: "Workers", view: WorkersPage },
  { path: "workers/{}", view: WorkerPage },
  { path: "hosts/{}", view: HostPage },
  { path: "resources", title: "Resources", view: ResourcesPage },
  { path: "schedule", title: "Schedule", view: SchedulePage },
];
