/** Puts the page into the place that Flower's template keeps for it. */

import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { App } from "./app.tsx";
import { base } from "./links.ts";

const place = document.getElementById("celery-monitor");
if (place) {
  base.home = place.dataset.home ?? base.home;
  place.replaceChildren();
  render(<App />, place);
}
