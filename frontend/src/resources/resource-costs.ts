/** What tasks cost, in sentences. */

import type { ResourceRow } from "../api/workers.ts";
import { bytes, count, duration, percent } from "../words/format.ts";

export const ORDERS = { cpu: "CPU", time: "time", memory: "memory", growth: "growth", io: "disk", network: "network" } as const;
export type Order = keyof typeof ORDERS;

/** Who costs most of what was asked for; null when nobody was seen to cost anything of it. The rows are in that order. */
export function costliest(rows: readonly ResourceRow[], by: Order): string | null {
  const [row] = rows;
  if (!row) return null;
  const moved = (row.read_bytes ?? 0) + (row.written_bytes ?? 0);
  switch (by) {
    case "time":
      return row.runtime_seconds.total ? `${row.task} takes ${percent(row.runtime_seconds.share)} of all running time, ${duration(row.runtime_seconds.total)}` : null;
    case "memory":
      return row.memory_bytes.peak ? `${row.task} reaches the highest memory, ${bytes(row.memory_bytes.peak)}` : null;
    case "growth":
      return leaking(rows);
    case "io":
      return moved ? `${row.task} moves most bytes from and to disk, ${bytes(moved)}` : null;
    case "network":
      return carried(row) || `Network traffic is not counted, or there was none; ask for it with monitor_resources = {"network"}`;
    default:
      return row.cpu_seconds.total ? `${row.task} takes ${percent(row.cpu_seconds.share)} of all CPU time, ${duration(row.cpu_seconds.total)}` : null;
  }
}

/** What the sockets of a task's own moved, both ways; null when nobody counted. */
export function network(row: Pick<ResourceRow, "network_sent_bytes" | "network_received_bytes">): number | null {
  const { network_sent_bytes: sent, network_received_bytes: received } = row;
  return sent == null && received == null ? null : (sent ?? 0) + (received ?? 0);
}

function carried(row: ResourceRow): string {
  const moved = network(row);
  if (moved) return `${row.task} moves most bytes over the network, ${bytes(moved)}`;
  return row.connections ? `${row.task} opens most connections, ${count(row.connections)}` : "";
}

/** Whether it is more than a guess that a task makes memory grow. */
export function leaks(row: ResourceRow): boolean {
  return row.growth.confidence === "high" || row.growth.confidence === "likely";
}

function leaking(rows: readonly ResourceRow[]): string {
  const sure = rows.find(leaks);
  const grown = (r: ResourceRow) => `${bytes(r.growth.bytes_per_1000_runs)} in ${count(1000)} runs`;
  if (sure) return `${sure.task} makes memory grow most, ${grown(sure)}`;
  const perhaps = rows.find((r) => r.growth.confidence === "low");
  return perhaps ? `No task surely makes memory grow; ${perhaps.task} may, by ${grown(perhaps)}` : "No task was seen to make memory grow";
}

/** "grows by 12 MiB in 1 000 runs (likely); --max-tasks-per-child 500 would bound it". */
export function growth(row: ResourceRow): string {
  return row.growth.note ? `${verdict(row)}; ${row.growth.note}` : verdict(row);
}

function verdict(row: ResourceRow): string {
  const { bytes_per_1000_runs: grown, confidence, max_tasks_per_child: most } = row.growth;
  if (confidence === "none") return "no growth was seen";
  const sure = { low: "few runs say so", likely: "likely", high: "sure" }[confidence];
  return `a child grows by ${bytes(grown)} in ${count(1000)} runs (${sure})${most == null ? "" : `; --max-tasks-per-child ${most} would bound it`}`;
}

const OPTIONAL: Record<string, (row: ResourceRow) => number | null> = {
  read: (r) => r.read_bytes,
  written: (r) => r.written_bytes,
  switches: (r) => r.switches,
  involuntary: (r) => r.involuntary_switches,
  connections: (r) => r.connections,
  network,
  sent: (r) => r.network_sent_bytes,
  received: (r) => r.network_received_bytes,
};

/** Whether a column has nothing to show in any row. */
export function hidden(column: string, rows: readonly ResourceRow[]): boolean {
  const value = OPTIONAL[column];
  return value !== undefined && rows.every((r) => value(r) == null);
}
