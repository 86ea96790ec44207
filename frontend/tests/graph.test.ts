import assert from "node:assert/strict";
import { test } from "node:test";
import type { Planned, Wait } from "../src/api/runs.ts";
import type { RunDetail } from "../src/runs/steps.ts";
import { FOLD_ABOVE, graph, MOST_MEMBERS } from "../src/runs/graph.ts";
import { attempt, folded, iso, NONE, NOW, run, step } from "./made-run.ts";

const of = (made: RunDetail, turned: ReadonlySet<string> = NONE) => graph(made, NOW, turned);
const edges = (made: RunDetail, turned: ReadonlySet<string> = NONE) => {
  const { nodes, edges } = of(made, turned);
  const names = new Map(nodes.map((n) => [n.key, n.kind === "join" ? "·" : n.count > 1 ? `${n.name} ×${n.count}` : n.name]));
  return edges.map((e) => `${names.get(e.from)} ${e.lit ? "=>" : "->"} ${names.get(e.to)}`).sort();
};
const named = (made: RunDetail, name: string, turned?: ReadonlySet<string>) => of(made, turned).nodes.find((n) => n.name === name)!;
const members = (n: number, parent: string | null, task: string, more = {}) =>
  Array.from({ length: n }, (_, i) => step(`${task}${i}`, parent, [attempt(1, 2 + i / 100)], { task: `t.${task}`, group_id: "g", ...more }));
const planned = (task: string, after: string | null, more: Partial<Planned> = {}): Planned => ({
  id: `p-${task}`, task: `t.${task}`, queue: null, after_id: after, group_id: null, body: false, steps: 1, state: "PLANNED", ...more,
});

test("a chain is one way, and the path that set the duration is lit edge by edge", () => {
  const chain = run(
    [
      step("a", null, [attempt(0, 1, { uid: "ua" })], { on_path: true }),
      step("b", "a", [attempt(1, 2, { uid: "ub" })], { on_path: true }),
      step("aside", "a", [attempt(1, 1.5, { uid: "ux" })]),
    ],
    { path: ["ua", "ub"] },
  );
  assert.deepEqual(edges(chain), ["t.a -> t.aside", "t.a => t.b"]);
  assert.deepEqual([named(chain, "t.b").lit, named(chain, "t.b").share, named(chain, "t.aside").lit], [true, 0.1, false]);
});

test("a chord's body stands behind every member, not behind the one that published it", () => {
  const chord = run([
    step("a", null, [attempt(0, 1)]),
    step("x", "a", [attempt(1, 4)], { group_id: "g" }),
    step("y", "a", [attempt(1, 3)], { group_id: "g" }),
    step("body", "y", [attempt(4, 5)], { group_id: "g" }),
  ]);
  assert.deepEqual(edges(chord), ["t.a -> t.x", "t.a -> t.y", "t.x -> t.body", "t.y -> t.body"]);
});

test("what follows a group of chains stands behind the chains' last steps", () => {
  const chains = run([
    step("a", null, [attempt(0, 1)]),
    step("x1", "a", [attempt(1, 2)]),
    step("x2", "a", [attempt(1, 2)]),
    step("y1", "x1", [attempt(2, 4)], { group_id: "g" }), // only the last of a chain knows its group
    step("y2", "x2", [attempt(2, 3)], { group_id: "g" }),
    step("body", "y1", [attempt(4, 5)], { group_id: "g" }),
  ]);
  assert.deepEqual(edges(chains), ["t.a -> t.x1", "t.a -> t.x2", "t.x1 -> t.y1", "t.x2 -> t.y2", "t.y1 -> t.body", "t.y2 -> t.body"]);
});

test("from one group to the next all ways meet in a point", () => {
  const second = [1, 2].map((i) => step(`z${i}`, "y", [attempt(4, 5)], { group_id: "g" })); // Celery gives them the header's group
  const two = run([step("x", null, [attempt(1, 4)], { group_id: "g" }), step("y", null, [attempt(1, 3)], { group_id: "g" }), ...second]);
  assert.deepEqual(edges(two), ["t.x -> ·", "t.y -> ·", "· -> t.z1", "· -> t.z2"]);
});

test("a small group with nothing behind its members is a frame around them, and can be folded", () => {
  const made = run([step("a", null, [attempt(0, 1)]), ...members(24, "a", "row"), step("body", "row7", [attempt(9, 10)])]);
  assert.deepEqual(edges(made), ["t.a -> t.row ×24", "t.row ×24 -> t.body"]);
  const frame = named(made, "t.row");
  assert.deepEqual([frame.open, frame.members.length, frame.count, frame.id], [true, 24, 24, null]);
  const closed = named(made, "t.row", new Set([frame.key]));
  assert.deepEqual([closed.open, closed.members.length, closed.opens], [false, 0, true]);
});

test("above 200 steps every group is folded to its number, states and p50, until it is opened", () => {
  const rows = members(FOLD_ABOVE, "a", "row");
  rows[4] = step("row4", "a", [attempt(1, 30, { state: "FAILURE" })], { task: "t.row", group_id: "g" });
  const small = members(3, "a", "other", { group_id: null });
  const made = run([step("a", null, [attempt(0, 1)]), ...rows, ...small]);
  assert.deepEqual(edges(made), ["t.a -> t.other ×3", `t.a -> t.row ×${FOLD_ABOVE}`]);
  const group = named(made, "t.row");
  assert.deepEqual([group.state, group.states, group.open], ["FAILURE", { SUCCESS: FOLD_ABOVE - 1, FAILURE: 1 }, false]);
  assert.ok(group.p50! > 1.98 && group.p50! < 2.02, String(group.p50));
  const open = named(made, "t.row", new Set([group.key]));
  assert.deepEqual([open.open, open.members.length, open.members.some((m) => m.id === "row4")], [true, MOST_MEMBERS, true]);
});

test("ten thousand steps are few nodes: what the API has folded is counted in, with what stands behind it", () => {
  const made = run(
    [step("a", null, [attempt(0, 1)]), ...members(90, "a", "x", { group_id: null }), ...members(90, null, "y", { group_id: "g" }).map((y, i) => ({ ...y, parent_id: `x${i}` }))],
    { folded: [folded("a", "y", 4_910, { after: "t.x", p50_seconds: 7 }), folded("a", "x", 4_910)] },
  );
  assert.deepEqual(edges(made), ["t.a -> t.x ×5000", "t.x ×5000 -> t.y ×5000"]);
  assert.deepEqual([named(made, "t.y").p50, named(made, "t.y").states], [7, { SUCCESS: 5_000 }]);
});

test("what is known by number alone leads to a list instead of opening", () => {
  const made = run([], { folded: [folded(null, "row", 900)] });
  assert.deepEqual([named(made, "t.row").opens, named(made, "t.row", new Set([" t.row "])).open], [false, false]);
});

test("folded tasks that publish each other are all there", () => {
  const made = run([step("a", null, [attempt(0, 1)])], { folded: [folded("a", "x", 500, { after: "t.y" }), folded("a", "y", 500, { after: "t.x" })] });
  assert.deepEqual(edges(made), ["t.a -> t.x ×500", "t.a -> t.y ×500"]);
});

test("a task that publishes itself over and over is one node", () => {
  const line = Array.from({ length: 150 }, (_, i) => step(`n${i}`, i ? `n${i - 1}` : null, [attempt(i, i + 1)], { task: "t.poll" }));
  const made = run([...line, step("end", "n149", [attempt(151, 152)])], { folded: [folded("n149", "poll", 850)] });
  assert.deepEqual(edges(made), ["t.poll ×1000 -> t.end"]);
});

test("planned steps stand behind what they wait for, and many of one task are one node", () => {
  const made = run([step("a", null, [attempt(0, 1)]), step("x", "a", [attempt(1, null)], { group_id: "g" }), step("y", "a", [attempt(1, null)], { group_id: "g" })], {
    state: "RUNNING",
    planned: [
      planned("body", "g", { group_id: "g", body: true }),
      planned("mail", "p-body"),
      ...[1, 2, 3].map((i) => planned("part", "p-mail", { id: `part${i}` })),
      planned("many", "a", { id: null, steps: 40 }),
    ],
  });
  assert.deepEqual(edges(made), [
    "t.a -> t.many ×40", "t.a -> t.x", "t.a -> t.y", "t.body -> t.mail", "t.mail -> t.part ×3", "t.x -> t.body", "t.y -> t.body",
  ]);
  assert.equal(named(made, "t.part").kind, "planned");
});

test("a step that waits for something outside says so, and for how long", () => {
  const wait = { wait: "approval", state: "open", id: "a", begun_at: iso(60) } as Wait;
  assert.deepEqual(named(run([step("a", null, [attempt(0, 1)])], { waits: [wait] }), "t.a").waits, { name: "approval", seconds: 40 });
});

test("every execution has its node, wherever it is folded", () => {
  const made = run([step("a", null, [attempt(0, 1)]), ...members(300, "a", "row"), step("lost", "nobody", [attempt(1, 2)])]);
  const { nodes, nodeOf } = of(made);
  const keys = new Set(nodes.map((n) => n.key));
  assert.deepEqual(made.executions.filter((e) => !keys.has(nodeOf.get(e.id) ?? "")), []);
});

test("parents in a circle leave no step out, and a header and body of one task are two nodes", () => {
  const circle = run([step("a", "b", [attempt(0, 1)]), step("b", "a", [attempt(0, 1)])]);
  assert.equal(of(circle).nodes.length, 2);
  const same = run([...members(6, null, "add"), step("sum", "add5", [attempt(9, 10)], { task: "t.add", group_id: "g" })]);
  assert.deepEqual(edges(same), ["t.add ×6 -> t.add"]);
});
