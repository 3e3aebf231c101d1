// calibrate and the comparison of devices in a headless Chromium: the answer is kept in localStorage.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { body, ENTRY } from "../bench/page.ts";
import type { RunCalibrate, RunDevices } from "./browser/calibrate.ts";
import { findChromium, openPage } from "./browser/page.ts";

declare const runCalibrate: RunCalibrate;
declare const runDevices: RunDevices;

const all = suite("calibrate in Chromium");
const found = findChromium();
if (found === null) {
  console.log("skipped: calibrate-browser.test.ts: all: no Chromium is installed (CHROMIUM names one)");
  all.skip("no Chromium");
} else {
  all("calibrate measures, and finds its answer in localStorage", async () => {
    const { page, close } = await openPage(found, "test/browser/calibrate.ts");
    try {
      const { first, second, kept, info } = await page.evaluate(() => runCalibrate());
      assert.match(first.why, new RegExp(`^${first.choice}: `));
      assert.match(info, /; chosen by calibrate: /);
      if (first.times.length === 0) console.log(`skipped: localStorage: ${first.why}`);
      else {
        assert.is(first.cached, false);
        assert.equal(second, { ...first, cached: true });
        assert.equal(kept, ["wasmgrad/calibrate.json"]);
      }
      assert.equal(await page.evaluate(() => runDevices()), { points: 12, ended: [], agree: true });
    } finally {
      await close();
    }
  });

  all("the page of the bench measures what its address asks for, and shows a table", async () => {
    const { page, close } = await openPage(found, ENTRY, { body, query: "?batches=2&rounds=1&budget=1" });
    try {
      await page.getByRole("button").click();
      await page.locator("div > *").first().waitFor();
      const cells = await page.locator("td:first-child").allTextContents();
      const kinds = ["softmax", "mlp", "cnn"].flatMap((m) => [`${m} forward 2`, `${m} step 2`]);
      assert.equal(cells, kinds);
      const head = await page.locator("th").allTextContents();
      const text = (await page.locator("p").allTextContents()).join("\n");
      assert.match(head[1]!, /^wasm, 1 thread$/);
      const adapter = /^WebGPU[^:]*: (.*)$/m.exec(text)?.[1] ?? "";
      if (!head.some((h) => h.startsWith("WebGPU"))) assert.match(text, /No WebGPU: /);
      else assert.is(/software/.test(adapter), /software adapter/.test(head[0]!));
    } finally {
      await close();
    }
  });
}
all.run();
