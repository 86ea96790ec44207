import assert from "node:assert/strict";
import { test } from "node:test";
import { graph, type Node } from "../src/runs/graph.ts";
import { beside, columns, inGrid, nameOf, sizeOf, structure, widthOf, WIDTHS } from "../src/runs/graph-layout.ts";
import { layout } from "../src/runs/graph-place.ts";
import { attempt, NONE, NOW, run, step } from "./made-run.ts";

const members = Array.from({ length: 24 }, (_, i) => step(`m${i}`, "a", [attempt(1, 2 + i)], { task: "t.row", group_id: "g" }));
const made = run([step("a", null, [attempt(0, 1)]), ...members, step("body", "m23", [attempt(26, 27)]), step("end", "body", [attempt(28, 29)])]);
const drawn = graph(made, NOW, NONE);
const group = drawn.nodes.find((n) => n.kind === "group")!;

test("time goes to the right, on a narrow page down, and no node lies on another", () => {
  for (const [room, along] of [["wide", "x"], ["narrow", "y"]] as const) {
    const { boxes, width, height } = layout(drawn, room);
    const all = [...boxes.values()];
    const begin = (key: string) => boxes.get(key)![along];
    assert.ok(begin("a") < begin(group.key) && begin(group.key) < begin("body") && begin("body") < begin("end"));
    for (const [i, one] of all.entries()) {
      assert.ok(one.x >= 0 && one.y >= 0 && one.x + one.width <= width && one.y + one.height <= height);
      for (const other of all.slice(i + 1)) {
        const apart = one.x + one.width <= other.x || other.x + other.width <= one.x || one.y + one.height <= other.y || other.y + other.height <= one.y;
        assert.ok(apart, JSON.stringify([one, other]));
      }
    }
  }
});

test("on a narrow page chains beside each other go to the right, if that is less wide", () => {
  const chains = Array.from({ length: 6 }, (_, i) => [step(`x${i}`, null, [attempt(0, 1)]), step(`y${i}`, `x${i}`, [attempt(1, 2)])]).flat();
  const { boxes } = layout(graph(run(chains), NOW, NONE), "narrow");
  assert.ok(boxes.get("x0")!.x < boxes.get("y0")!.x);
});

test("an edge goes from border to border", () => {
  const { boxes, curves } = layout(drawn, "wide");
  const from = boxes.get("body")!;
  const to = boxes.get("end")!;
  const curve = curves.get(nameOf({ from: "body", to: "end" }))!;
  assert.ok(curve.startsWith(`M${from.x + from.width},${from.y + from.height / 2}C`), curve);
  assert.ok(curve.endsWith(` ${to.x},${to.y + to.height / 2}`), curve);
});

test("an open group has room for its members, a folded one is a node like others", () => {
  const folded = sizeOf({ ...group, open: false } as Node, 180);
  const { width, height } = sizeOf(group, 180);
  assert.equal(folded.width, 180);
  assert.ok(width > folded.width && height > folded.height && width < 3 * height, `${width} × ${height}`);
});

test("nodes are as wide as the longest name takes, within what a page has", () => {
  const named = (name: string) => [{ ...group, name, count: 1 } as Node];
  const { least, most } = WIDTHS.wide;
  assert.deepEqual([widthOf([], "wide"), widthOf(named("x"), "wide"), widthOf(named("x".repeat(500)), "wide")], [least, least, most]);
  const between = widthOf(named("shop.reports.extract"), "wide");
  assert.ok(between > least && between < most, String(between));
});

test("the layout is asked for anew when something leads elsewhere or a group is opened, not when a second has passed", () => {
  const later = graph({ ...made, duration_seconds: 99 }, NOW + 10, NONE);
  assert.equal(structure(later, "wide"), structure(drawn, "wide"));
  assert.notEqual(structure(graph(made, NOW, new Set([group.key])), "wide"), structure(drawn, "wide"));
  assert.notEqual(structure(drawn, "narrow"), structure(drawn, "wide"));
});

test("nothing has no size", () => {
  const { width, height } = layout(graph(run([]), NOW, NONE), "wide");
  assert.deepEqual([width, height], [0, 0]);
});

test("arrow keys go to the nearest in their direction, what lies straight ahead before what lies aside", () => {
  const box = (x: number, y: number) => ({ x, y, width: 196, height: 46 });
  const boxes = new Map([["a", box(0, 100)], ["near", box(300, 0)], ["straight", box(350, 100)], ["far", box(900, 100)]]);
  assert.equal(beside(boxes, "a", "ArrowRight"), "straight");
  assert.equal(beside(boxes, "straight", "ArrowRight"), "far");
  assert.equal(beside(boxes, "straight", "ArrowUp"), "near");
  assert.equal(beside(boxes, "far", "ArrowLeft"), "straight");
  assert.equal(beside(boxes, "a", "ArrowLeft"), null);
  assert.equal(beside(boxes, "gone", "ArrowLeft"), null);
});

test("inside a group arrow keys go from member to member until they leave it", () => {
  const across = columns(10);
  assert.equal(inGrid(0, 10, "ArrowRight"), 1);
  assert.equal(inGrid(0, 10, "ArrowDown"), across);
  assert.equal(inGrid(across, 10, "ArrowUp"), 0);
  assert.deepEqual([inGrid(0, 10, "ArrowLeft"), inGrid(0, 10, "ArrowUp"), inGrid(9, 10, "ArrowDown"), inGrid(9, 10, "ArrowRight")], [null, null, null, null]);
});
