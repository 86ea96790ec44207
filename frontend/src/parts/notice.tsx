/** Pages that have no figures to show say why, and what to do. */

import type { ComponentChildren } from "preact";
import { useAddress } from "../address/location.ts";
import { DEFAULT_WINDOW, wider, withWindow } from "../address/window.ts";
import type { ApiError } from "../api/basics.ts"
import type { Summary } from "../api/summary.ts";
import { clock, span } from "../words/format.ts";

interface NoticeProps {
  tone: "unknown" | "warning" | "critical";
  title: string;
  children?: ComponentChildren;
}

export function Notice({ tone, title, children }: NoticeProps) {
  const shape = { unknown: "○", warning: "▲", critical: "■" }[tone];
  return (
    <div class={`cm-notice cm-notice-${tone}`} role={tone === "unknown" ? "status" : "alert"}>
      <strong>
        <span aria-hidden="true">{shape}</span> {title}
      </strong>{" "}
      {children}
    </div>
  );
}

interface TroubleProps {
  problem: ApiError;
  /** Of when the figures are that are still shown, null for none. */
  since: string | null;
}

/** Why there are no fresh figures. */
export function Trouble({ problem, since: at }: TroubleProps) {
  const { search } = useAddress();
  const since = at && <> The figures below are of {clock(at, new Date())}.</>;
  if (problem.code === "unauthorized")
    return (
      <Notice tone="warning" title="You are not logged in any more.">
        <a href={location.href} target="_self">Log in again</a>.{since}
      </Notice>
    );
  if (problem.code === "bad_window" || problem.code === "bad_time")
    return (
      <Notice tone="warning" title="This window cannot be shown.">
        {problem.message}{" "}
        <a class="cm-button" href={withWindow(search, DEFAULT_WINDOW)}>
          Show {DEFAULT_WINDOW}
        </a>
      </Notice>
    );
  if (problem.code.startsWith("bad_") || problem.code === "unknown_parameter")
    return (
      <Notice tone="warning" title="This address asks for something that is not there.">
        {problem.message}{" "}
        <a class="cm-button" href={search ? location.pathname : location.pathname.replace(/\/[^/]*$/, "")}>
          Show all
        </a>
      </Notice>
    );
  const titles: Record<string, string> = {
    configuration: "The Monitor's settings are not accepted.",
    store_unreachable: "The store does not answer.",
    store_refused: "The store refuses.",
    store_too_new: "The store was written by a newer celery-monitor.",
    no_answer: "Flower does not answer.",
  };
  return (
    <Notice tone="critical" title={titles[problem.code] ?? "The figures cannot be read."}>
      {problem.code !== "no_answer" && problem.message} Trying again.{since}
    </Notice>
  );
}

/** Nothing was ever recorded. */
export function FirstSteps() {
  return (
    <Notice tone="unknown" title="How to begin.">
      This page fills as soon as a worker of an app with <code>Monitor(app)</code> runs a task:
      <ol>
        <li>
          In the module that makes the app: <code>from celery_monitor import Monitor</code> and{" "}
          <code>Monitor(app)</code>
        </li>
        <li>
          Start, or restart, a worker: <code>celery -A proj worker</code>
        </li>
        <li>Publish a task; it shows up here within seconds.</li>
      </ol>
    </Notice>
  );
}

/** Nothing happened in this window. */
export function Quiet({ seconds, what, children }: { seconds: number; what: string; children?: ComponentChildren }) {
  const { search } = useAddress();
  const next = wider(seconds);
  return (
    <Notice tone="unknown" title={`${what} in the last ${span(seconds)}.`}>
      {children}{" "}
      {next && (
        <a class="cm-button" href={withWindow(search, next)}>
          Look at the last {next}
        </a>
      )}
    </Notice>
  );
}

/** The figures are old because nobody folds the inbox. */
export function Stale({ summary }: { summary: Summary }) {
  return (
    <Notice tone="warning" title={summary.health.folded_at ? `Figures stand still since ${clock(summary.health.folded_at, new Date())}.` : "Figures were never brought together."}>
      Nobody collects what was recorded. Is a worker or beat of this app running? If none can be, run{" "}
      <code>celery -A proj monitor serve</code>.
    </Notice>
  );
}
