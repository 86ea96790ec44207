/** What a page looks at and whether it follows: range of time and live switch. */

import { useContext, useRef, useState } from "preact/hooks";
import { go, useAddress } from "../address/location.ts";
import { rangeOf, secondsOf, WINDOWS, withRange, withWindow } from "../address/window.ts";
import { type Pace, Refresh, SLOW_MS } from "../answers/refresh.ts";
import type { Link } from "../answers/feed.ts";
import { clock } from "../words/format.ts";
import { isUtc } from "../words/zone.ts";

const STATUS: Record<Link, string> = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  paused: "Live",
};

const SHAPE: Record<Link, string> = { connecting: "○", live: "●", polling: "▲", paused: "●" };

interface Props {
  link: Link;
  /** Other words for a link, as "Every 5 s" where the page asks and nothing is pushed. */
  words?: Partial<Record<Link, string>>;
  /** Window of the page when its address names none; null for pages without one. */
  window: string | null;
}

export function Controls({ link, words, window }: Props) {
  return (
    <div class="cm-controls">
      {window !== null && <Windows otherwise={window} />}
      <Refreshing link={link} words={words} />
    </div>
  );
}

/** How the page follows what happens; the first of the three says how well it does. */
function Refreshing({ link, words }: Pick<Props, "link" | "words">) {
  const { pace, choose } = useContext(Refresh);
  const shown = pace === "live" ? link : "live";
  const choices: [Pace, string, string][] = [
    ["live", words?.[shown] ?? STATUS[shown], "Follow"],
    ["slow", `${SLOW_MS / 1000} s`, `Look every ${SLOW_MS / 1000} s`],
    ["off", "Off", "Stand still"],
  ];
  return (
    <div class="cm-windows cm-refresh" role="group" aria-label="Refresh">
      {choices.map(([of, word, title]) => (
        <button key={of} type="button" class={of === "live" && pace === of ? `cm-live cm-live-${link}` : ""} aria-pressed={pace === of} onClick={() => choose(of)} title={title}>
          {of === "live" && <span aria-hidden="true">{SHAPE[shown]} </span>}
          {word}
        </button>
      ))}
    </div>
  );
}

function Windows({ otherwise }: { otherwise: string }) {
  const { search } = useAddress();
  const range = rangeOf(search, otherwise);
  const window = "window" in range ? range.window : null;
  const usual = WINDOWS.some((w) => w === window);
  return (
    <nav class="cm-windows" aria-label="Window of time">
      {WINDOWS.map((w) => (
        <a key={w} href={withWindow(search, w)} aria-current={w === window ? "true" : undefined}>
          {w}
        </a>
      ))}
      {!usual && window && <a href={withWindow(search, window)} aria-current="true">{window.slice(0, 12)}</a>}
      {"since" in range && <a href={search} aria-current="true">{clock(range.since, new Date())} – {clock(range.until, new Date(range.since))}</a>}
      <Custom />
    </nav>
  );
}

/** Any other range: the last so many minutes, hours or days, or from one moment to another. */
function Custom() {
  const { search } = useAddress();
  const place = useRef<HTMLDetailsElement>(null);
  const [last, setLast] = useState("");
  const [since, setSince] = useState("");
  const [until, setUntil] = useState("");
  const close = () => {
    if (!place.current?.open) return;
    place.current.open = false;
    place.current.querySelector("summary")?.focus();
  };
  const choose = (address: string) => {
    close();
    go(address);
  };
  const left = (event: FocusEvent) => {
    const to = event.relatedTarget as Node | null; // null: another window, or the browser's own calendar
    if (place.current && to && !place.current.contains(to)) place.current.open = false;
  };
  const moment = (text: string) => new Date(isUtc() ? `${text}Z` : text).toISOString();
  return (
    <details class="cm-custom" ref={place} onKeyDown={(e) => e.key === "Escape" && close()} onFocusOut={left}>
      <summary aria-label="Another range">⋯</summary>
      <div class="cm-popover">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!Number.isNaN(secondsOf(last))) choose(withWindow(search, last));
          }}
        >
          <label>
            The last{" "}
            <input value={last} onInput={(e) => setLast(e.currentTarget.value.trim())} placeholder="3h" size={6} pattern="\d{1,6}[smhd]" title="A number and m, h or d" required />
          </label>
          <button type="submit" class="cm-button">Show</button>
        </form>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            choose(withRange(search, moment(since), moment(until)));
          }}
        >
          <label>From <input type="datetime-local" value={since} onInput={(e) => setSince(e.currentTarget.value)} max={until || undefined} required /></label>
          <label>to <input type="datetime-local" value={until} onInput={(e) => setUntil(e.currentTarget.value)} min={since || undefined} required /></label>
          <button type="submit" class="cm-button">Show</button>
          <small class="cm-muted">{isUtc() ? "in UTC" : "in your local time"}</small>
        </form>
      </div>
    </details>
  );
}
