/** The last line: how far the figures can be trusted, and the totals since ever. */

import type { Summary } from "../api/summary.ts";
import { bytes, clock, count, day, duration, plural } from "../words/format.ts";

export function Foot({ summary }: { summary: Summary }) {
  const { health, lifetime, generated_at } = summary;
  const dropped = Object.entries(health.dropped).filter(([, n]) => n > 0);
  return (
    <footer class="cm-foot">
      {health.notes.length + dropped.length + health.skipped_entries > 0 && (
        <ul>
          {health.notes.map((note) => <li key={note}>▲ {note}</li>)}
          {dropped.map(([why, n]) => <li key={why}>▲ {count(n)} records dropped: {why}</li>)}
          {health.skipped_entries > 0 && (
            <li>▲ {plural(health.skipped_entries, "inbox entry", "inbox entries")} could not be read and were skipped</li>
          )}
        </ul>
      )}
      <p>
        {count(lifetime.published)} published, {count(lifetime.ended)} ended, {count(lifetime.failed + lifetime.lost)} failed
        {lifetime.since && ` since ${day(new Date(lifetime.since))}`}
      </p>
      <p>
        figures of {clock(generated_at, new Date())}, {health.fold_lag_seconds == null ? "never folded" : `folded ${duration(health.fold_lag_seconds)} before`}
        {health.ticker && ` by ${health.ticker}`} · {plural(health.agents, "agent")}
        {health.stored_bytes != null && ` · ${bytes(health.stored_bytes)} stored`}
      </p>
    </footer>
  );
}
