// What a user downloads: the bundle as published and as a bundler would minify it, and the wasm builds.
// `npm run size -- [--check]`; with --check, over the limit is an error.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { digits, type Grid, table } from "./timing.ts";

export interface SizeRow {
  readonly name: string;
  readonly bytes: number;
  readonly gzip: number;
}

/** kB, gzip, for what is downloaded: the minified bundle and one wasm file. */
const LIMITS: Record<string, number> = {
  "index.js, minified": 45,
  "simd.wasm": 45,
  "relaxed.wasm": 45,
  "wide.wasm": 45,
};

/** A file's bytes and those of its static imports; the chunks that are imported on demand lie outside. */
interface Bundle {
  readonly core: readonly Uint8Array[];
  readonly onDemand: readonly Uint8Array[];
}

async function bundle(entry: string, minify: boolean): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    ...{ bundle: true, splitting: true, minify, format: "esm", platform: "neutral", external: ["node:*"] },
    ...{ outdir: "out", write: false, metafile: true, logLevel: "error" },
  });
  const { outputs } = metafile;
  const closure = (name: string): string[] => [
    name,
    ...outputs[name]!.imports.filter((i) => i.kind === "import-statement" && !i.external).flatMap((i) =>
      closure(i.path),
    ),
  ];
  const core = new Set(
    closure(Object.keys(outputs).find((name) => outputs[name]!.entryPoint?.endsWith("dist/index.js"))!),
  );
  const of = (inCore: boolean): Uint8Array[] =>
    Object.keys(outputs)
      .filter((name) => core.has(name) === inCore)
      .map((name) => outputFiles.find((f) => f.path.replaceAll("\\", "/").endsWith(`/${name}`))!.contents);
  return { core: of(true), onDemand: of(false) };
}

const gzipped = (parts: readonly Uint8Array[]): number =>
  parts.reduce((n, p) => n + gzipSync(p, { level: 9 }).length, 0);
const row = (name: string, parts: readonly Uint8Array[]): SizeRow => ({
  ...{ name, bytes: parts.reduce((n, p) => n + p.length, 0), gzip: gzipped(parts) },
});

export async function sizeSection(): Promise<SizeRow[]> {
  const dist = fileURLToPath(new URL("../dist/", import.meta.url));
  const [plain, small] = [await bundle(`${dist}index.js`, false), await bundle(`${dist}index.js`, true)];
  return [
    row("index.js and what it imports", plain.core),
    row("index.js, minified", small.core),
    ...(small.onDemand.length === 0 ? [] : [row("loaded on demand, minified", small.onDemand)]),
    ...["simd.wasm", "relaxed.wasm", "wide.wasm"].map((f) => row(f, [readFileSync(dist + f)])),
  ];
}

const kB = (bytes: number): string => digits(bytes / 1000);

export const sizeGrid = (rows: readonly SizeRow[]): Grid => [
  ["file", "kB", "gzip kB"],
  rows.map((r) => [r.name, kB(r.bytes), kB(r.gzip)]),
];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let check = false;
  try {
    ({ check } = parseArgs({ options: { check: { type: "boolean", default: false } } }).values);
  } catch (error) {
    console.error(
      `size: ${(error as Error).message}\n\nnpm run size -- [--check]   with --check, over the limit is an error`,
    );
    process.exit(2);
  }
  const rows = await sizeSection();
  const over = (r: SizeRow): boolean => r.gzip > 1000 * (LIMITS[r.name] ?? Number.POSITIVE_INFINITY);
  const [head, cells] = sizeGrid(rows);
  const limits = rows.map((r) =>
    LIMITS[r.name] === undefined ? "" : `${LIMITS[r.name]}${over(r) ? " EXCEEDED" : ""}`,
  );
  console.log(
    table(
      [...head, "limit"],
      cells.map((c, i) => [...c, limits[i]!]),
    ),
  );
  process.exit(check && rows.some(over) ? 1 : 0);
}
