/** What the tab fetches when one of these pages is gone to first. */

export { SchedulePage } from "./schedule-page.tsx";
