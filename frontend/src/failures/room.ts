/** What the tab fetches when one of these pages is gone to first. */

export { FailurePage } from "./failure-page.tsx";
export { FailuresPage } from "./failures-page.tsx";
