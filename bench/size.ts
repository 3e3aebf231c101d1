// What a user downloads: the bundle as published and as a bundler would minify it, and the wasm builds.
// `npm run size -- [--check]`; with --check, over the limit is an error.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { bundle } from "../bundle.mjs";
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

/** What index.js imports at once, and what is loaded on demand. */
interface Parts {
  readonly core: readonly Uint8Array[];
  readonly onDemand: readonly Uint8Array[];
}

async function parts(entry: string, minify: boolean): Promise<Parts> {
  const files = await bundle({ index: entry }, { minify });
  const core = new Set<string>();
  const visit = (name: string): void => {
    core.add(name);
    for (const i of files.find((f) => f.fileName === name)?.imports ?? []) if (!core.has(i)) visit(i);
  };
  visit("index.js");
  const of = (inCore: boolean): Uint8Array[] =>
    files.filter((f) => core.has(f.fileName) === inCore).map((f) => new TextEncoder().encode(f.code));
  return { core: of(true), onDemand: of(false) };
}

const gzipped = (parts: readonly Uint8Array[]): number =>
  parts.reduce((n, p) => n + gzipSync(p, { level: 9 }).length, 0);
const row = (name: string, parts: readonly Uint8Array[]): SizeRow => ({
  ...{ name, bytes: parts.reduce((n, p) => n + p.length, 0), gzip: gzipped(parts) },
});

export async function sizeSection(): Promise<SizeRow[]> {
  const dist = fileURLToPath(new URL("../dist/", import.meta.url));
  const [plain, small] = [await parts("dist/index.js", false), await parts("dist/index.js", true)];
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
