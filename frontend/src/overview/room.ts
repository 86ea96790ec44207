/** What the tab fetches when one of these pages is gone to first. */

export { OverviewPage } from "./overview-page.tsx";
