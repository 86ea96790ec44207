/** The browser's address as state: links inside the tab change the page without loading it anew. */

import { useEffect, useState } from "preact/hooks";
import { base } from "./links.ts";

const CHANGED = "cm-address";

/** Addresses that were left by a link, and where that led: who comes back finds the place again. */
export const followed = new Map<string, string>();

/** Go to an address of ours; `replace` leaves no step to go back to, as a filter's every letter should. */
export function go(address: string, replace = false): void {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  dispatchEvent(new Event(CHANGED));
}

/** Path and query of the address, up to date. */
export function useAddress(): { pathname: string; search: string } {
  const [, setChanges] = useState(0);
  useEffect(() => {
    const changed = () => setChanges((n) => n + 1);
    addEventListener("popstate", changed);
    addEventListener(CHANGED, changed);
    return () => {
      removeEventListener("popstate", changed);
      removeEventListener(CHANGED, changed);
    };
  }, []);
  return { pathname: location.pathname, search: location.search };
}

/** Follow a plain click on a link to a page of ours; clicks for a tab of their own, files and other sites are the browser's. */
export function follow(event: MouseEvent): void {
  const link = (event.target as Element).closest?.("a");
  if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.pathname !== base.home && !link.pathname.startsWith(`${base.home}/`)) return;
  if (link.pathname.startsWith(`${base.home}/api/`)) return;
  event.preventDefault();
  const other = link.pathname !== location.pathname;
  if (other) followed.set(location.href, link.getAttribute("href") ?? "");
  go(link.href, link.href === location.href);
  if (other) scrollTo(0, 0);
}
