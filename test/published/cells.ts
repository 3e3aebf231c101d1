// The cells of the matrix: each way, in the page and in a Worker, under each setting; what is expected of each, and what
// the platform itself forbids. A cell trains `app/train.js`, and its losses are those that Node gives on the same package.
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { packed } from "./pack.ts";
import {
  CORS,
  headersOf,
  type Outcome,
  openBrowser,
  SETTINGS,
  type Setting,
  type Site,
  serveFolder,
  visit,
} from "./pages.ts";
import { type Place, project, WAYS, type Way } from "./ways.ts";

export interface Cell extends Setting {
  readonly way: Way;
  readonly place: Place;
}

/** What differs from the rule "two threads where memory can be shared, else one": for the cells that it matches. */
interface Exception {
  readonly ways: readonly string[];
  readonly place?: Place;
  readonly csp?: Setting["csp"];
  readonly isolated?: boolean;
  /** The browser's own words for why this cannot be. */
  readonly forbidden?: string;
  readonly threads?: number;
  /** To be found in `info().why`. */
  readonly why?: RegExp;
}

const EXCEPTIONS: readonly Exception[] = [
  {
    ways: ["import map"],
    place: "worker",
    forbidden: 'Failed to resolve module specifier "wasmgrad".',
  },
  {
    ways: ["import map"],
    csp: "strict",
    forbidden:
      "Executing inline script violates the following Content Security Policy directive " +
      "'script-src 'self' 'wasm-unsafe-eval''.",
  },
  {
    ways: ["other origin"],
    place: "page",
    csp: "strict",
    forbidden: `violates the following Content Security Policy directive: "script-src 'self' 'wasm-unsafe-eval'".`,
  },
  {
    ways: ["other origin"],
    place: "worker",
    csp: "strict",
    forbidden: "Failed to fetch dynamically imported module",
  },
  { ways: ["inline"], csp: "strict", isolated: true, threads: 1, why: /worker/ },
];

export type Expected = { readonly forbidden: string } | { readonly threads: number; readonly why: RegExp };

export function expected({ way, place, csp, isolated }: Cell): Expected {
  const found = EXCEPTIONS.find(
    (e) =>
      e.ways.includes(way.name) &&
      (e.place ?? place) === place &&
      (e.csp ?? csp) === csp &&
      (e.isolated ?? isolated) === isolated,
  );
  if (found?.forbidden !== undefined) return { forbidden: found.forbidden };
  if (found?.threads !== undefined) return { threads: found.threads, why: found.why! };
  return isolated ? { threads: 2, why: /threads: asked for/ } : { threads: 1, why: /memory cannot be shared here/ };
}

export const CELLS: readonly Cell[] = WAYS.flatMap((way) =>
  (["page", "worker"] as const).flatMap((place) => SETTINGS.map((setting) => ({ ...setting, way, place }))),
);

export const settingOf = ({ isolated, csp }: Setting): string =>
  `${isolated ? "isolated" : "plain"}${csp === "none" ? "" : `, ${csp}`}`;
export const rowOf = ({ way, place }: Cell): string => `${way.name}, ${place}`;
export const nameOf = (cell: Cell): string => `${rowOf(cell)}, ${settingOf(cell)}`;

export interface Result {
  readonly cell: Cell;
  /** What differs from what is expected; null where nothing does. */
  readonly wrong: string | null;
  readonly threads?: number;
  readonly why?: string;
}

/** What differs between a cell and what is expected of it. */
function differs(cell: Cell, outcome: Outcome, said: readonly string[], node: readonly number[]): string | null {
  const want = expected(cell);
  if ("forbidden" in want) {
    const text = [...("error" in outcome ? [outcome.error] : []), ...said].join(" | ");
    return text.includes(want.forbidden) ? null : `forbidden by other words: ${text || "it ran"}`;
  }
  if ("error" in outcome) return [outcome.error, ...said].join(" | ");
  const { losses, build, threads, ready, why, isolated } = outcome;
  if (isolated !== cell.isolated) return `crossOriginIsolated is ${isolated}`;
  if (build !== "simd") return `build ${build}`;
  if (threads !== want.threads || ready !== threads) {
    return `${threads} threads, ${ready} take part, ${want.threads} are expected: ${why}${said.length > 0 ? ` | ${said.join(" | ")}` : ""}`;
  }
  if (!want.why.test(why)) return `why: ${why}`;
  const at = losses.findIndex((loss, i) => loss !== node[i]);
  return at >= 0 || losses.length !== node.length ? `loss ${at}: ${losses[at]} against Node's ${node[at]}` : null;
}

/** Trains in this process, by the package as it was packed. */
async function inNode(folder: string): Promise<readonly number[]> {
  const file = join(folder, "train.js");
  await cp(fileURLToPath(new URL("app/train.js", import.meta.url)), file);
  const { train } = await import(pathToFileURL(file).href);
  const { losses } = await train();
  if (losses.length !== 20 || losses.some(Number.isNaN) || new Set(losses).size !== 20) {
    throw new Error(`Node's losses are no training: ${losses}`);
  }
  return losses;
}

export interface RunOptions {
  readonly chromium: string;
  readonly cells: readonly Cell[];
  /** Runs what is forbidden too, and compares the browser's words. */
  readonly forbidden?: boolean;
  /** Hears of each cell, and of what bundlers warned of. */
  readonly tell?: (result: Result) => void;
  readonly warned?: (text: string) => void;
}

/** Runs cells, each way built once for the page and once for the Worker. */
export async function runCells(options: RunOptions): Promise<Result[]> {
  const { folder, close } = await packed();
  const other = await serveFolder(folder, CORS);
  const browser = await openBrowser(options.chromium);
  const results: Result[] = [];
  try {
    const node = await inNode(folder);
    for (const way of WAYS) {
      for (const place of ["page", "worker"] as const) {
        const cells = options.cells.filter((c) => c.way === way && c.place === place);
        const run = cells.filter((c) => options.forbidden || !("forbidden" in expected(c)));
        for (const cell of cells) if (!run.includes(cell)) results.push({ cell, wrong: null });
        if (run.length === 0) continue;
        for await (const result of runBuild(browser, way, place, folder, other.url, run, node, options.warned)) {
          results.push(result);
          options.tell?.(result);
        }
      }
    }
  } finally {
    await browser.close();
    await other.close();
    await close();
  }
  return results;
}

/** The cells of one build. */
async function* runBuild(
  browser: Browser,
  way: Way,
  place: Place,
  folder: string,
  other: string,
  cells: readonly Cell[],
  node: readonly number[],
  warned: (text: string) => void = () => {},
): AsyncGenerator<Result> {
  const made = await project(folder, way, place, other);
  let site: Site;
  try {
    site = await way.open(made);
  } catch (error) {
    const lines = (error as Error).message.split("\n").filter((line) => !/^\s*(at .*)?$/.test(line));
    const wrong = `the build: ${[...new Set(lines)].join(" | ")}`;
    for (const cell of cells) yield { cell, wrong };
    return;
  }
  try {
    // The first load lets vite find what to bundle ahead, and then load once more.
    if (way.name === "vite dev") await visit(browser, site, {});
    for (const cell of cells) {
      const { outcome, said } = await visit(browser, site, headersOf(cell));
      const wrong = differs(cell, outcome, said, node);
      yield { cell, wrong, ...("error" in outcome ? {} : { threads: outcome.threads, why: outcome.why }) };
    }
  } finally {
    await site.close();
  }
  for (const text of new Set(made.warnings)) warned(`${way.name}, ${place}: ${text}`);
}
