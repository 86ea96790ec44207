/** One attempt: where it ran, how long it waited and ran, what it cost, how it ended. */

import { failure, worker } from "../address/links.ts";
import type { Attempt } from "../api/runs.ts";
import { bytes, clock, count, duration, NETWORK_SEEN } from "../words/format.ts";
import { because, executionMark } from "../words/states.ts";
import { Badge } from "./badge.tsx";
import { type Fact, Facts } from "./facts.tsx";

const SIZES: Record<string, string> = {
  none: "none stored",
  up_to_1_kib: "≤ 1 KiB",
  up_to_10_kib: "≤ 10 KiB",
  up_to_100_kib: "≤ 100 KiB",
  up_to_1_mib: "≤ 1 MiB",
  over_1_mib: "> 1 MiB",
};

export function AttemptCard({ attempt, number }: { attempt: Attempt; number: number }) {
  const { exception, fingerprint } = attempt;
  return (
    <article class="cm-attempt">
      <h3>
        Attempt {count(number)} <Badge mark={executionMark(attempt.state)} word />{" "}
        <span class="cm-muted">{because(attempt.state, attempt.reason)}</span>
      </h3>
      <Facts facts={facts(attempt)} />
      {exception && (
        <div class="cm-fault">
          <p>
            <b class="cm-bad">{exception.type}</b> <span class="cm-said">{exception.message}</span>{" "}
            {fingerprint && <a href={failure(fingerprint, { window: "30d" })}>all of this kind</a>}
          </p>
          {exception.traceback && <pre tabIndex={0}>{exception.traceback}</pre>}
        </div>
      )}
      <Content title="Arguments" value={attempt.arguments} />
      <Content title="Result" value={attempt.result} />
    </article>
  );
}

/** A duration and by how much it may be wrong. */
export function held(attempt: Pick<Attempt, "hold_seconds" | "hold_error_seconds">): string {
  const { hold_seconds: seconds, hold_error_seconds: error } = attempt;
  if (seconds != null && error && error >= 0.99 * seconds) return `at most ${duration(seconds + error)}`;
  return duration(seconds) + (error ? ` ± ${duration(error)}` : "");
}

function facts(a: Attempt): (Fact | null)[] {
  const now = new Date();
  const growth = a.rss_growth_bytes ? ` (${a.rss_growth_bytes > 0 ? "+" : ""}${bytes(a.rss_growth_bytes)})` : "";
  return [
    { name: "started", value: clock(a.started_at, now), hint: a.started_at ? undefined : "its body was never entered" },
    { name: "ended", value: clock(a.ended_at, now) },
    { name: "worker", value: a.worker && <a href={worker(a.worker)}>{a.worker}</a> },
    { name: "pid", value: a.pid, hint: a.pid ? undefined : "it ended without a process" },
    { name: "wait", value: duration(a.wait_seconds), hint: a.wait_seconds == null ? "its publisher did not tell when it was due" : "from publish (or due time) to start" },
    { name: "held", value: held(a), hint: a.hold_seconds == null ? "nobody looked into the worker then" : "how long the worker had it before it started it" },
    { name: "runtime", value: duration(a.runtime_seconds) },
    { name: "CPU", value: duration(a.cpu_seconds), hint: a.cpu_seconds == null ? "this pool cannot tell tasks apart" : undefined },
    { name: "peak memory", value: bytes(a.rss_bytes) + growth, hint: a.rss_bytes == null ? "this pool cannot tell tasks apart" : "of the process that ran it, and what it grew by meanwhile" },
    a.read_bytes != null ? { name: "read", value: bytes(a.read_bytes) } : null,
    a.written_bytes != null ? { name: "written", value: bytes(a.written_bytes) } : null,
    a.connections != null ? { name: "connections", value: count(a.connections), hint: `opened ${NETWORK_SEEN}` } : null,
    a.network_sent_bytes != null ? { name: "sent", value: bytes(a.network_sent_bytes), hint: `over the network, ${NETWORK_SEEN}` } : null,
    a.network_received_bytes != null ? { name: "received", value: bytes(a.network_received_bytes), hint: `over the network, ${NETWORK_SEEN}` } : null,
    { name: "result", value: a.result_size_class && (SIZES[a.result_size_class] ?? a.result_size_class), hint: "size in the result backend" },
  ];
}

function Content({ title, value }: { title: string; value: unknown }) {
  if (value == null) return null;
  return (
    <details class="cm-content">
      <summary>{title}</summary>
      <pre tabIndex={0}>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}
