/** A list stands still while somebody points at it, or has the keyboard in it. */

import { useState } from "preact/hooks";

export function useHeld() {
  const [held, hold] = useState(false);
  return {
    held,
    release: () => hold(false),
    /** What the list's element is given. */
    hands: {
      onMouseEnter: () => hold(true),
      onMouseLeave: (event: MouseEvent) => hold(hasKeyboard(event.currentTarget as Element)),
      // What was clicked has the focus too, but whoever clicked has gone on.
      onFocusIn: (event: FocusEvent) => hasKeyboard(event.currentTarget as Element) && hold(true),
      onFocusOut: (event: FocusEvent) => {
        const list = event.currentTarget as Element;
        hold(list.matches(":hover") || list.contains(event.relatedTarget as Node | null));
      },
    },
  };
}

function hasKeyboard(list: Element): boolean {
  return list.querySelector(":focus-visible") !== null;
}
