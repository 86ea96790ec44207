import assert from "node:assert/strict";
import { test } from "node:test";
import { isGone, rank, standing, workerMark } from "../src/words/worker-states.ts";

const NOW = new Date("2026-11-20T12:00:00Z");
const of = (...states: string[]) => standing(states.map((state) => ({ state }) as never));

test("every state is a word and a shape of its own, and the worst stand first", () => {
  const states = ["zombie", "lost", "skewed", "ok", "stopped"];
  assert.equal(new Set(states.map((s) => workerMark(s).word)).size, states.length);
  assert.deepEqual([...states].sort((a, b) => rank(a) - rank(b)), states);
  assert.deepEqual(workerMark("constructor"), { shape: "○", word: "constructor", tone: "unknown" });
});

test("the sentence on top names the worst that there is", () => {
  assert.equal(of("ok", "ok").text, "All 2 workers are well");
  assert.equal(of("ok").text, "The worker is well");
  assert.equal(of().text, "No worker answers");
  assert.equal(of("ok", "lost", "zombie", "lost").text, "3 of 4 workers want a look: 1 takes nothing, 2 lost");
  assert.equal(of("ok", "warning").text, "1 of 2 workers wants a look");
  assert.equal(of("ok", "lost", "zombie").mark.tone, "critical");
});

test("who said goodbye is gone, and who was lost is when the window no longer sees it", () => {
  const seen = (state: string, seen_at: string) => isGone({ state, seen_at } as never, 3600, NOW);
  assert.equal(seen("stopped", "2026-11-20T11:59:00Z"), true);
  assert.equal(seen("lost", "2026-11-20T11:30:00Z"), false);
  assert.equal(seen("lost", "2026-11-20T10:30:00Z"), true);
  assert.equal(seen("ok", "2026-11-20T11:59:59Z"), false);
});
