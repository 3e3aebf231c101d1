// The same tests in other hosts: a newer Node, Deno and Bun (`npm install --prefix test/runtimes` brings them). Each file
// runs there as it does here, threads and all. A sample; `npm test -- --all runtimes` runs all, which takes an hour.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { lavapipe } from "./drivers.ts";
import { environment } from "./environment.ts";
import { RUNTIMES } from "./others.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const all = process.env.WEBGPU_CASES === "all";
/** What leans most on a host: workers and their deaths, captured runs over the event loop's turns, files. */
const SAMPLE = ["threads", "pieces-threads", "capture", "safetensors", "files"];
const FILES = all ? [...SAMPLE, "memory", "data", "optim", "cases", "goldens"] : SAMPLE;
/**
 * Bun's collector scans the stack by guesswork, so what lives is bounded there but not the same to the byte. Broken
 * downloads, of which data.test.ts reads the reasons, are worded otherwise by the fetch of both.
 */
const LEFT_OUT: Record<string, readonly string[]> = { Deno: ["data"], Bun: ["data", "memory"] };
/**
 * Flat memory, in the sample, where the event loop that lets finalizers run is another than Node's. Deno's own WebGPU has
 * float16 on every lavapipe, Node's on newer ones only.
 */
const MORE: Record<string, readonly string[]> = {
  Deno: all ? (lavapipe(process.env, "own") === null ? [] : ["webgpu-half", "webgpu-amp"]) : ["memory"],
};

interface Ended {
  readonly code: number | null;
  readonly text: string;
}

/** Far above what a file takes there: it only ends a hang. */
const LIMIT = (all ? 100 : 20) * 60_000;

/** Runs a program to its end; what does not end by itself is ended, and says so. */
function run([command, ...args]: readonly string[], file: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command!, [...args, `test/${file}`], { cwd: root, env: environment(process.env, file, "own") });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => (text += part));
    const timer = setTimeout(() => {
      text += `\nit had not ended after ${LIMIT / 60_000} minutes`;
      child.kill("SIGKILL");
    }, LIMIT);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, text: stripVTControlCharacters(text) });
    });
  });
}

for (const [name, command] of Object.entries(RUNTIMES)) {
  if (!existsSync(command[0])) {
    console.log(`skipped: ${name}, which is not installed: npm install --prefix test/runtimes`);
    test.skip(name, () => {});
    continue;
  }
  for (const file of [...FILES.filter((f) => !LEFT_OUT[name]?.includes(f)), ...(MORE[name] ?? [])]) {
    test(`${name}: ${file}.test.ts`, async () => {
      const { code, text } = await run(command, `${file}.test.ts`);
      const number = (word: string): number => Number(new RegExp(`^\\s*${word}:\\s+(\\d+)`, "m").exec(text)?.[1]);
      // Marked, so that the runner does not count its lines.
      const end = text.slice(-3000).replaceAll("\n", "\n| ");
      assert.ok(number("Total") > 0, `no test ran:\n${end}`);
      assert.is(number("Passed"), number("Total"), end);
      assert.is(code, 0, end);
    });
  }
}

test.run();
