/** Addresses of the pages. Every link of the page is made here, so that names and ids are always encoded. */

export const base = { home: "/monitor" }; // set once, from the template: it holds Flower's url prefix

/** What stands in an address besides the page: window, filters, what is selected. */
export type Query = Record<string, string | number | null | undefined>;

/** Address of a page by its parts, like `to(["runs", id], {window: "6h"})`; what is empty is left out of the query. */
export function to(parts: readonly string[], query: Query = {}): string {
  const path = [base.home, ...parts.map(encodeURIComponent)].join("/");
  return path + search(query);
}

/** A query string with its question mark, empty without anything in it. */
export function search(query: Query): string {
  const filled = Object.entries(query).filter(([, value]) => value != null && value !== "");
  return filled.length ? `?${new URLSearchParams(filled.map(([name, value]) => [name, String(value)]))}` : "";
}

/** A query with changes; null and "" take a name out, and what is not named stays. "?" is none: an empty address is the old one. */
export function changed(current: string, changes: Query): string {
  return search({ ...Object.fromEntries(new URLSearchParams(current)), ...changes }) || "?";
}

export const overview = (query?: Query) => to([], query);
export const workflows = (query?: Query) => to(["workflows"], query);
export const workflow = (name: string, query?: Query) => to(["workflows", name], query);
export const runs = (query?: Query) => to(["runs"], query);
export const run = (id: string, query?: Query) => to(["runs", id], query);
export const executions = (query?: Query) => to(["executions"], query);
export const execution = (id: string, query?: Query) => to(["executions", id], query);
export const tasks = (query?: Query) => to(["tasks"], query);
export const task = (name: string, query?: Query) => to(["tasks", name], query);
export const failures = (query?: Query) => to(["failures"], query);
export const failure = (fingerprint: string, query?: Query) => to(["failures", fingerprint], query);
export const logs = (query?: Query) => to(["logs"], query);
export const workers = (query?: Query) => to(["workers"], query);
export const worker = (name: string, query?: Query) => to(["workers", name], query);
export const host = (name: string, query?: Query) => to(["hosts", name], query);
export const queues = (query?: Query) => to(["queues"], query);
export const queue = (name: string, query?: Query) => to(["queues", name], query);
export const schedule = (query?: Query) => to(["schedule"], query);
export const resources = (query?: Query) => to(["resources"], query);
