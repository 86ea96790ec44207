/** Views of pages: each room of the tab is a file of its own, fetched when one of its pages is gone to first. */

import type { ComponentType } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import type { PageProps } from "../address/route.ts";

export type View = ComponentType<PageProps>;

interface Fetched {
  path: string;
  load: () => Promise<View>;
}

const views = new Map<string, View>();

/** The view of a page, null until it is there; `gone` when its file cannot be had, as after an upgrade of the server. */
export function useView(page: Fetched | undefined): { view: View | null; gone: boolean } {
  const [gone, setGone] = useState<string | null>(null);
  const [, setChanges] = useState(0);
  const path = page?.path;
  useLayoutEffect(() => {
    if (!page || views.has(page.path)) return;
    page.load().then(
      (view) => {
        views.set(page.path, view);
        setChanges((n) => n + 1);
      },
      (error: unknown) => {
        console.warn(error);
        setGone(page.path);
      },
    );
  }, [path]);
  return { view: (path !== undefined && views.get(path)) || null, gone: gone !== null && gone === path };
}
