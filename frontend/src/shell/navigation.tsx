/** The thin line on top of every page: where to go, in which zone times are, what to look for. */

import { useEffect, useRef } from "preact/hooks";
import { to } from "../address/links.ts";
import { rangeIn } from "../address/window.ts";
import { setUtc, useUtc } from "../words/zone.ts";
import { Keyboard } from "./keyboard.tsx";
import { PAGES } from "./pages.ts";
import { Search } from "./search.tsx";

export function Navigation({ path, search }: { path: string | null; search: string }) {
  const utc = useUtc();
  const kept = rangeIn(search);
  const here = path?.split("/")[0]?.replace("hosts", "workers"); // hosts are a table of the workers' page
  const pages = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the words are wider than the screen, which may be turned: the one of this page is to be seen.
    const line = pages.current!;
    const observer = new ResizeObserver(() => {
      const mine = line.querySelector<HTMLElement>("[aria-current]");
      if (mine) line.scrollLeft = mine.offsetLeft - line.offsetLeft - (line.clientWidth - mine.offsetWidth) / 2;
    });
    observer.observe(line); // which tells its size at once
    return () => observer.disconnect();
  }, [path]);
  return (
    <div class="cm-top">
      <nav ref={pages} class="cm-pages" aria-label="Pages of the monitor">
        {PAGES.filter((p) => p.title).map((p) => (
          <a
            key={p.path}
            href={to(p.path ? [p.path] : [], kept)}
            aria-current={p.path === path ? "page" : p.path === here ? "true" : undefined}
          >
            {p.title}
          </a>
        ))}
      </nav>
      <div class="cm-tools">
        <button
          type="button"
          class="cm-button cm-zone"
          onClick={() => setUtc(!utc)}
          title={utc ? "Times are in UTC; show your local time" : "Times are your local time; show UTC"}
        >
          {utc ? "UTC" : "Local"}
        </button>
        <Keyboard />
        <Search />
      </div>
    </div>
  );
}
