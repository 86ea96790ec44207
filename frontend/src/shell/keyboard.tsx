/** What the keyboard does, told when "?" is pressed or its button is. */

import { useEffect, useRef } from "preact/hooks";
import { isTyping } from "./typing.ts";

const KEYS: readonly [string, readonly [keys: string, does: string][]][] = [
  ["Everywhere", [["/", "search by id or name; Escape returns"], ["?", "this list"]]],
  ["Tables", [
    ["↑ ↓", "the same column of the next row; from a head into the rows and back"],
    ["Page ↑ Page ↓", "ten rows"],
    ["Home End", "the first and the last row"],
    ["Escape", "what comes after the table"],
    ["Enter", "on a head: order by it"],
  ]],
  ["Charts", [
    ["← →", "the next point; its figures stand above the chart"],
    ["Page ↑ Page ↓", "a tenth of the chart"],
    ["Home End", "the first and the last point"],
    ["↑ ↓", "in a heatmap: longer and shorter runtimes"],
    ["Shift + these", "choose a stretch"],
    ["Enter", "zoom into what is chosen"],
    ["Escape", "take back the stretch, the point, the zoom"],
  ]],
  ["Runs", [
    ["↑ ↓", "in the waterfall: the next step"],
    ["← → ↑ ↓", "in the graph: from step to step"],
    ["+ − 0", "in the graph: zoom, and all of it"],
    ["Enter", "the step's details; Escape closes them"],
  ]],
];

export function Keyboard() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const asked = (event: KeyboardEvent) => {
      if (event.key !== "?" || isTyping(event) || dialog.current?.open) return;
      event.preventDefault();
      dialog.current?.showModal();
    };
    addEventListener("keydown", asked);
    return () => removeEventListener("keydown", asked);
  }, []);
  return (
    <>
      <button type="button" class="cm-button" aria-haspopup="dialog" aria-label="Keyboard" title="What the keyboard does ( ? )" onClick={() => dialog.current?.showModal()}>?</button>
      <dialog ref={dialog} class="cm-keys" aria-labelledby="cm-keys-title">
        <form method="dialog"><button class="cm-button cm-close" aria-label="Close">✕</button></form>
        <h2 id="cm-keys-title">Keyboard</h2>
        {KEYS.map(([where, keys]) => (
          <section key={where}>
            <h3>{where}</h3>
            <dl>{keys.map(([key, does]) => <div key={key + does}><dt><kbd>{key}</kbd></dt><dd>{does}</dd></div>)}</dl>
          </section>
        ))}
      </dialog>
    </>
  );
}
