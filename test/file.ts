// One test file as a process of its own, and what came of it: for `npm test` (run.ts) and `npm run mutate` (mutate/).
import { spawn } from "node:child_process";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { environment } from "./environment.ts";

export interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly names: readonly string[];
  readonly text: string;
  /** What went wrong besides failing tests, or null. */
  readonly trouble: string | null;
  readonly hangs: boolean;
  readonly seconds: number;
}

export interface Run {
  /** The tree whose test it is. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  /** Ends a file that hangs, so that it is named. */
  readonly hangMs: number;
  /** Ends the file, and what it has started, with the first test that fails. */
  readonly first?: boolean;
}

/** The sum of the numbers behind `word:` at the starts of lines; null when there are none. */
function total(text: string, word: string): number | null {
  const found = [...text.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)\\s*$`, "gm"))];
  return found.length === 0 ? null : found.reduce((sum, match) => sum + Number(match[1]), 0);
}

/** Processes that run, each with its children as a group where it is to end with the first test that fails. */
const running = new Map<number, () => void>();
/** Ends them all. */
export function endAll(): void {
  for (const end of running.values()) end();
}

export function runFile(file: string, { root, env, hangMs, first = false }: Run): Promise<Result> {
  const begin = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", join(root, "test", file)], {
      cwd: root,
      env: environment(env, file),
      detached: first,
    });
    const end = (): void => {
      if (!first || child.pid === undefined) child.kill("SIGKILL");
      else if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGKILL");
    };
    if (child.pid !== undefined) running.set(child.pid, end);
    let text = "";
    let stopped = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (part: string) => {
        text += part;
        if (!first || stopped || !part.includes("✘")) return;
        stopped = true;
        end();
      });
    }
    let hangs = false;
    const timer = setTimeout(() => {
      hangs = true;
      end();
    }, hangMs);
    const done = (code: number | null, reason: string): void => {
      clearTimeout(timer);
      if (child.pid !== undefined) running.delete(child.pid);
      const plain = stripVTControlCharacters(text);
      const all = total(plain, "Total");
      const passed = total(plain, "Passed") ?? 0;
      const failed = stopped ? 1 : (all ?? 0) - passed;
      let trouble: string | null = null;
      if (hangs) trouble = `it had not ended after ${Math.round(hangMs / 6000) / 10} minutes`;
      else if (stopped) trouble = null;
      else if (all === null) trouble = `it ended before its tests did (${reason})`;
      else if (all === 0 && (total(plain, "Skipped") ?? 0) === 0) trouble = "it ran no test";
      else if (code !== 0 && failed === 0) trouble = `all tests passed, but it ended with ${reason}`;
      const names = [...plain.matchAll(/^\s*skipped: (.+)$/gm)].map((match) => match[1]!);
      resolve({
        ...{ file, passed, failed, skipped: total(plain, "Skipped") ?? 0, names, text: plain, trouble, hangs },
        seconds: (performance.now() - begin) / 1000,
      });
    };
    child.on("error", (error) => done(1, error.message));
    child.on("close", (code, signal) => done(code, signal === null ? `code ${code}` : `signal ${signal}`));
  });
}
