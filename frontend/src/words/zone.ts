/** Whether times are shown in the browser's zone or in UTC; a habit of the reader, so the browser keeps it. */

import { useEffect, useState } from "preact/hooks";

const KEY = "celery-monitor-zone";
const CHANGED = new Set<() => void>();
let utc = stored() === "utc";

export function isUtc(): boolean {
  return utc;
}

export function setUtc(next: boolean): void {
  utc = next;
  try {
    localStorage.setItem(KEY, next ? "utc" : "local");
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
  for (const tell of CHANGED) tell();
}

/** True for UTC; who uses it is drawn anew when that changes. */
export function useUtc(): boolean {
  const [, setChanges] = useState(0);
  useEffect(() => {
    const tell = () => setChanges((n) => n + 1);
    CHANGED.add(tell);
    return () => void CHANGED.delete(tell);
  }, []);
  return utc;
}

function stored(): string | null {
  try {
    return globalThis.localStorage?.getItem(KEY) ?? null;
  } catch {
    return null;
  }
}
