/** What the tab fetches when one of these pages is gone to first. */

export { ExecutionPage } from "./execution-page.tsx";
export { ExecutionsPage } from "./executions-page.tsx";
