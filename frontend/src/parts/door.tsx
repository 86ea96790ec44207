/** A count that opens the list behind it; none opens nothing. */

import type { Num } from "../api/basics.ts";
import { count } from "../words/format.ts";

export function Door({ n, href, bad = false }: { n: Num; href: string; bad?: boolean }) {
  if (!n) return <span class="cm-muted">{count(n)}</span>;
  return <a href={href} class={bad ? "cm-bad" : ""}>{count(n)}</a>;
}
