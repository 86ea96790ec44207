/** Holds the palette to WCAG 2.1: 4.5:1 for text (1.4.3), 3:1 for graphics (1.4.11), on every surface it stands on. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const CSS = readFileSync(new URL("../src/style.css", import.meta.url), "utf8");
const TEXT = ["ink", "muted", "waiting", "running", "succeeded", "retried", "failed", "lost"];
const FILLS = ["waiting", "running", "succeeded", "retried", "failed", "other", "lost"].map((n) => `fill-${n}`);
const TINTS = ["tint-ok", "tint-warning", "tint-critical", "tint-unknown"];

function palette(selector: string): Map<string, string> {
  const start = CSS.indexOf(`\n${selector} {`);
  assert.ok(start >= 0, `no rule ${selector}`);
  const block = CSS.slice(start, CSS.indexOf("}", start));
  return new Map([...block.matchAll(/--cm-([a-z-]+): (#[0-9a-f]{6});/g)].map((m) => [m[1] ?? "", m[2] ?? ""]));
}

/** Relative luminance as WCAG defines it. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
    const c = parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

function holds(colours: Map<string, string>, names: string[], surfaces: string[], least: number): void {
  for (const name of names)
    for (const surface of surfaces) {
      const ratio = contrast(colours.get(name) ?? "", colours.get(surface) ?? "");
      assert.ok(ratio >= least, `${name} on ${surface}: ${ratio.toFixed(2)}:1, at least ${least}:1`);
    }
}

for (const [theme, selector] of [
  ["light", "#celery-monitor"],
  ["dark", '[data-bs-theme="dark"] #celery-monitor'],
] as const) {
  const colours = palette(selector);
  test(`text can be read on every surface of the ${theme} theme`, () => {
    holds(colours, TEXT, ["surface"], 4.5);
    holds(colours, ["ink", "muted", "retried", "failed", "succeeded"], TINTS, 4.5);
  });
  test(`charts stand out from the ${theme} surface`, () => holds(colours, FILLS, ["surface"], 3));
}
