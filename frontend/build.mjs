/** Builds the pages: hashed files, a manifest of them, the licences of what is inside; the folder is the argument. */

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const HERE = dirname(fileURLToPath(import.meta.url));
const TARGET = resolve(process.argv[2] ?? join(HERE, "..", "celery_monitor", "web", "static"));

/** Names of the packages whose code went into the bundle; what they depend on may be inside their own files. */
async function bundled(...metafiles) {
  const paths = metafiles.flatMap(({ inputs }) => Object.keys(inputs)).map((path) => path.split("node_modules/")[1]);
  const names = new Set(paths.filter(Boolean).map((path) => path.split("/").slice(0, path.startsWith("@") ? 2 : 1).join("/")));
  for (const name of names) for (const other of Object.keys((await described(name)).dependencies ?? {})) names.add(other);
  return [...names].sort();
}

async function described(name) {
  return JSON.parse(await readFile(join(HERE, "node_modules", name, "package.json"), "utf8"));
}

/** Full licence texts: minifying leaves none of them in the bundle. */
async function licences(names) {
  const texts = names.map(async (name) => {
    const { version, license } = await described(name);
    return `${name} ${version} (${license})\n\n${(await readFile(join(HERE, "node_modules", name, "LICENSE"), "utf8")).trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`);
}

/** Hash of the sources by path and content, as `stamp` of hatch_build.py: it tells whether this build is still right. */
async function stamp() {
  const digest = createHash("sha256");
  const entries = await readdir(join(HERE, "src"), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => relative(HERE, join(entry.parentPath ?? entry.path, entry.name)));
  const sources = files.map((path) => path.replaceAll(sep, "/")).sort();
  for (const path of ["package.json", "package-lock.json", "build.mjs", ...sources])
    digest.update(`${path}\0`).update(await readFile(join(HERE, path))).update("\0");
  return digest.digest("hex");
}

/** Folders of pages: each is fetched when one of its pages is gone to first. */
const rooms = (await readdir(join(HERE, "src"))).filter((name) => existsSync(join(HERE, "src", name, "room.ts"))).sort();

/** Parts of a page with a file of their own, by name: the page's room, and what is fetched when somebody asks for them. */
const VIEWS = { graph: ["runs", "src/runs/graph-view.tsx"] };

const WORKER = "src/runs/graph-worker.ts"; // of the graph

/** What all rooms are made of. */
const COMMON = ["address", "answers", "parts", "words"];

/** Lets every room and view reach all that is common: esbuild makes a file for each set of rooms that share something, else dozens. */
const together = {
  name: "together",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^common$/ }, () => ({ path: "common", namespace: "common" }));
    onLoad({ filter: /.*/, namespace: "common" }, async () => {
      const folders = COMMON.map(async (folder) => (await readdir(join(HERE, "src", folder))).map((name) => `./${folder}/${name}`));
      const paths = (await Promise.all(folders)).flat().sort();
      return { contents: paths.map((path, n) => `export * as _${n} from "${path}";`).join(""), resolveDir: join(HERE, "src") };
    });
    const whole = [...rooms.map((name) => `src/${name}/room.ts`), ...Object.values(VIEWS).map(([, source]) => source)];
    const ends = whole.map((source) => source.replaceAll(".", "\\.")).join("|");
    onLoad({ filter: new RegExp(`/(${ends})$`) }, async ({ path }) => ({
      contents: `${await readFile(path, "utf8")}export * as common from "common";`,
      loader: "tsx",
    }));
  },
};

/** What runs beside the page has a file of its own, whose name the page has to know. */
const shared = {
  absWorkingDir: HERE,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  entryNames: "[name]-[hash]",
  outdir: TARGET,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
};
const beside = await build({ ...shared, entryPoints: { "graph-worker": WORKER } });
const worker = basename(Object.keys(beside.metafile.outputs)[0]);

const { metafile } = await build({
  ...shared,
  entryPoints: { monitor: "src/main.tsx", ...Object.fromEntries(rooms.map((name) => [name, `src/${name}/room.ts`])) },
  splitting: true,
  plugins: [together],
  define: { GRAPH_WORKER: JSON.stringify(`./${worker}`) },
  jsx: "automatic",
  jsxImportSource: "preact",
  chunkNames: "shared-[hash]",
});
const { outputs } = metafile;
const outputOf = (source) => Object.keys(outputs).find((path) => outputs[path].entryPoint === source);

/** An output and those it cannot run without. */
function needed(path, seen = new Set()) {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const { path: other, kind } of outputs[path].imports) if (kind === "import-statement") needed(other, seen);
  return seen;
}

/** Names of the files that are fetched when a room's page is the first to be opened. */
function fetched(room) {
  const paths = [outputOf("src/main.tsx"), outputOf(`src/${room}/room.ts`)].flatMap((path) => [...needed(path)]);
  return names(paths);
}

function names(paths) {
  return [...new Set([...paths].map((path) => basename(path)))];
}

const built = [worker, ...Object.keys(outputs).map((path) => basename(path))];
const files = { script: basename(outputOf("src/main.tsx")), style: built.find((name) => name.endsWith(".css")) };
const pages = Object.fromEntries(rooms.map((room) => [room, fetched(room)]));
for (const [view, [room, source]] of Object.entries(VIEWS)) pages[view] = [...new Set([...pages[room], ...names(needed(outputOf(source)))])];
pages.graph.push(worker);
await mkdir(TARGET, { recursive: true });
await writeFile(join(TARGET, "THIRD-PARTY-LICENSES.txt"), await licences(await bundled(metafile, beside.metafile)));
// A page that is loaded meanwhile finds the old build or the new one, never none.
await writeFile(join(TARGET, "manifest.new"), JSON.stringify({ stamp: await stamp(), files, pages }, null, 1));
await rename(join(TARGET, "manifest.new"), join(TARGET, "manifest.json"));
for (const [room, names] of Object.entries(pages)) {
  const sizes = await Promise.all(names.map(async (name) => gzipSync(await readFile(join(TARGET, name)), { level: 9 }).length));
  const sum = sizes.reduce((all, size) => all + size, 0);
  console.log(`${room}: ${(sum / 1000).toFixed(1)} kB gzip in ${names.length} files, at most 90`);
}
const kept = [...built, "THIRD-PARTY-LICENSES.txt", "manifest.json"];
for (const name of await readdir(TARGET)) if (!kept.includes(name)) await rm(join(TARGET, name), { recursive: true, force: true });
