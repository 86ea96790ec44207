import assert from "node:assert/strict";
import { test } from "node:test";
import { base, changed, execution, runs, to, workflow } from "../src/address/links.ts";
import { match } from "../src/address/route.ts";

const PAGES = ["", "runs", "runs/{}", "workflows/{}"];

test("a path names its page, with or without Flower's prefix", () => {
  assert.deepEqual(match("/monitor", "/monitor", PAGES), { page: "", name: "" });
  assert.deepEqual(match("/monitor/", "/monitor", PAGES), { page: "", name: "" });
  assert.deepEqual(match("/flw/monitor/runs", "/flw/monitor", PAGES), { page: "runs", name: "" });
  assert.deepEqual(match("/monitor/runs/5d1c", "/monitor", PAGES), { page: "runs/{}", name: "5d1c" });
});

test("what is no page of ours is none", () => {
  for (const path of ["/", "/tasks", "/monitoring", "/monitor/nothing", "/monitor/runs/a/b", "/flw/monitor"])
    assert.equal(match(path, "/monitor", PAGES), null, path);
});

test("a name comes back as it was, whatever is in it", () => {
  for (const name of ["a/b", "50%", "report (chain)", '<img src=x onerror="x">', "?q=1#x", "ü ☃", "%2F"]) {
    const { pathname } = new URL(workflow(name, { window: "6h" }), "http://flower");
    assert.deepEqual(match(pathname, "/monitor", PAGES), { page: "workflows/{}", name }, name);
  }
  assert.deepEqual(match("/monitor/workflows/50%", "/monitor", PAGES), { page: "workflows/{}", name: "50%" });
});

test("addresses begin with the prefix and leave out what is empty", () => {
  base.home = "/flw/monitor";
  assert.equal(runs({ state: "FAILED", window: null, cursor: "" }), "/flw/monitor/runs?state=FAILED");
  assert.equal(execution("a b"), "/flw/monitor/executions/a%20b");
  assert.equal(to([]), "/flw/monitor");
  base.home = "/monitor";
});

test("a changed query keeps what is not named, and is never the empty address", () => {
  assert.equal(changed("?a=1&b=2", { b: null, c: "x&y" }), "?a=1&c=x%26y");
  assert.equal(changed("?a=1", { a: "" }), "?");
});
