/** Where the keyboard is when elements go: on a page that is gone to, on the link one comes back to, on what is left of a list. */

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { followed } from "../address/location.ts";
import { isTyping } from "./typing.ts";

const PATIENCE_MS = 5_000; // until the figures of a page that one comes back to

/** Move the keyboard to an element that is no stop of its own. */
export function land(place: HTMLElement | null | undefined): void {
  if (!place) return;
  if (place.tabIndex < 0 && !place.hasAttribute("tabindex")) {
    place.setAttribute("tabindex", "-1");
    place.addEventListener("blur", () => place.removeAttribute("tabindex"), { once: true });
  }
  place.focus({ preventScroll: true });
}

/** Browsers leave what is partly in sight where it is, and Flower's style would have them take their time. */
export function bringIntoSight({ target }: FocusEvent): void {
  const stop = target as Element;
  if (stop.matches(":is(.cm-scroll, .cm-pages) :focus-visible")) stop.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
}

/** Escape closes the details that a row has opened; who was in them is on the row again. */
export function closeByEscape(event: KeyboardEvent): void {
  const [page, at] = [event.currentTarget as Element, event.target as Element];
  if (event.key !== "Escape" || event.defaultPrevented || isTyping(event) || at.closest("dialog, details")) return;
  const close = page.querySelector<HTMLElement>("[role='group'] .cm-close");
  const row = close?.closest("section, aside")?.contains(at) && page.querySelector<HTMLElement>(".cm-run [aria-pressed='true']");
  close?.click();
  if (row) row.focus();
}

/** Follow the keyboard within the content of a page. */
export function useFocus(content: RefObject<HTMLElement | null>, pathname: string): void {
  const came = useRef(pathname);
  const back = useRef<string | undefined>(undefined);
  useEffect(() => {
    const popped = () => (back.current = followed.get(location.href));
    addEventListener("popstate", popped);
    return () => removeEventListener("popstate", popped);
  }, []);
  useEffect(() => (content.current ? caught(content.current) : undefined), []);
  useEffect(() => {
    if (came.current === pathname) return;
    came.current = pathname;
    land(content.current);
    const href = back.current;
    back.current = undefined;
    return href && content.current ? found(content.current, href) : undefined;
  }, [pathname]);
}

/** Put the keyboard on a link as soon as it is there, unless the reader has gone on. */
function found(content: HTMLElement, href: string): () => void {
  const look = () => {
    const link = content.querySelector<HTMLElement>(`a[href="${CSS.escape(href)}"]`);
    if (!link) return;
    stop();
    link.focus();
  };
  const watch = new MutationObserver(look);
  const timer = setTimeout(() => stop(), PATIENCE_MS);
  const stop = () => {
    watch.disconnect();
    clearTimeout(timer);
    for (const deed of ["keydown", "pointerdown"]) removeEventListener(deed, stop, true);
  };
  for (const deed of ["keydown", "pointerdown"]) addEventListener(deed, stop, true);
  watch.observe(content, { childList: true, subtree: true });
  look();
  return stop;
}

/** When what has the keyboard goes, give it to the nearest around it that can have it. */
function caught(content: HTMLElement): () => void {
  let around: Element[] = [];
  const into = ({ target }: FocusEvent) => {
    around = [];
    for (let e = target as Element | null; e && e !== content; e = e.parentElement) around.push(e);
  };
  const away = () => (around = []);
  const watch = new MutationObserver(() => {
    if (!around[0] || around[0].isConnected || document.activeElement !== document.body) return;
    const left = around.find((e) => e.isConnected && e.hasAttribute("tabindex"));
    away();
    land((left as HTMLElement | undefined) ?? content);
  });
  content.addEventListener("focusin", into);
  addEventListener("pointerdown", away, true);
  watch.observe(content, { childList: true, subtree: true });
  return () => {
    content.removeEventListener("focusin", into);
    removeEventListener("pointerdown", away, true);
    watch.disconnect();
  };
}
