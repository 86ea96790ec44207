/** Named facts side by side; a fact that is not known is a dash with its reason on hover. */

import type { ComponentChildren } from "preact";
import { UNKNOWN } from "../words/format.ts";

export interface Fact {
  name: string;
  value: ComponentChildren;
  hint?: string;
}

export function Facts({ facts }: { facts: readonly (Fact | null)[] }) {
  return (
    <dl class="cm-facts">
      {facts.filter((f) => f !== null).map((f) => (
        <div key={f.name} title={f.hint}>
          <dt>{f.name}</dt>
          <dd>{f.value ?? UNKNOWN}</dd>
        </div>
      ))}
    </dl>
  );
}
