/** A state in a line of text: shape in its colour, the word for who cannot see colours. */

import type { Mark } from "../words/marks.ts";

export function Badge({ mark, word = false }: { mark: Mark; word?: boolean }) {
  return (
    <span class={`cm-badge cm-state-${mark.tone}`} title={mark.word}>
      <span aria-hidden="true">{mark.shape}</span>
      <span class={word ? "cm-word" : "cm-unseen"}>{mark.word}</span>
    </span>
  );
}
