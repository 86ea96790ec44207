import assert from "node:assert/strict";
import { test } from "node:test";
import type { Folded, Planned, Span, Wait } from "../src/api/runs.ts";
import type { RunDetail } from "../src/runs/steps.ts";
import { tree } from "../src/runs/tree.ts";
import { FOLD_ABOVE, groupOf, picture, type Row } from "../src/runs/waterfall.ts";
import { attempt, folded, iso, NONE, NOW, run, step } from "./made-run.ts";

const rows = (of: RunDetail, unfolded: ReadonlySet<string> = NONE) => picture(of, NOW, unfolded).rows;
const outline = (of: Row[]) => of.map((r) => `${"  ".repeat(r.depth)}${r.name}${r.count > 1 ? ` ×${r.count}` : ""}`);
const bars = (r: Row | undefined) => r?.bars.map((b) => [b.kind, round(b.from), round(b.to)]);
const round = (n: number) => Math.round(n * 1000) / 1000;

test("a chain is no staircase; what a step publishes itself stands to its right", () => {
  const chain = run([
    step("a", null, [attempt(0, 1)]),
    step("b", "a", [attempt(1, 2)]),
    step("c", "b", [attempt(2, 3)]),
    step("inner", "c", [attempt(2.5, 2.7)]),
  ]);
  assert.deepEqual(outline(rows(chain)), ["t.a", "t.b", "t.c", "  t.inner"]);
});

test("what follows a whole group stands behind it, not below its last member", () => {
  const chord = run([
    step("a", null, [attempt(0, 1)]),
    step("x", "a", [attempt(1, 4)], { group_id: "g" }),
    step("y", "a", [attempt(1, 3)], { group_id: "g" }),
    step("body", "y", [attempt(4, 5)], { group_id: "g" }), // Celery gives it the group's id
    step("after", "body", [attempt(5, 6)]),
  ]);
  assert.deepEqual(outline(rows(chord)), ["t.a", "  t.x", "  t.y", "t.body", "t.after"]);
});

test("what follows a group of chains stands beside what the chains stand below", () => {
  const chains = run([
    step("a", null, [attempt(0, 1)]),
    step("x1", "a", [attempt(1, 2)]),
    step("x2", "a", [attempt(1, 2.5)]),
    step("y1", "x1", [attempt(2.1, 4)], { group_id: "g" }), // only the last of a chain knows its group
    step("y2", "x2", [attempt(2.6, 3)], { group_id: "g" }),
    step("body", "y1", [attempt(4, 5)], { group_id: "g" }),
  ]);
  assert.deepEqual(outline(rows(chains)), ["t.a", "  t.x1", "  t.y1", "  t.x2", "  t.y2", "t.body"]);
});

test("what one member of a group does on its own stays below that member", () => {
  const group = run([
    step("a", null, [attempt(0, 1)]),
    step("x", "a", [attempt(1, 9)], { group_id: "g" }),
    step("y", "a", [attempt(1, 3)], { group_id: "g" }),
    step("own", "y", [attempt(2, 2.5)]),
  ]);
  assert.deepEqual(outline(rows(group)), ["t.a", "  t.x", "  t.y", "    t.own"]);
});

test("many siblings of one task share a row that names the failed and the longest, until it is unfolded", () => {
  const members = Array.from({ length: FOLD_ABOVE + 5 }, (_, i) =>
    step(`m${i}`, "a", [attempt(1, 2 + i / 10, i === 3 ? { state: "FAILURE" } : {})], { task: "t.row", group_id: "g" }),
  );
  const of = run([step("a", null, [attempt(0, 1)]), ...members, step("body", "m7", [attempt(5, 6)])]);
  const folded = rows(of);
  assert.deepEqual(outline(folded), ["t.a", `  t.row ×${FOLD_ABOVE + 5}`, "t.body"]);
  const group = folded[1]!;
  assert.deepEqual(group.worst.map((m) => m.id), ["m3", "m24", "m23"]);
  assert.deepEqual([group.state, group.states], ["FAILURE", { SUCCESS: FOLD_ABOVE + 4, FAILURE: 1 }]);
  assert.deepEqual(bars(group), [["wait", 0, 1], ["run", 1, 4.4]]);
  const unfolded = rows(of, new Set([group.key]));
  assert.equal(unfolded.length, FOLD_ABOVE + 5 + 3);
  assert.equal(unfolded[1]?.unfolded, true);
});

test("a group's share is that of its members added up, those that the API has folded too", () => {
  const members = Array.from({ length: FOLD_ABOVE + 1 }, (_, i) => step(`m${i}`, "a", [attempt(1, 2)], { task: "t.row" }));
  const more = folded("a", "row", 4, { runtime_seconds: 9 });
  const of = run([step("a", null, [attempt(0, 1)]), ...members], { folded: [more] }); // it took 10 s
  assert.deepEqual(rows(of).map((r) => r.share), [0.1, (FOLD_ABOVE + 1 + 9) / 10]);
  const idle = run([step("a", null, [])], { folded: [folded("a", "b", 3, { runtime_seconds: 0 })] });
  assert.deepEqual(rows(idle).map((r) => r.share), [null, null]);
});

test("a step is found in its group until it has a row of its own", () => {
  const members = Array.from({ length: FOLD_ABOVE + 1 }, (_, i) => step(`m${i}`, "a", [attempt(1, 2)], { task: "t.row" }));
  const of = run([step("a", null, [attempt(0, 1)]), ...members, ...members.map((m, i) => step(`n${i}`, m.id, [attempt(2, 3)], { task: "t.next" }))]);
  const all = rows(of);
  assert.equal(groupOf(all, "m7")?.name, "t.row");
  assert.equal(groupOf(all, "n7")?.name, "t.next");
  assert.equal(groupOf(all, "a"), undefined);
  assert.equal(groupOf(rows(of, new Set([groupOf(all, "m7")!.key])), "m7"), undefined);
});

test("a body of the header's own task stands behind the folded header", () => {
  const header = Array.from({ length: FOLD_ABOVE + 1 }, (_, i) => step(`m${i}`, null, [attempt(0, 1)], { task: "t.add", group_id: "g" }));
  const of = run([...header, step("sum", "m3", [attempt(2, 3)], { task: "t.add", group_id: "g" })]);
  assert.deepEqual(outline(rows(of)), [`t.add ×${FOLD_ABOVE + 1}`, "t.add"]);
});

test("what the API has folded already is counted with what it has not", () => {
  const more: Folded = folded("a", "row", 9_999, { ended_at: iso(8), runtime_seconds: 50 });
  const lost: Folded = { ...more, parent_id: "unknown", task: "t.lost", count: 3 };
  const of = run([step("a", null, [attempt(0, 1)]), step("m", "a", [attempt(2, 3)], { task: "t.row" })], { folded: [more, lost] });
  const [, group, other] = rows(of);
  assert.deepEqual([group?.count, group?.members.length, group?.seconds], [10_000, 1, 51]);
  assert.deepEqual(bars(group)?.at(-1), ["run", 1, 8]);
  assert.deepEqual([other?.name, other?.count, other?.members.length], ["t.lost", 3, 0]);
});

test("what the API has folded stands behind what published it, and beside the shown ones of its kind", () => {
  const of = run([step("a", null, [attempt(0, 1)]), step("x", "a", [attempt(1, 2)]), step("y", "x", [attempt(2, 3)])], {
    folded: [folded("a", "y", 500, { after: "t.x" }), folded("a", "x", 500)],
  });
  assert.deepEqual(outline(rows(of)), ["t.a", "  t.x ×501", "    t.y ×501"]);
  const second = run([
    step("m1", null, [attempt(0, 1)], { group_id: "g" }), step("m2", null, [attempt(0, 1)], { group_id: "g" }),
    ...[1, 2].map((i) => step(`z${i}`, "m2", [attempt(2, 3)], { task: "t.z", group_id: "h" })),
  ], { folded: [folded("m2", "z", 900)] });
  assert.deepEqual(outline(rows(second)), ["t.m1", "t.m2", "t.z ×902"]);
});

test("waiting, holding and running are told apart, and attempts stand in one row", () => {
  const retried = step("a", null, [
    attempt(3, 4, { wait_seconds: 3, hold_seconds: 1, state: "RETRY" }),
    attempt(7, 9, { wait_seconds: 1, retries: 1 }),
  ]);
  const [row] = rows(run([retried]));
  assert.deepEqual(bars(row), [["wait", 0, 2], ["hold", 2, 3], ["run", 3, 4], ["rest", 4, 6], ["wait", 6, 7], ["run", 7, 9]]);
  assert.deepEqual(row?.bars.filter((b) => b.kind === "run").map((b) => b.state), ["RETRY", "SUCCESS"]);
  assert.deepEqual([row?.seconds, row?.share], [3, 0.3]);
});

test("what is open lasts until now, on the server's clock", () => {
  const of = run([step("a", null, [attempt(0, 1)]), step("b", "a", [attempt(2, null)]), step("c", "a", [])], { state: "RUNNING" });
  const { rows, seconds } = picture(of, NOW, NONE);
  assert.deepEqual(bars(rows[1])?.at(-1), ["run", 2, 100]);
  assert.deepEqual(bars(rows.find((r) => r.name === "t.c")), [["wait", 0, 100]]);
  assert.equal(seconds, 100);
});

test("what is known not to have run has no bar, and an empty run no rows", () => {
  const never = step("n", null, [], { state: "NEVER_PUBLISHED", published_at: null });
  assert.deepEqual(bars(rows(run([never]))[0]), []);
  const empty = picture(run([], { published_at: null, started_at: null }), NOW, NONE);
  assert.deepEqual([empty.rows.length, empty.seconds > 0], [0, true]);
});

test("spans stand as deep as they are nested, waits where they are waited in", () => {
  const span = (number: number, parent: number | null, from: number, to: number): Span =>
    ({ id: "a", uid: "0", number, parent, span: `s${number}`, state: "SUCCESS", started_at: iso(from), ended_at: iso(to) }) as Span;
  const wait = (id: string | null, ended: number | null): Wait =>
    ({ wait: "approval", state: ended === null ? "open" : "ended", id, begun_at: iso(2), ended_at: iso(ended), outcome: null }) as Wait;
  const of = run([step("a", null, [attempt(0, 5)])], { spans: [span(1, null, 1, 4), span(2, 1, 2, 3)], waits: [wait("a", 4), wait(null, null)] });
  const [row, whole] = rows(of);
  assert.deepEqual(row?.spans.map((s) => [s.name, s.level, s.from, s.to]), [["s1", 0, 1, 4], ["s2", 1, 2, 3]]);
  assert.deepEqual(row?.waits.map((w) => [w.from, w.to, w.open]), [[2, 4, false]]);
  assert.deepEqual([whole?.kind, whole?.waits[0]?.open, whole?.waits[0]?.to], ["wait", true, 100]);
});

test("planned steps stand at the end, and the axis leaves room for them while the run lasts", () => {
  const plan = (task: string, steps = 1): Planned => ({ id: null, task, queue: null, after_id: "a", group_id: null, body: false, steps, state: "PLANNED" });
  const of = run([step("a", null, [attempt(0, null)])], { state: "RUNNING", planned: [plan("t.b"), plan("t.many", 40)] });
  const { rows, seconds } = picture(of, NOW, NONE);
  assert.deepEqual(outline(rows), ["t.a", "t.b", "t.many ×40"]);
  assert.ok(seconds > 100);
});

test("parents in a loop, or unknown ones, leave no step out", () => {
  const loop = [step("a", "b", [attempt(0, 1)]), step("b", "a", [attempt(1, 2)]), step("c", "gone", [attempt(2, 3)])];
  assert.equal(rows(run(loop)).length, 3);
  assert.ok(tree(run(loop), NOW).length >= 1);
});

test("what was revoked before its body began has no bar that looks as if it ran", () => {
  const revoked = step("a", null, [attempt(3, 3, { state: "REVOKED", runtime_seconds: null })]);
  assert.deepEqual(bars(rows(run([revoked]))[0]), [["wait", 0, 3]]);
});

test("clocks that are apart make no bar that ends before it begins or begins before the run", () => {
  const skewed = step("a", null, [attempt(5, 4, { wait_seconds: 50, hold_seconds: 60, runtime_seconds: 1 })]);
  for (const b of rows(run([skewed]))[0]!.bars) assert.ok(b.from >= 0 && b.to >= b.from, JSON.stringify(b));
});

const THOUSANDS = 9_999;
const many = (parent: (i: number) => string | null, more: (i: number) => object = () => ({})) =>
  run(Array.from({ length: THOUSANDS }, (_, i) => step(`s${i}`, parent(i), [attempt(i, i + 1)], more(i))));

test("ten thousand steps are laid out, however deep they are", () => {
  const chain = rows(many((i) => (i ? `s${i - 1}` : null)));
  assert.equal(chain.length, THOUSANDS);
  assert.ok(chain.every((r) => r.depth <= 6));
});

test("ten thousand steps beside each other are one row, and a row each when they are unfolded", () => {
  const star = many((i) => (i ? "s0" : null), () => ({ task: "t.row" }));
  const [first, group] = rows(star);
  assert.deepEqual([first!.id, group!.count], ["s0", THOUSANDS - 1]);
  assert.deepEqual(group!.worst.map((m) => m.id), ["s1", "s2", "s3"]);
  assert.equal(rows(star, new Set([group!.key])).length, THOUSANDS + 1);
});

test("thousands of chords, one behind the other, stand in line", () => {
  const last = (i: number) => `s${i - (i % 3) - 1}`; // of each three the last publishes the next
  const chords = rows(many((i) => (i < 3 ? null : last(i)), (i) => ({ group_id: `g${Math.floor(i / 3)}`, task: "t.row" })));
  assert.equal(chords.length, THOUSANDS);
  assert.ok(chords.every((r) => r.depth === 0));
});
