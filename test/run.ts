// The runner behind `npm test`: each test file is a process of its own, two at a time. Ends with `N passed, N failed`.
// Arguments are parts of file names; with `--all` WebGPU has every case, not only the small ones, and published types every compiler. A line that a file prints as `skipped: NAME` names a test that it skipped.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { environment } from "./environment.ts";

const AT_A_TIME = 2;
/** Ends a file that hangs, so that it is named. With `--all` some take longer. */
const HANG_MS = (process.argv.includes("--all") ? 120 : 30) * 60_000;
const folder = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("..", import.meta.url));

interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly names: readonly string[];
  readonly text: string;
  /** What went wrong besides failing tests, or null. */
  readonly trouble: string | null;
  readonly seconds: number;
}

/** The sum of the numbers behind `word:` at the starts of lines; null when there are none. */
function total(text: string, word: string): number | null {
  const found = [...text.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)\\s*$`, "gm"))];
  return found.length === 0 ? null : found.reduce((sum, match) => sum + Number(match[1]), 0);
}

function environmentOf(file: string): NodeJS.ProcessEnv {
  const env = process.argv.includes("--all")
    ? { ...process.env, WEBGPU_CASES: "all", TYPES_CELLS: "all" }
    : process.env;
  return environment(env, file);
}

function run(file: string): Promise<Result> {
  const begin = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", `${folder}${file}`], {
      cwd: root,
      env: environmentOf(file),
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (part: string) => {
        text += part;
      });
    }
    let hangs = false;
    const timer = setTimeout(() => {
      hangs = true;
      child.kill("SIGKILL");
    }, HANG_MS);
    const done = (code: number | null, reason: string): void => {
      clearTimeout(timer);
      const plain = stripVTControlCharacters(text);
      const all = total(plain, "Total");
      const passed = total(plain, "Passed") ?? 0;
      const failed = (all ?? 0) - passed;
      let trouble: string | null = null;
      if (hangs) trouble = `it had not ended after ${HANG_MS / 60_000} minutes`;
      else if (all === null) trouble = `it ended before its tests did (${reason})`;
      else if (all === 0 && (total(plain, "Skipped") ?? 0) === 0) trouble = "it ran no test";
      else if (code !== 0 && failed === 0) trouble = `all tests passed, but it ended with ${reason}`;
      const names = [...plain.matchAll(/^\s*skipped: (.+)$/gm)].map((match) => match[1]!);
      resolve({
        ...{ file, passed, failed, skipped: total(plain, "Skipped") ?? 0, names, text: plain, trouble },
        seconds: (performance.now() - begin) / 1000,
      });
    };
    child.on("error", (error) => done(1, error.message));
    child.on("close", (code, signal) => done(code, signal === null ? `code ${code}` : `signal ${signal}`));
  });
}

/** What is worth reading of a file that failed: without the dots. */
const readable = (text: string): string =>
  text
    .split("\n")
    .filter((line) => !/^[\s•✘]*$/.test(line))
    .map((line) => line.replace(/(?:[•✘] )+/g, ""))
    .join("\n");

const filters = process.argv.slice(2).filter((a) => a !== "--all");
const files = readdirSync(folder)
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => filters.length === 0 || filters.some((f) => name.includes(f)))
  .sort();
if (files.length === 0) console.log(`no test file matches ${filters.join(", ")}`);

const results: Result[] = [];
// The longest first, so that the two queues end together.
const long = (file: string): number => Number(/^((webgpu-)?cases|dist|memory|webgpu-half)\./.test(file));
const queue = [...files].sort((a, b) => long(b) - long(a));
async function work(): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const r = await run(file);
    results.push(r);
    const bad = r.failed > 0 || r.trouble !== null;
    if (bad) console.log(`${readable(r.text)}\n`);
    const counts = `${r.passed} passed${r.failed > 0 ? `, ${r.failed} failed` : ""}${r.skipped > 0 ? `, ${r.skipped} skipped` : ""}`;
    console.log(`${bad ? "FAIL" : "ok  "} ${file.padEnd(24)} ${counts}  ${r.seconds.toFixed(1)} s`);
    if (r.trouble !== null) console.log(`     ${r.trouble}`);
  }
}
await Promise.all(Array.from({ length: AT_A_TIME }, work));

const sum = (f: (r: Result) => number): number => results.reduce((n, r) => n + f(r), 0);
const failed = sum((r) => r.failed + (r.trouble === null ? 0 : 1));
const skipped = sum((r) => r.skipped);
for (const r of results) for (const name of r.names) console.log(`skipped: ${r.file}: ${name}`);
console.log(`${sum((r) => r.passed)} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 || files.length === 0 ? 1 : 0;
