/** What the page looks at and whether it follows: window picker and live switch. */

import type { Link } from "./feed.ts";
import { WINDOWS, withWindow } from "./window.ts";

const STATUS: Record<Link, string> = {
  connecting: "Connecting",
  live: "Live",
  polling: "Every 5 s",
  paused: "Paused",
};

interface Props {
  window: string;
  choose: (window: string) => void;
  link: Link;
  toggle: () => void;
}

export function Controls({ window, choose, link, toggle }: Props) {
  const paused = link === "paused";
  return (
    <div class="cm-controls">
      <nav class="cm-windows" aria-label="Window of time">
        {WINDOWS.map((w) => (
          <a
            key={w}
            href={withWindow(location.search, w)}
            aria-current={w === window ? "true" : undefined}
            onClick={(event) => {
              if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
              event.preventDefault();
              choose(w);
            }}
          >
            {w}
          </a>
        ))}
      </nav>
      <button
        type="button"
        class={`cm-live cm-live-${link}`}
        aria-pressed={!paused}
        onClick={toggle}
        title={paused ? "Follow again" : "Stand still"}
      >
        <span aria-hidden="true">{paused ? "▶" : "▮▮"}</span> {STATUS[link]}
      </button>
    </div>
  );
}
