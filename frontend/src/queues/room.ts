/** What the tab fetches when one of these pages is gone to first. */

export { QueuePage } from "./queue-page.tsx";
export { QueuesPage } from "./queues-page.tsx";
