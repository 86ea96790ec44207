/** Labels of a run or a step; each leads to the runs that share it. */

import { runs } from "../address/links.ts";

export function Labels({ labels, linked = true }: { labels: Record<string, string>; linked?: boolean }) {
  const pairs = Object.entries(labels);
  if (pairs.length === 0) return null;
  return (
    <ul class="cm-labels" aria-label="Labels">
      {pairs.map(([key, value]) => (
        <li key={key}>
          {linked ? (
            <a href={runs({ label: `${key}:${value}`, window: "30d" })} title={`runs with ${key}=${value}`}>
              <span class="cm-muted">{key}=</span>{value}
            </a>
          ) : (
            <span><span class="cm-muted">{key}=</span>{value}</span>
          )}
        </li>
      ))}
    </ul>
  );
}
