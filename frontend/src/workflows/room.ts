/** What the tab fetches when one of these pages is gone to first. */

export { WorkflowPage } from "./workflow-page.tsx";
export { WorkflowsPage } from "./workflows-page.tsx";
