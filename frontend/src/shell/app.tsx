/** The tab: navigation, and the page that the address names. */

import { useRef, useState } from "preact/hooks";
import { base, overview } from "../address/links.ts";
import { follow, useAddress } from "../address/location.ts";
import { match } from "../address/route.ts";
import { type Pace, Refresh } from "../answers/refresh.ts";
import { Notice } from "../parts/notice.tsx";
import { useUtc } from "../words/zone.ts";
import { Boundary } from "./boundary.tsx";
import { bringIntoSight, closeByEscape, land, useFocus } from "./focus.ts";
import { Navigation } from "./navigation.tsx";
import { type Page, PAGES } from "./pages.ts";
import { useView } from "./view.ts";

const PATHS = PAGES.map((page) => page.path);

export function App() {
  const { pathname, search } = useAddress();
  const [pace, choose] = useState<Pace>("live");
  useUtc(); // all times are drawn anew
  const place = match(pathname, base.home, PATHS);
  const page = PAGES.find((p) => p.path === place?.page);
  const { view: View, gone } = useView(page);
  const content = useRef<HTMLDivElement>(null);
  useFocus(content, pathname);
  return (
    <Refresh.Provider value={{ pace, choose }}>
      <div class="cm-page" onClick={follow} onFocusIn={bringIntoSight} onKeyDown={closeByEscape}>
        <button type="button" class="cm-button cm-skip" onClick={() => land(content.current)}>Skip the navigation</button>
        <Navigation path={page?.path ?? null} search={search} />
        <div ref={content} role="group" aria-label={place?.name || page?.title || "Page"}>
          <Boundary key={pathname}>
            {!page || !place ? <NoPage /> : View ? <View name={place.name} search={search} /> : gone ? <Gone /> : <Coming page={page} />}
          </Boundary>
        </div>
      </div>
    </Refresh.Provider>
  );
}

function NoPage() {
  return (
    <Notice tone="unknown" title="There is no such page.">
      <a href={overview()}>Overview</a>
    </Notice>
  );
}

/** The room's file is not there: that of an older build is gone from the server, or nobody answers. */
function Gone() {
  return (
    <Notice tone="warning" title="This page could not be fetched.">
      Flower does not answer, or celery-monitor was upgraded since this tab was opened.{" "}
      <a class="cm-button" href={location.href} target="_self">Load it again</a>
    </Notice>
  );
}

/** The heading where the page will have it; that it takes long is said only when it does. */
function Coming({ page }: { page: Page }) {
  return (
    <>
      {page.title && <div class="cm-head"><h1>{page.title}</h1></div>}
      <div class="cm-late"><Notice tone="unknown" title="Loading…" /></div>
    </>
  );
}
