/** Lays graphs out beside the page: however long dagre takes, nobody is kept from scrolling. */

import type { Asked, Laid } from "./graph-elsewhere.ts";
import { layout } from "./graph-place.ts";

addEventListener("message", ({ data: { number, graph, room } }: MessageEvent<Asked>) => {
  const laid: Laid = { number, layout: layout(graph, room) };
  postMessage(laid);
});
