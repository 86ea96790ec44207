/**
 * Every page of the tab. To add one: a line here, its view in its room.ts, its path in `PAGES` of web/routes.py,
 * an address in address/links.ts.
 */

import type { View } from "./view.ts";

export interface Page {
  path: string;
  /** Word in the navigation of the tab; a page without one is reached from others. */
  title?: string;
  /** Fetches the page's room, a file of its own, and takes the view out of it. */
  load: () => Promise<View>;
}

const rooms = {
  overview: () => import("../overview/room.ts"),
  workflows: () => import("../workflows/room.ts"),
  runs: () => import("../runs/room.ts"),
  executions: () => import("../executions/room.ts"),
  tasks: () => import("../tasks/room.ts"),
  failures: () => import("../failures/room.ts"),
  logs: () => import("../logs/room.ts"),
  queues: () => import("../queues/room.ts"),
  workers: () => import("../workers/room.ts"),
  resources: () => import("../resources/room.ts"),
  schedule: () => import("../schedule/room.ts"),
};

export const PAGES: readonly Page[] = [
  { path: "", title: "Overview", load: async () => (await rooms.overview()).OverviewPage },
  { path: "workflows", title: "Workflows", load: async () => (await rooms.workflows()).WorkflowsPage },
  { path: "workflows/{}", load: async () => (await rooms.workflows()).WorkflowPage },
  { path: "runs", title: "Runs", load: async () => (await rooms.runs()).RunsPage },
  { path: "runs/{}", load: async () => (await rooms.runs()).RunPage },
  { path: "executions", title: "Executions", load: async () => (await rooms.executions()).ExecutionsPage },
  { path: "executions/{}", load: async () => (await rooms.executions()).ExecutionPage },
  { path: "tasks", title: "Tasks", load: async () => (await rooms.tasks()).TasksPage },
  { path: "tasks/{}", load: async () => (await rooms.tasks()).TaskPage },
  { path: "failures", title: "Failures", load: async () => (await rooms.failures()).FailuresPage },
  { path: "failures/{}", load: async () => (await rooms.failures()).FailurePage },
  { path: "logs", title: "Logs", load: async () => (await rooms.logs()).LogsPage },
  { path: "queues", title: "Queues", load: async () => (await rooms.queues()).QueuesPage },
  { path: "queues/{}", load: async () => (await rooms.queues()).QueuePage },
  { path: "workers", title: "Workers", load: async () => (await rooms.workers()).WorkersPage },
  { path: "workers/{}", load: async () => (await rooms.workers()).WorkerPage },
  { path: "hosts/{}", load: async () => (await rooms.workers()).HostPage },
  { path: "resources", title: "Resources", load: async () => (await rooms.resources()).ResourcesPage },
  { path: "schedule", title: "Schedule", load: async () => (await rooms.schedule()).SchedulePage },
];
