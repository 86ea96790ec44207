/** The overview: is it fine? Everything on it is one summary of the API. */

import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { search as query } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { DEFAULT_WINDOW, type Range, rangeOf } from "../address/window.ts";
import { Feed, type View } from "../answers/feed.ts";
import { Refresh } from "../answers/refresh.ts";
import type { Summary } from "../api/summary.ts";
import { Outcomes } from "../charts/outcomes.tsx";
import { Controls } from "../parts/controls.tsx";
import { FirstSteps, Notice, Stale, Trouble } from "../parts/notice.tsx";
import { Ending } from "../parts/quiet.tsx";
import { Tasks } from "../parts/task-table.tsx";
import { mark } from "../words/marks.ts";
import { Foot } from "./foot.tsx";
import { Alerts, LongestRunning } from "./now.tsx";
import { Queues } from "./queues.tsx";
import { Tiles } from "./tiles.tsx";
import { Verdict } from "./verdict.tsx";
import { Workers } from "./workers.tsx";
import { Workflows } from "./workflows.tsx";
import { Worst } from "./worst.tsx";

export function OverviewPage({ search }: PageProps) {
  const range = rangeOf(search);
  const { pace } = useContext(Refresh);
  const [view, setView] = useState<View>({ summary: null, link: "connecting", problem: null });
  const { summary, problem, link } = view;
  const feed = useRef<Feed | null>(null);

  useEffect(() => {
    feed.current ??= new Feed(setView);
    const follow = () => (document.hidden ? feed.current?.pause() : feed.current?.follow(range, pace));
    follow();
    document.addEventListener("visibilitychange", follow); // nobody looks: nobody is asked
    return () => {
      document.removeEventListener("visibilitychange", follow);
      feed.current?.stop();
    };
  }, [query(range), pace]);

  useEffect(() => {
    // The state is seen in the browser's tab too.
    document.title = `${summary ? `${mark(summary.state).shape} ` : ""}Monitor - Flower`;
  }, [summary?.state]);

  const controls = <Controls window={DEFAULT_WINDOW} link={link} words={{ polling: "Every 5 s", ...("since" in range && { live: "Every 5 s" }) }} />;
  return (
    <>
      {!summary && <div class="cm-head"><h1>Overview</h1>{controls}</div>}
      {problem && <Trouble problem={problem} since={summary?.generated_at ?? null} />}
      {summary ? (
        <div class={problem ? "cm-old" : ""}>
          <Verdict summary={summary}>{controls}</Verdict>
          <Body summary={summary} range={range} />
        </div>
      ) : (
        !problem && <Notice tone="unknown" title="Loading…" />
      )}
    </>
  );
}

function Body({ summary, range }: { summary: Summary; range: Range }) {
  if (summary.state === "empty") return <FirstSteps />;
  const { totals, window } = summary;
  const now = new Date(summary.generated_at);
  const quiet = totals.ended + totals.published === 0;
  return (
    <>
      {summary.state === "stale" && <Stale summary={summary} />}
      {window.clamped && <Notice tone="unknown" title={window.clamped} />}
      {quiet && <Ending window={window} what="No task was published or ended" />}
      {!quiet && <Tiles summary={summary} range={range} />}
      {!quiet && <Outcomes summary={summary} range={range} />}
      <div class="cm-pair">
        <Alerts alerts={summary.alerts} now={now} />
        <LongestRunning workers={summary.workers} />
      </div>
      {!quiet && <Worst tasks={summary.tasks} queues={summary.queues} range={range} />}
      <Tasks rows={summary.tasks} now={now} range={range} />
      <div class="cm-pair">
        <Queues rows={summary.queues} range={range} />
        <Workers rows={summary.workers} now={now} range={range} />
      </div>
      <Workflows rows={summary.workflows} range={range} />
      <Foot summary={summary} />
    </>
  );
}
