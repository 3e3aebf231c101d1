// What a user downloads: a page and the whole library as vite builds them, the wasm builds, and what else is published.
// `npm run size -- [--check]`; with --check, over the limit is an error.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { digits, type Grid, table } from "./timing.ts";

export interface SizeRow {
  readonly name: string;
  readonly bytes: number;
  readonly gzip: number;
}

/** kB, gzip: a page's JavaScript, the whole library's, and the one wasm file that a page loads. */
const LIMITS: Record<string, number> = {
  "page, JavaScript": 58,
  "page, JavaScript (rolldown)": 58,
  "whole library, JavaScript": 104,
  "simd.wasm": 50,
  "relaxed.wasm": 50,
  "wide.wasm": 50,
};

/** A page with what most need: everything that it loads before its first trained step counts. */
const PAGE = `
import { capture, crossEntropy, init, nn, optim, randint, randn, relu } from "wasmgrad";
await init();
const model = new nn.Linear(20, 3);
const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
const step = capture((x, y) => {
  optimizer.zeroGrad();
  const loss = crossEntropy(relu(model.forward(x)), y);
  loss.backward();
  optimizer.step();
  return loss;
});
console.log(await (await step(randn([32, 20]), randint(0, 3, [32]))).item());
`;

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = `${root}dist/`;
const VITE = `${root}test/published/node_modules/vite/dist/node/index.js`;

interface Chunk {
  readonly type: string;
  readonly fileName: string;
  readonly code: string;
  readonly isEntry: boolean;
  readonly imports: readonly string[];
}

/** Every name of the package but what design.md leaves out of "the whole library": datasets and loaders. */
const WHOLE = `
import * as wasmgrad from "wasmgrad";
import * as amp from "wasmgrad/amp";
import * as io from "wasmgrad/io";
import "wasmgrad/methods";
console.log(wasmgrad, amp, io);
`;

/** The chunks of a page, built by vite; by rolldown alone where vite is not installed (`npm ci --prefix test/published`). */
async function chunksOf(page: string): Promise<readonly Chunk[]> {
  const folder = mkdtempSync(join(tmpdir(), "wasmgrad-size-"));
  try {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(root, join(folder, "node_modules/wasmgrad"));
    writeFileSync(join(folder, "page.js"), page);
    writeFileSync(join(folder, "index.html"), '<!doctype html><script type="module" src="/page.js"></script>');
    if (!existsSync(VITE)) {
      const { rolldown } = await import("rolldown");
      const build = await rolldown({ input: join(folder, "page.js"), platform: "browser" });
      const { output } = await build.generate({ format: "esm", minify: true });
      return output as unknown as Chunk[];
    }
    const { build } = await import(VITE);
    const options = { modulePreload: { polyfill: false }, write: false, target: "esnext" };
    const built = await build({ root: folder, configFile: false, logLevel: "silent", build: options });
    return built.output;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const row = (name: string, parts: readonly (string | Uint8Array)[]): SizeRow => {
  const bytes = parts.map((p) => Buffer.from(p as string));
  const sum = (of: (b: Buffer) => number): number => bytes.reduce((n, b) => n + of(b), 0);
  return { name, bytes: sum((b) => b.length), gzip: sum((b) => gzipSync(b, { level: 9 }).length) };
};

/** What a page loads at once, and what it loads on demand, of which few pages load all. */
async function rowsOf(name: string, page: string): Promise<{ atOnce: SizeRow; later: readonly Chunk[] }> {
  const scripts = (await chunksOf(page)).filter((c) => c.type === "chunk");
  const first = new Set<string>();
  const visit = (c: Chunk): void => {
    if (first.has(c.fileName)) return;
    first.add(c.fileName);
    for (const i of c.imports) visit(scripts.find((s) => s.fileName === i)!);
  };
  for (const c of scripts) if (c.isEntry) visit(c);
  const atOnce = scripts.filter((c) => first.has(c.fileName)).map((c) => c.code);
  return {
    atOnce: row(`${name}, JavaScript${existsSync(VITE) ? "" : " (rolldown)"}`, atOnce),
    later: scripts.filter((c) => !first.has(c.fileName)),
  };
}

/** The WebGPU device: the one chunk that holds shaders. */
const isWebGpu = (c: Chunk): boolean => c.code.includes("@workgroup_size");

export async function sizeSection(): Promise<SizeRow[]> {
  const page = await rowsOf("page", PAGE);
  const whole = await rowsOf("whole library", WHOLE);
  const later = (name: string, chunks: readonly Chunk[]): SizeRow =>
    row(
      name,
      chunks.map((c) => c.code),
    );
  const file = (f: string): SizeRow => row(f, [readFileSync(dist + f)]);
  return [
    page.atOnce,
    later("page, loaded on demand", page.later),
    whole.atOnce,
    later(
      "whole library, on demand but for WebGPU",
      whole.later.filter((c) => !isWebGpu(c)),
    ),
    later("WebGPU", whole.later.filter(isWebGpu)),
    ...["simd.wasm", "relaxed.wasm", "wide.wasm", "wasmgrad-worker.js"].map(file),
    ...["data.js", "amp.js", "io.js", "carried-simd.js", "carried-relaxed.js", "wasmgrad.min.js"].map(file),
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
