/** Colours of the page for what is drawn on a canvas, and word when Flower's theme changes. */

import { useEffect, useState } from "preact/hooks";

/** Value of a custom property, as the page's root element has it. */
export function colour(root: Element, name: string): string {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

/** Counts changes of Flower's theme; Flower sends no event, it sets an attribute of the document. */
export function useTheme(): number {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const observer = new MutationObserver(() => setChanges((n) => n + 1));
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
    return () => observer.disconnect();
  }, []);
  return changes;
}
