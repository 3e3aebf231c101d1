// npm run size: what a user downloads: the bundle as published and as a bundler would minify it, and the wasm builds.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { digits, table } from "./timing.ts";

/** kB, gzip, for what is downloaded: the minified bundle and one wasm file. */
const LIMITS: Record<string, number> = {
  "index.js, minified": 45,
  "simd.wasm": 45,
  "relaxed.wasm": 45,
  "wide.wasm": 45,
};

function parse(): { check: boolean } {
  try {
    return parseArgs({ options: { check: { type: "boolean", default: false } } }).values;
  } catch (error) {
    console.error(
      `size: ${(error as Error).message}\n\nnpm run size -- [--check]   with --check, over the limit is an error`,
    );
    process.exit(2);
  }
}

const { check } = parse();
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const { outputFiles } = await build({
  entryPoints: [`${dist}index.js`],
  bundle: true,
  minify: true,
  format: "esm",
  platform: "neutral",
  external: ["node:*"],
  write: false,
  logLevel: "error",
});
const files: [string, Uint8Array][] = [
  ["index.js", readFileSync(`${dist}index.js`)],
  ["index.js, minified", outputFiles[0]!.contents],
  ["simd.wasm", readFileSync(`${dist}simd.wasm`)],
  ["relaxed.wasm", readFileSync(`${dist}relaxed.wasm`)],
  ["wide.wasm", readFileSync(`${dist}wide.wasm`)],
];
const kB = (bytes: number): string => digits(bytes / 1000);
let good = true;
const rows = files.map(([name, bytes]) => {
  const gzip = gzipSync(bytes, { level: 9 }).length;
  const limit = LIMITS[name];
  const over = limit !== undefined && gzip > limit * 1000;
  if (over) good = false;
  return [name, kB(bytes.length), kB(gzip), limit === undefined ? "" : `${limit}${over ? " EXCEEDED" : ""}`];
});
console.log(table(["file", "kB", "gzip kB", "limit"], rows));
process.exit(check && !good ? 1 : 0);
