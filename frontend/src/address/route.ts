/** Which page an address means. The server answers each with the same document; see `PAGES` in web/routes.py. */

export interface Place {
  /** Path of the page with `{}` for what varies: "", "runs", "runs/{}". */
  page: string;
  /** What stood for `{}`, decoded. */
  name: string;
}

/** What a page is given. */
export interface PageProps {
  /** What stands for `{}` in the path, decoded; "" without. */
  name: string;
  /** The address's query. */
  search: string;
}

/** The page of a path, null for a path that is none of ours. */
export function match(pathname: string, home: string, pages: readonly string[]): Place | null {
  const path = pathname.replace(/\/+$/, "");
  if (path !== home && !path.startsWith(`${home}/`)) return null;
  const parts = path.slice(home.length + 1).split("/");
  for (const page of pages) {
    const wanted = page.split("/");
    const fits = wanted.length === parts.length && wanted.every((w, i) => (w === "{}" ? parts[i] !== "" : w === parts[i]));
    if (fits) return { page, name: decoded(parts[wanted.indexOf("{}")] ?? "") };
  }
  return null;
}

/** Percent signs that encode nothing are text. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
