/** The tab: navigation, and the page that the address names. */

import { useState } from "preact/hooks";
import { Pause } from "./answer.ts";
import { Boundary } from "./boundary.tsx";
import { base, overview } from "./links.ts";
import { follow, useAddress } from "./location.ts";
import { Navigation } from "./navigation.tsx";
import { Notice } from "./notice.tsx";
import { PAGES } from "./pages.tsx";
import { match } from "./route.ts";
import { useUtc } from "./zone.ts";

const PATHS = PAGES.map((page) => page.path);

export function App() {
  const { pathname, search } = useAddress();
  const [paused, setPaused] = useState(false);
  useUtc(); // all times are drawn anew
  const place = match(pathname, base.home, PATHS);
  const page = PAGES.find((p) => p.path === place?.page);
  return (
    <Pause.Provider value={{ paused, toggle: () => setPaused(!paused) }}>
      <div class="cm-page" onClick={follow}>
        <Navigation path={page?.path ?? null} search={search} />
        <Boundary key={pathname}>
          {page && place ? (
            <page.view name={place.name} search={search} />
          ) : (
            <Notice tone="unknown" title="There is no such page.">
              <a href={overview()}>Overview</a>
            </Notice>
          )}
        </Boundary>
      </div>
    </Pause.Provider>
  );
}
