/** Builds the page: hashed files, a manifest of them, the licences of what is inside; the folder is the argument. */

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const HERE = dirname(fileURLToPath(import.meta.url));
const TARGET = resolve(process.argv[2] ?? join(HERE, "..", "celery_monitor", "web", "static"));

/** Names of the packages whose code went into the bundle. */
function bundled(metafile) {
  const paths = Object.keys(metafile.inputs).map((path) => path.split("node_modules/")[1]);
  const names = paths.filter(Boolean).map((path) => path.split("/").slice(0, path.startsWith("@") ? 2 : 1).join("/"));
  return [...new Set(names)].sort();
}

/** Full licence texts: minifying leaves none of them in the bundle. */
async function licences(names) {
  const texts = names.map(async (name) => {
    const folder = join(HERE, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    return `${name} ${version} (${license})\n\n${(await readFile(join(folder, "LICENSE"), "utf8")).trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`);
}

/** Hash of the sources by name and content, as `stamp` of hatch_build.py: it tells whether this build is still right. */
async function stamp() {
  const digest = createHash("sha256");
  const sources = (await readdir(join(HERE, "src"))).sort().map((name) => join("src", name));
  for (const path of ["package.json", "package-lock.json", "build.mjs", ...sources])
    digest.update(`${basename(path)}\0`).update(await readFile(join(HERE, path))).update("\0");
  return digest.digest("hex");
}

const { metafile } = await build({
  absWorkingDir: HERE,
  entryPoints: { monitor: "src/main.tsx" },
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  entryNames: "[name]-[hash]",
  outdir: TARGET,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
});
const built = Object.keys(metafile.outputs).map((path) => basename(path));
const file = (suffix) => built.find((name) => name.endsWith(suffix));
await mkdir(TARGET, { recursive: true });
await writeFile(join(TARGET, "THIRD-PARTY-LICENSES.txt"), await licences(bundled(metafile)));
const manifest = { stamp: await stamp(), files: { script: file(".js"), style: file(".css") } };
// A page that is loaded meanwhile finds the old build or the new one, never none.
await writeFile(join(TARGET, "manifest.new"), JSON.stringify(manifest, null, 1));
await rename(join(TARGET, "manifest.new"), join(TARGET, "manifest.json"));
const size = gzipSync(await readFile(join(TARGET, file(".js"))), { level: 9 }).length;
console.log(`${file(".js")}: ${(size / 1000).toFixed(1)} kB gzip, at most 90`);
const kept = [...built, "THIRD-PARTY-LICENSES.txt", "manifest.json"];
for (const name of await readdir(TARGET)) if (!kept.includes(name)) await rm(join(TARGET, name), { recursive: true, force: true });
