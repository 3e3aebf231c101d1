// The runner behind `npm test`: each test file is a process of its own, two at a time. Ends with `N passed, N failed`.
// Arguments are parts of file names; with `--all` WebGPU has every case, not only the small ones, and published types every compiler. A line that a file prints as `skipped: NAME` names a test that it skipped.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Result, runFile } from "./file.ts";

const AT_A_TIME = 2;
/** Ends a file that hangs, so that it is named. With `--all` some take longer. */
const HANG_MS = (process.argv.includes("--all") ? 120 : 30) * 60_000;
const folder = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("..", import.meta.url));

const env = process.argv.includes("--all") ? { ...process.env, WEBGPU_CASES: "all", TYPES_CELLS: "all" } : process.env;
const run = (file: string): Promise<Result> => runFile(file, { root, env, hangMs: HANG_MS });

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
