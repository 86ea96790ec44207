/** What the tab fetches when one of these pages is gone to first. */

export { ResourcesPage } from "./resources-page.tsx";
