/** Puts the page into the place that Flower's template keeps for it. */

import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { base } from "./address/links.ts";
import { App } from "./shell/app.tsx";

const place = document.getElementById("celery-monitor");
if (place) {
  base.home = place.dataset.home ?? base.home;
  place.replaceChildren();
  render(<App />, place);
}
