// Builds everything that is run from dist/: the three wasm builds and, unless --test, the published bundle and its types.
// A wasm file that is newer than every source is kept.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.mjs";

const root = fileURLToPath(new URL(".", import.meta.url));
process.chdir(root);
const test = process.argv.includes("--test");
const wasmOnly = process.argv.includes("--wasm");

const newest = (dir) =>
  Math.max(
    ...readdirSync(dir, { withFileTypes: true, recursive: true }).map(
      (f) => statSync(join(f.parentPath ?? f.path, f.name)).mtimeMs,
    ),
  );
const sources = Math.max(newest("assembly"), statSync("asconfig.json").mtimeMs, statSync("package-lock.json").mtimeMs);

/**
 * Locals that are never alive together share a name: a sixth less to download (bench/lab, 211). What else wasm-opt has
 * costs speed (64).
 */
const PASSES = ["--coalesce-locals", "--vacuum", "--reorder-locals"];

/** What the builds use: with all features on, wasm-opt writes a module that Node 20 refuses. */
const FEATURES = [
  "simd",
  "relaxed-simd",
  "threads",
  "bulk-memory",
  "mutable-globals",
  "sign-ext",
  "nontrapping-float-to-int",
].map((name) => `--enable-${name}`);

function compile(target, out) {
  if (existsSync(out) && statSync(out).mtimeMs > sources) return;
  const entry = target.endsWith("-test") ? "assembly/test.ts" : "assembly/index.ts";
  const part = `${out}.part`;
  const asc = ["node_modules/assemblyscript/bin/asc.js", entry, "--target", target, "--outFile", part];
  execFileSync(process.execPath, asc, { stdio: "inherit" });
  execFileSync(process.execPath, ["node_modules/binaryen/bin/wasm-opt", part, ...PASSES, ...FEATURES, "-o", part]);
  renameSync(part, out);
  console.log(`${out}  ${statSync(out).size} bytes`);
}

mkdirSync("dist/test", { recursive: true });
compile("simd", "dist/simd.wasm");
compile("relaxed", "dist/relaxed.wasm");
compile("wide", "dist/wide.wasm");
if (test) {
  compile("simd-test", "dist/test/simd.wasm");
  compile("relaxed-test", "dist/test/relaxed.wasm");
} else if (!wasmOnly) {
  for (const file of readdirSync("dist")) if (/\.js$/.test(file)) rmSync(`dist/${file}`);
  await bundle(
    { index: "src/index.ts", data: "src/data/index.ts", amp: "src/amp/index.ts", io: "src/io/safetensors.ts" },
    { dir: "dist", minify: false },
  );
  rmSync("dist/types", { recursive: true, force: true });
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
    stdio: "inherit",
  });
}
