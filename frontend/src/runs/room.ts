/** What the tab fetches when one of these pages is gone to first. */

export { RunPage } from "./run-page.tsx";
export { RunsPage } from "./runs-page.tsx";
