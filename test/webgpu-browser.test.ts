// The cases on WebGPU in a headless Chromium: those marked small, or with WEBGPU_CASES=all every one.
import { suite } from "uvu";
import type { Results } from "./browser/cases.ts";
import { findChromium, openPage } from "./browser/page.ts";

declare const runCases: (full: boolean, first: number, step: number) => Promise<Results>;
declare const countCases: (full: boolean) => number;

const STEP = 100;
const all = suite("WebGPU in Chromium");
const found = findChromium();
if (found === null) {
  console.log("skipped: webgpu-browser.test.ts: all cases: no Chromium is installed (CHROMIUM names one)");
  all.skip("no Chromium");
} else {
  const full = process.env.WEBGPU_CASES === "all";
  const { page, close } = await openPage(found, "test/browser/cases.ts");
  try {
    const count = await page.evaluate((f) => countCases(f), full);
    const results: Results["results"] = [];
    for (let first = 0; first < count; first += STEP) {
      const part = await page.evaluate(([f, at, n]) => runCases(f, at, n), [full, first, STEP] as const);
      if (first === 0) console.log(`Chromium: ${part.adapter}`);
      results.push(...part.results);
    }
    for (const { name, message, special } of results) {
      all(name, () => {
        if (message === null) return;
        if (special && message.includes(": off by")) console.log(`driver: ${message.slice(0, 300)}`);
        else throw new Error(message);
      });
    }
    all("every case was run", () => {
      if (results.length !== count) throw new Error(`${results.length} of ${count} were run`);
    });
  } finally {
    await close();
  }
}
all.run();
