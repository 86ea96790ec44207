/** What colours and signs of the run's pictures mean. */

export function WaterfallLegend() {
  return (
    <ul class="cm-legend cm-wf-legend">
      <li><i class="cm-wf-bar-wait" /> in the broker</li>
      <li><i class="cm-wf-bar-hold" /> held by a worker</li>
      <li><i class="cm-wf-bar-run cm-wf-ok" /> ran</li>
      <li><i class="cm-wf-bar-run cm-wf-warning" /> retried</li>
      <li><i class="cm-wf-bar-run cm-wf-critical" /> failed</li>
      <li><i class="cm-wf-bar-run cm-wf-running" /> running</li>
      <li><i class="cm-wf-span" /> span</li>
      <li><i class="cm-wf-wait" /> waiting outside</li>
      <li><span class="cm-star" aria-hidden="true">★</span> set the duration</li>
    </ul>
  );
}

export function GraphLegend() {
  return (
    <ul class="cm-legend cm-wf-legend">
      <li><i class="cm-legend-node cm-edge-ok" /> succeeded</li>
      <li><i class="cm-legend-node cm-edge-running" /> running</li>
      <li><i class="cm-legend-node cm-edge-critical" /> failed</li>
      <li><i class="cm-legend-node cm-node-group" /> many of one task</li>
      <li><i class="cm-legend-node cm-node-planned" /> planned</li>
      <li><span class="cm-star" aria-hidden="true">★</span> set the duration</li>
      <li>drag to move, Ctrl + wheel to zoom</li>
    </ul>
  );
}
