/** What the tab fetches when one of these pages is gone to first. */

export { TaskPage } from "./task-page.tsx";
export { TasksPage } from "./tasks-page.tsx";
