/** Puts the page into the place that Flower's template keeps for it. */

import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { Boundary } from "./boundary.tsx";
import { Overview } from "./overview.tsx";

const place = document.getElementById("celery-monitor");
if (place) {
  place.replaceChildren();
  render(
    <Boundary>
      <Overview home={place.dataset.home ?? "/monitor"} />
    </Boundary>,
    place,
  );
}
