// What is published does what the sources do: tests of workers, captured runs, memory and messages once more, on dist/ as
// it is, in Node and in Chromium. Flat memory is looked at for fewer steps; `npm test -- --all dist` has them all.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openPages, type Pages } from "./browser/dist.ts";
import { findChromium } from "./browser/page.ts";
import { environment } from "./environment.ts";
import { built } from "./published/pack.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const FILES = [
  "threads",
  "pieces-threads",
  "capture",
  "captured",
  "captured-host",
  "surplus",
  "messages-public",
  "memory",
  "memory-loop",
  "memory-soak",
  "memory-devices",
];
const variables: Record<string, string> =
  process.env.WEBGPU_CASES === "all" ? {} : { MEMORY_STEPS: "5000", SOAK_STEPS: "150000" };

/** A test file on dist/, in Node. */
function inNode(file: string): Promise<string> {
  const args = ["--import", "tsx", "--import", "./test/dist-hook.mjs", `test/${file}`];
  return new Promise((resolve, reject) => {
    const env = environment({ ...process.env, ...variables }, file);
    const child = spawn(process.execPath, args, { cwd: root, env });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (part) => (text += stripVTControlCharacters(part)));
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(text) : reject(new Error(`it ended with code ${code}:\n${text}`)),
    );
  });
}

/** All tests passed, and there were some: their number goes to the console. */
function judge(where: string, text: string): void {
  const number = (word: string): number => Number(new RegExp(`^\\s*${word}:\\s+(\\d+)`, "m").exec(text)?.[1]);
  const [all, passed] = [number("Total"), number("Passed")];
  // Marked, so that the runner does not count its lines.
  const end = text.slice(-3000).replaceAll("\n", "\n| ");
  assert.ok(all > 0, `no test ran:\n${end}`);
  assert.is(passed, all, end);
  console.log(`${where}: ${passed} of ${all}`);
  for (const [, name] of text.matchAll(/^skipped: (.+)$/gm)) console.log(`skipped: ${where}: ${name}`);
}

const node = suite("dist in Node");
node.before(built);
for (const name of FILES) {
  const file = `${name}.test.ts`;
  node(file, async () => judge(`Node: ${file}`, await inNode(file)));
}
node.run();

const pages = suite("dist in Chromium");
const chromium = findChromium();
if (chromium === null) {
  console.log("skipped: dist in Chromium: no Chromium is installed (CHROMIUM names one)");
  pages.skip("no Chromium");
} else {
  let opened: Pages;
  pages.before(async () => {
    opened = await openPages(chromium);
  });
  pages.after(() => opened.close());
  for (const name of FILES) {
    const file = `${name}.test.ts`;
    pages(file, async () => judge(`Chromium: ${file}`, await opened.run(file, variables)));
  }
  // Its collector has other tasks: there the nudge to it was lost where isolated pages still ran.
  const loop = "memory-loop.test.ts";
  pages(`${loop}, not isolated`, async () => judge(`Chromium: ${loop}`, await opened.run(loop, variables, false)));
}
pages.run();
