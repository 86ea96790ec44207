/** What the tab fetches when one of these pages is gone to first. */

export { HostPage } from "./host-page.tsx";
export { WorkerPage } from "./worker-page.tsx";
export { WorkersPage } from "./workers-page.tsx";
