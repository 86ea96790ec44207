/** What the tab fetches when one of these pages is gone to first. */

export { LogsPage } from "./logs-page.tsx";
