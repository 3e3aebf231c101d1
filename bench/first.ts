// From before the import of a library to its first trained step in hand, in Node and in a page: ours as published, ours of
// an earlier tarball, and the others'. Each time is of a process or a page of its own; they take turns.
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Bar, Presets } from "cli-progress";
import { findChromium } from "../test/browser/page.ts";
import { ended } from "../test/published/hosts/cell.ts";
import { esbuild } from "../test/published/hosts/workerd.ts";
import { packed } from "../test/published/pack.ts";
import { headersOf, openBrowser, type Site, serveFolder } from "../test/published/pages.ts";
import { type Grid, type Span, show, span } from "./timing.ts";

export interface FirstRow {
  readonly name: string;
  readonly where: "Node" | "page";
  readonly ms: Span;
  /** Over ours of the same round. */
  readonly over: Span | null;
}

/** A library, and the module that takes its first step. */
interface Entrant {
  readonly name: string;
  readonly module: string;
}

const PROGRAMS = fileURLToPath(new URL("peers/first", import.meta.url));
const MODULES = fileURLToPath(new URL("peers/node_modules", import.meta.url));

/** Ours first; the others where they are installed. */
function entrants(folder: string, before: string | undefined): Entrant[] {
  const ours = (name: string, home: string): Entrant => {
    copyFileSync(join(PROGRAMS, "ours.mjs"), join(home, "ours.mjs"));
    return { name, module: join(home, "ours.mjs") };
  };
  const list = [ours("wasmgrad", folder)];
  if (before !== undefined) {
    const home = mkdtempSync(join(folder, "before-"));
    execFileSync("tar", ["-xzf", before, "-C", home]);
    mkdirSync(join(home, "node_modules"));
    renameSync(join(home, "package"), join(home, "node_modules", "wasmgrad"));
    list.push(ours("wasmgrad, the earlier one", home));
  }
  for (const [name, packaged] of [
    ["jax-js", "@jax-js/jax"],
    ["tfjs-wasm", "@tensorflow/tfjs-backend-wasm"],
  ] as const) {
    const module = join(PROGRAMS, `${name.split("-")[0]}.mjs`);
    if (existsSync(join(MODULES, packaged))) list.push({ name, module });
    else console.log(`first: without ${name}: npm ci --prefix bench/peers installs it`);
  }
  return list;
}

/** Milliseconds of one try, by its own clock. */
type Try = (entrant: Entrant) => number | Promise<number>;

function inNode({ name, module }: Entrant): number {
  const done = spawnSync(process.execPath, [join(PROGRAMS, "run.mjs"), module], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`first, ${name}: ${done.stderr}`);
  return read(name, done.stdout.trim().split("\n").at(-1)!);
}

function read(name: string, line: string): number {
  const { ms, loss } = JSON.parse(line) as { ms: number; loss: number };
  if (!(loss > 0)) throw new Error(`first, ${name}: the loss is ${loss}`);
  return ms;
}

/** Each bundled by esbuild, minified, with its wasm files beside the script: a page that has cached nothing. */
async function bundled(list: readonly Entrant[], folder: string): Promise<void> {
  for (const [i, { name, module }] of list.entries()) {
    const out = join(folder, String(i));
    const args = [module, "--bundle", "--minify", "--format=esm", "--splitting", "--outdir=.", "--entry-names=first"];
    mkdirSync(out, { recursive: true });
    const done = await ended(esbuild, [...args, "--external:node:*", "--log-level=error"], out);
    if (done.code !== 0) throw new Error(`first, ${name}: ${done.err}`);
    const home = name.startsWith("wasmgrad")
      ? join(module, "../node_modules/wasmgrad/dist")
      : join(MODULES, "@tensorflow/tfjs-backend-wasm/dist");
    for (const file of readdirSync(home)) if (file.endsWith(".wasm")) copyFileSync(join(home, file), join(out, file));
    const script = `globalThis.begin = performance.now();
      const { first } = await import("./first.js");
      const loss = await first();
      globalThis.done = JSON.stringify({ ms: performance.now() - begin, loss });`;
    writeFileSync(join(out, "index.html"), `<!doctype html><body><script type="module">${script}</script>`);
  }
}

async function inPage(list: readonly Entrant[], folder: string): Promise<{ once: Try; close(): Promise<void> } | null> {
  const path = findChromium();
  if (path === null || !existsSync(esbuild)) {
    console.log("first: no page: no Chromium is installed, or no esbuild: npm ci --prefix test/published");
    return null;
  }
  await bundled(list, folder);
  const site: Site = await serveFolder(folder, headersOf({ isolated: true, csp: "none" }));
  const browser = await openBrowser(path);
  const once = async (entrant: Entrant): Promise<number> => {
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      const wrong = new Promise<never>((_, reject) => page.on("pageerror", reject));
      const done = async (): Promise<string> => {
        await page.goto(`${site.url}${list.indexOf(entrant)}/`);
        await page.waitForFunction(() => "done" in globalThis, null, { polling: 20 });
        return page.evaluate(() => (globalThis as unknown as { done: string }).done);
      };
      return read(entrant.name, await Promise.race([done(), wrong]));
    } finally {
      await context.close();
    }
  };
  const close = async (): Promise<void> => {
    await browser.close();
    await site.close();
  };
  return { once, close };
}

async function measure(where: FirstRow["where"], list: Entrant[], once: Try, rounds: number): Promise<FirstRow[]> {
  const ms = list.map((): number[] => []);
  const bar = new Bar({ format: `first, ${where.padEnd(5)} {bar} {value}/{total}`, hideCursor: true }, Presets.rect);
  bar.start(rounds + 1, 0);
  try {
    // The first round only fills the file cache.
    for (let r = -1; r < rounds; r++) {
      for (const [i, entrant] of list.entries()) {
        const took = await once(entrant);
        if (r >= 0) ms[i]!.push(took);
      }
      bar.increment();
    }
  } finally {
    bar.stop();
  }
  return list.map(({ name }, i) => ({
    ...{ name, where, ms: span(ms[i]!) },
    over: i === 0 ? null : span(ms[i]!.map((t, r) => t / ms[0]![r]!)),
  }));
}

export async function firstSection(rounds: number, before?: string): Promise<FirstRow[]> {
  const { folder, close } = await packed();
  try {
    const list = entrants(folder, before);
    const rows = await measure("Node", list, inNode, rounds);
    const page = await inPage(list, join(folder, "pages"));
    if (page === null) return rows;
    try {
      return [...rows, ...(await measure("page", list, page.once, rounds))];
    } finally {
      await page.close();
    }
  } finally {
    await close();
  }
}

export const firstGrid = (rows: readonly FirstRow[]): Grid => [
  ["import to the first trained step", "", "ms", "over ours"],
  rows.map((r) => [r.name, r.where, show(r.ms), r.over === null ? "" : show(r.over)]),
];
