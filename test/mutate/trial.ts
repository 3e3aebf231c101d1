// A copy of the tree in which mutations are tried, one after the other: the tree itself is never written.
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseAst } from "rolldown/parseAst";
import { runFile } from "../file.ts";
import { mutate, type Site } from "./sites.ts";
import { type Suite, suitesOf } from "./suites.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What came of a mutation. Not viable: it does not parse, or no wasm comes of it. */
export interface Verdict {
  readonly outcome: "caught" | "survived" | "not viable";
  /** The test that noticed, or why nothing could be tried. */
  readonly by: string | null;
  /** The test did not end. */
  readonly hangs: boolean;
  readonly seconds: number;
}

/** A test that has not been seen to end, and one that has: times what it took, and more. */
const FIRST_MS = 120_000;
const [TIMES, MORE_MS] = [5, 20_000];
/** What a build writes over. */
const BUILDS = ["dist/simd.wasm", "dist/relaxed.wasm", "dist/test/simd.wasm", "dist/test/relaxed.wasm"];

const nameOf = ({ file, env }: Suite): string => {
  const of = env.CASES_FAMILIES === undefined ? "" : ` (${env.CASES_FAMILIES})`;
  return `${file}${of}${env.CASES_BUILDS === undefined ? "" : ` on ${env.CASES_BUILDS}`}`;
};

export class Trials {
  readonly folder = mkdtempSync(join(tmpdir(), "wasmgrad-mutate-"));
  /** Milliseconds that a test took where all passed. */
  private readonly seen = new Map<string, number>();
  private readonly clean = new Set<string>();

  constructor() {
    cpSync(root, this.folder, { recursive: true, filter: (path) => wanted(relative(root, path).split(sep).join("/")) });
    symlinkSync(realpathSync(join(root, "node_modules")), join(this.folder, "node_modules"));
  }

  /** The verdict over a mutation; the copy is as before afterwards. */
  async try(site: Site): Promise<Verdict> {
    const begin = performance.now();
    const end = (outcome: Verdict["outcome"], by: string | null, hangs = false): Verdict => {
      return { outcome, by, hangs, seconds: Math.round((performance.now() - begin) / 100) / 10 };
    };
    const path = join(this.folder, site.file);
    const text = readFileSync(path, "utf8");
    const changed = mutate(text, site);
    const kernel = site.file.startsWith("assembly/");
    const before = kernel ? BUILDS.map((f) => [f, readFileSync(join(this.folder, f))] as const) : [];
    const put = (on: boolean): void => writeFileSync(path, on ? changed : text);
    const restore = (): void => {
      put(false);
      for (const [file, bytes] of before) writeFileSync(join(this.folder, file), bytes);
    };
    try {
      put(true);
      const why = kernel ? await this.build(/\/(replay|args)\.ts$/.test(site.file)) : unparsed(changed);
      if (why !== null) return end("not viable", why);
      const made = before.map(([file]) => [file, readFileSync(join(this.folder, file))] as const);
      for (const suite of suitesOf(site.file)) {
        const { failed, hangs, ms } = await this.run(suite);
        if (!failed) {
          this.seen.set(nameOf(suite), Math.max(ms, this.seen.get(nameOf(suite)) ?? 0));
          continue;
        }
        // A test that fails by itself says nothing.
        restore();
        if (await this.passes(suite)) return end("caught", nameOf(suite), hangs);
        put(true);
        for (const [file, bytes] of made) writeFileSync(join(this.folder, file), bytes);
      }
      return end("survived", null);
    } finally {
      restore();
    }
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Whether a test passes without a mutation. */
  private async passes(suite: Suite): Promise<boolean> {
    const name = nameOf(suite);
    if (this.clean.has(name)) return true;
    const { failed, ms } = await this.run(suite);
    if (failed) {
      console.log(`${name} fails without a mutation: it is left out here`);
      return false;
    }
    this.clean.add(name);
    this.seen.set(name, Math.max(ms, this.seen.get(name) ?? 0));
    return true;
  }

  private async run(suite: Suite): Promise<{ failed: boolean; hangs: boolean; ms: number }> {
    const ms = this.seen.get(nameOf(suite));
    const hangMs = ms === undefined ? FIRST_MS : TIMES * ms + MORE_MS;
    const env = { ...process.env, ...suite.env };
    const r = await runFile(suite.file, { root: this.folder, env, hangMs, first: true });
    return { failed: r.failed > 0 || r.trouble !== null, hangs: r.hangs, ms: r.seconds * 1000 };
  }

  private async build(tests: boolean): Promise<string | null> {
    try {
      await promisify(execFile)(process.execPath, ["build.mjs", "--fast", ...(tests ? ["--test"] : [])], {
        cwd: this.folder,
        timeout: FIRST_MS,
      });
      return null;
    } catch (error) {
      return /ERROR.*/.exec(String((error as { stderr?: string }).stderr))?.[0] ?? String(error);
    }
  }
}

/** What the copy takes of the tree: no packages, and of dist/ the wasm files. */
function wanted(path: string): boolean {
  if (path.startsWith("dist/")) return path === "dist/test" || path.endsWith(".wasm");
  return !/(^|\/)(node_modules|\.git)(\/|$)/.test(path) && !path.startsWith("bench/lab/");
}

function unparsed(text: string): string | null {
  try {
    parseAst(text, { lang: "ts" });
    return null;
  } catch (error) {
    return String(error).split("\n")[0]!;
  }
}
