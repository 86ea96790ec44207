/** The overview: is it fine? Everything on it is one summary of the API. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Summary } from "./api.ts";
import { Controls } from "./controls.tsx";
import { Feed, type View } from "./feed.ts";
import { mark } from "./marks.ts";
import { Foot } from "./foot.tsx";
import { FirstSteps, Notice, Quiet, Stale, Trouble } from "./notice.tsx";
import { Alerts, LongestRunning } from "./now.tsx";
import { Outcomes } from "./outcomes.tsx";
import { Queues } from "./queues.tsx";
import { Tasks } from "./tasks.tsx";
import { Tiles } from "./tiles.tsx";
import { Verdict } from "./verdict.tsx";
import { windowOf, withWindow } from "./window.ts";
import { Workers } from "./workers.tsx";
import { Workflows } from "./workflows.tsx";

export function Overview({ home }: { home: string }) {
  const [window, setWindow] = useState(() => windowOf(location.search));
  const [paused, setPaused] = useState(false);
  const [view, setView] = useState<View>({ summary: null, link: "connecting", problem: null });
  const { summary, problem, link } = view;
  const feed = useRef<Feed | null>(null);

  useEffect(() => {
    feed.current ??= new Feed(home, setView);
    const follow = () => (paused || document.hidden ? feed.current?.pause() : feed.current?.follow(window));
    follow();
    document.addEventListener("visibilitychange", follow); // nobody looks: nobody is asked
    return () => {
      document.removeEventListener("visibilitychange", follow);
      feed.current?.stop();
    };
  }, [window, paused]);

  useEffect(() => {
    const back = () => setWindow(windowOf(location.search));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);

  useEffect(() => {
    // The state is seen in the browser's tab too.
    if (summary) document.title = `${mark(summary.state).shape} Monitor - Flower`;
  }, [summary?.state]);

  function choose(next: string): void {
    history.pushState(null, "", withWindow(location.search, next));
    setWindow(next);
  }

  const controls = <Controls window={window} choose={choose} link={link} toggle={() => setPaused(!paused)} />;
  return (
    <div class="cm-page">
      {problem && <Trouble problem={problem} shown={summary} choose={choose} />}
      {summary ? (
        <div class={problem ? "cm-old" : ""}>
          <Verdict summary={summary}>{controls}</Verdict>
          <Body summary={summary} choose={choose} />
        </div>
      ) : (
        !problem && <Notice tone="unknown" title="Loading…" />
      )}
      {!summary && problem && controls}
    </div>
  );
}

function Body({ summary, choose }: { summary: Summary; choose: (window: string) => void }) {
  if (summary.state === "empty") return <FirstSteps />;
  const { totals, window } = summary;
  const now = new Date(summary.generated_at);
  const quiet = totals.ended + totals.published === 0;
  return (
    <>
      {summary.state === "stale" && <Stale summary={summary} />}
      {window.clamped && <Notice tone="unknown" title={window.clamped} />}
      {quiet && <Quiet summary={summary} choose={choose} />}
      {!quiet && <Tiles summary={summary} />}
      {!quiet && <Outcomes summary={summary} />}
      <div class="cm-pair">
        <Alerts alerts={summary.alerts} now={now} />
        <LongestRunning workers={summary.workers} />
      </div>
      <Tasks rows={summary.tasks} now={now} />
      <div class="cm-pair">
        <Queues rows={summary.queues} />
        <Workers rows={summary.workers} now={now} />
      </div>
      <Workflows rows={summary.workflows} />
      <Foot summary={summary} />
    </>
  );
}
