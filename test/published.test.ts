// The published package in pages: a sample of the matrix (`npm run matrix` runs all of it), in which each way to come by
// the package has a cell, and each setting.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findChromium } from "./browser/page.ts";
import { CELLS, type Cell, nameOf, type Result, runCells } from "./published/cells.ts";

const SAMPLE = [
  "vite dev, page, isolated",
  "vite build, worker, isolated, strict",
  "webpack, page, isolated, trusted types",
  "webpack, worker, plain",
  "rollup, worker, isolated, strict",
  "esbuild esm, page, isolated, strict",
  "esbuild iife, page, isolated, trusted types",
  "module script, worker, isolated, trusted types",
  "import map, page, plain, trusted types",
  "other origin, page, isolated",
  "inline, page, isolated",
  "inline, page, isolated, strict",
  "inline, worker given, page, isolated, strict",
];

const all = suite("published");
const chromium = findChromium();
const tools = fileURLToPath(new URL("published/node_modules/", import.meta.url));
const lack =
  chromium === null
    ? "no Chromium is installed (CHROMIUM names one)"
    : existsSync(tools)
      ? null
      : "the tools are not installed: npm ci --prefix test/published";

if (lack !== null) {
  console.log(`skipped: published.test.ts: all: ${lack}`);
  all.skip(lack);
} else {
  const cells = SAMPLE.map((name): Cell => {
    const cell = CELLS.find((c) => nameOf(c) === name);
    if (cell === undefined) throw new Error(`the matrix has no cell ${name}`);
    return cell;
  });
  // One package and one browser for all.
  let results: Promise<Result[]> | undefined;
  for (const [i, name] of SAMPLE.entries()) {
    all(name, async () => {
      results ??= runCells({ chromium: chromium!, cells });
      const { wrong } = (await results).find(({ cell }) => cell === cells[i])!;
      assert.is(wrong, null, wrong ?? "");
    });
  }
}
all.run();
