/** What holds of both pictures of a run, whatever the run is like. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunDetail } from "../src/runs/steps.ts";
import { graph } from "../src/runs/graph.ts";
import { nameOf } from "../src/runs/graph-layout.ts";
import { layout } from "../src/runs/graph-place.ts";
import { picture } from "../src/runs/waterfall.ts";
import { attempt, folded, NONE, NOW, run, step } from "./made-run.ts";

const ROUNDS = 80;

/** Runs as no sane program makes them: parents in circles, groups across them, plans behind anything. */
function anyRun(below: (n: number) => number, size: number): RunDetail {
  const pick = <T,>(all: readonly T[]) => all[below(all.length)]!;
  const ids = Array.from({ length: below(size) }, (_, i) => `s${i}`);
  const steps = ids.map((id, i) => {
    const start = below(50);
    const near = below(8) ? ids.slice(Math.max(0, i - 6), i) : ids;
    const attempts = below(6) ? [attempt(start, start + below(5), { uid: `u${i}` })] : [];
    return step(id, pick([null, null, "unknown", ...near]), attempts, { group_id: pick([null, "g", "h", "g h"]), task: `t.${below(4)}`, on_path: below(5) === 0 });
  });
  const planned = Array.from({ length: below(6) }, (_, i) => ({
    id: below(3) ? `p${i}` : null, task: `t.${below(3)}`, queue: null, after_id: pick([null, "g", "p0", "p1", ...ids]), group_id: pick([null, "g", "p"]), body: false,
    steps: 1 + below(3), state: "PLANNED",
  }));
  return run(steps, {
    folded: Array.from({ length: below(4) }, () => folded(pick([null, "unknown", ...ids]), `${below(5)}`, 1 + below(500), { after: pick([null, "t.0", "t.1", "t.2"]) })),
    planned,
    path: ids.filter(() => below(3) === 0).map((id) => id.replace("s", "u")),
  });
}

test("every step stands in both pictures once, and every edge goes from a node to a node", () => {
  let seed = 7;
  const below = (n: number) => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) % n;
  for (let round = 0; round < ROUNDS; round++) {
    const made = anyRun(below, round % 20 ? 25 : 300);
    const steps = made.executions.length + made.folded.reduce((sum, f) => sum + f.count, 0);
    const counted = (of: readonly { kind: string; count: number }[]) => of.reduce((sum, one) => sum + (["step", "group"].includes(one.kind) ? one.count : 0), 0);
    const first = graph(made, NOW, NONE);
    for (const { nodes, edges, nodeOf } of [first, graph(made, NOW, new Set(first.nodes.map((n) => n.key)))]) {
      const keys = new Set(nodes.map((n) => n.key));
      assert.equal(counted(nodes), steps, `round ${round}`);
      assert.deepEqual(made.executions.filter((e) => !keys.has(nodeOf.get(e.id) ?? "")), []);
      assert.deepEqual(edges.filter((e) => !keys.has(e.from) || !keys.has(e.to)), []);
      if (round % 8) continue;
      const { curves } = layout({ nodes, edges }, "wide");
      assert.deepEqual(edges.filter((e) => !/^M[-\d.,C ]+$/.test(curves.get(nameOf(e)) ?? "")), []);
    }
    assert.equal(counted(picture(made, NOW, NONE).rows), steps, `round ${round}`);
  }
});
