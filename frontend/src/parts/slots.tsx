/** Slots of a pool, used and free; a mark for each as long as they can be told apart. */

import type { Num } from "../api/basics.ts";
import { count, UNKNOWN } from "../words/format.ts";
import { Meter } from "./meter.tsx";

const MOST = 16; // marks

export function Slots({ busy, slots }: { busy: Num; slots: Num }) {
  if (slots == null) return <span class="cm-muted" title="this pool has no fixed number of slots">{UNKNOWN}</span>;
  const used = Math.min(busy ?? 0, slots);
  return (
    <span class="cm-with-meter">
      {count(busy)} of {count(slots)}
      {slots <= MOST ? (
        <span class="cm-slots" aria-hidden="true">
          <span>{"▮".repeat(used)}</span>{"▯".repeat(slots - used)}
        </span>
      ) : (
        <Meter ratio={used / slots} />
      )}
    </span>
  );
}
