/** The end of a list that has more than was asked for: more of it at once, then page by page. */

import { changed } from "../address/links.ts";
import { useAddress } from "../address/location.ts";

export const USUAL = 100; // rows asked for at first
export const MOST = 500; // the API gives no more at once

/** How many rows an address asks for. */
export function limitOf(search: string): number {
  return new URLSearchParams(search).get("limit") === String(MOST) ? MOST : USUAL;
}

export function More({ next }: { next: string | null }) {
  const { search } = useAddress();
  const query = new URLSearchParams(search);
  const paged = query.has("cursor");
  return (
    <p class="cm-pager">
      {paged && <a class="cm-button" href={changed(search, { cursor: null })}>‹ Newest</a>}
      {next && !paged && limitOf(search) < MOST && <a class="cm-button" href={changed(search, { limit: MOST })}>Show {MOST}</a>}
      {next && <a class="cm-button" href={changed(search, { cursor: next })}>Older ›</a>}
    </p>
  );
}
