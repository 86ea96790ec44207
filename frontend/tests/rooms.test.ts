/** Which folder may import from which: arrows point downwards, and no room of pages knows another. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const SRC = new URL("../src/", import.meta.url);
/** From the top down; the rooms of pages stand between shell and parts, beside each other. */
const LAYERS = ["shell", "ROOM", "parts", "charts", "answers", "words", "address", "api"];

const folders = readdirSync(SRC, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
const rooms = folders.filter((name) => readdirSync(new URL(`${name}/`, SRC)).includes("room.ts"));
const layer = (folder: string) => LAYERS.indexOf(rooms.includes(folder) ? "ROOM" : folder);

/** "runs/run-page.tsx imports ../parts/badge.tsx" as ["runs", "parts", "runs/run-page.tsx"]. */
const arrows = folders.flatMap((from) =>
  readdirSync(new URL(`${from}/`, SRC)).flatMap((file) => {
    const text = readFileSync(new URL(`${from}/${file}`, SRC), "utf8");
    const found = [...text.matchAll(/(?:from|import\() ?"\.\.\/([\w-]+)\//g)];
    return found.map((match) => ({ from, to: match[1]!, file: `${from}/${file}` }));
  }),
);

test("every folder has its place, and there are rooms", () => {
  assert.deepEqual(folders.filter((name) => layer(name) < 0), []);
  assert.ok(rooms.length > 8 && arrows.length > 200, `${rooms.length} rooms, ${arrows.length} imports`);
});

test("imports point downwards, and what two rooms need lies below them", () => {
  const wrong = arrows.filter(({ from, to }) => layer(to) <= layer(from));
  assert.deepEqual(wrong.map(({ file, to }) => `${file} imports ${to}/`), []);
});

test("files of one folder do not import each other in a circle", () => {
  for (const folder of folders) {
    const next = new Map(readdirSync(new URL(`${folder}/`, SRC)).map((file) => [
      file, [...readFileSync(new URL(`${folder}/${file}`, SRC), "utf8").matchAll(/from "\.\/([\w.-]+)"/g)].map((match) => match[1]!),
    ]));
    const visit = (file: string, way: string[]): void => {
      assert.ok(!way.includes(file), `${folder}: ${[...way, file].join(" → ")}`);
      for (const other of next.get(file) ?? []) visit(other, [...way, file]);
    };
    for (const file of next.keys()) visit(file, []);
  }
});
