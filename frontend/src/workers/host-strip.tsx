/** Hosts: each machine, or container, once, with what of it is in use. */

import { host as hostLink } from "../address/links.ts";
import type { Range } from "../address/window.ts";
import type { Host, Hosts, RoleSum } from "../api/workers.ts";
import { Badge } from "../parts/badge.tsx";
import { Meter } from "../parts/meter.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { bytes, count, digits, percent, plural } from "../words/format.ts";
import type { Mark } from "../words/marks.ts";
import { workerMark } from "../words/worker-states.ts";

export const CPU_LIMIT = 0.8; // the default rules' thresholds
export const MEMORY_LIMIT = 0.85;
export const DISK_LIMIT = 0.9;

/** So much of so much with a bar that warns beyond a limit. */
export function Used({ ratio, limit, of, hint }: { ratio: number | null; limit: number; of?: string; hint?: string }) {
  return (
    <span class="cm-with-meter" title={hint}>
      <span class={(ratio ?? 0) >= limit ? "cm-warn" : ""}>{percent(ratio)}</span>
      {of && <span class="cm-muted cm-of">of {of}</span>}
      <Meter ratio={ratio} limit={limit} />
    </span>
  );
}

/** A host that answers is not well when it has little left. */
export function hostMark(row: Host): Mark {
  const short = (row.cpu_percent ?? 0) >= CPU_LIMIT * 100 || (row.memory_ratio ?? 0) >= MEMORY_LIMIT || (row.disk_ratio ?? 0) >= DISK_LIMIT;
  return workerMark(row.state === "ok" && short ? "warning" : row.state);
}

const hundredth = (value: number | null) => (value == null ? null : value / 100);

function columns(range: Range): Column<Host>[] {
  return [
    {
      id: "host",
      title: "Host",
      text: true,
      key: (r) => r.host,
      cell: (r) => (
        <span class="cm-name" title={`${r.host}\n${hostMark(r).word}`}>
          <Badge mark={hostMark(r)} word={r.state !== "ok"} /> <a href={hostLink(r.host, range)}>{r.host}</a>
        </span>
      ),
    },
    {
      id: "cpu",
      title: "CPU",
      hint: "of what it may use",
      key: (r) => r.cpu_percent,
      cell: (r) => <Used ratio={hundredth(r.cpu_percent)} limit={CPU_LIMIT} of={r.cpus == null ? undefined : plural(r.cpus, "CPU")} hint={r.throttled_ratio ? `held back in ${percent(r.throttled_ratio)} of the scheduler's periods` : undefined} />,
    },
    {
      id: "memory",
      title: "Memory",
      hint: "of what it may use, without the file cache",
      key: (r) => r.memory_ratio,
      cell: (r) => <Used ratio={r.memory_ratio} limit={MEMORY_LIMIT} of={bytes(r.memory_total_bytes)} />,
    },
    { id: "swap", title: "Swap", minor: 1, key: (r) => r.swap_used_bytes, cell: (r) => <span class={r.swap_used_bytes ? "cm-warn" : "cm-muted"}>{r.swap_total_bytes ? bytes(r.swap_used_bytes) : "none"}</span> },
    { id: "disk", title: "Disk", minor: 2, key: (r) => r.disk_ratio, cell: (r) => <Used ratio={r.disk_ratio} limit={DISK_LIMIT} of={bytes(r.disk_total_bytes)} /> },
    { id: "load", title: "Load", hint: "processes that run or want to, mean of a minute", minor: 1, key: (r) => r.load1, cell: (r) => (r.load1 == null ? "–" : digits(r.load1)) },
    { id: "sent", title: "Sent", hint: "to the network, all interfaces but the loopback", minor: 1, key: (r) => r.sent_bytes_s, cell: (r) => speed(r.sent_bytes_s) },
    { id: "received", title: "Received", minor: 1, key: (r) => r.received_bytes_s, cell: (r) => speed(r.received_bytes_s) },
    { id: "workers", title: "Workers", minor: 2, key: (r) => r.workers.length, cell: (r) => <span title={r.workers.join("\n")}>{count(r.workers.length)}</span> },
    { id: "processes", title: "Processes", hint: "of this app, children of pools included", minor: 2, key: (r) => processes(r), cell: (r) => <span title={roles(r.processes)}>{count(processes(r))}</span> },
  ];
}

/** Bytes per second. */
export function speed(perSecond: number | null): string {
  return perSecond == null ? "–" : `${bytes(perSecond)}/s`;
}

function processes(row: Host): number {
  return Object.values(row.processes).reduce((n, role) => n + role.count, 0);
}

const MANY: Record<string, string> = { child: "children", serve: "serve processes" };

function roles(of: Record<string, RoleSum>): string {
  return Object.entries(of).filter(([, r]) => r.count).map(([role, r]) => plural(r.count, role, MANY[role] ?? `${role}s`)).join(", ");
}

/** "3 workers, 12 children · CPU 240 % of a core · 1.2 GiB", of all hosts together. */
function together(of: Record<string, RoleSum>): string {
  const sum = (value: (role: RoleSum) => number) => Object.values(of).reduce((n, role) => n + value(role), 0);
  return `${roles(of)} · CPU ${percent(sum((r) => r.cpu_percent) / 100)} of a core · ${bytes(sum((r) => r.rss_bytes))}`;
}

export function HostStrip({ hosts: rows, processes: all, range }: Pick<Hosts, "hosts" | "processes"> & { range: Range }) {
  return (
    <Table
      title="Hosts"
      nouns={["host"]}
      rows={rows}
      columns={columns(range)}
      name={(r) => r.host}
      order={{ column: "host", descending: false }}
      empty="No process of this app has told its host yet."
      file="hosts"
      screenful={8}
    >
      {roles(all) && <span class="cm-muted">the app: {together(all)}</span>}
    </Table>
  );
}
