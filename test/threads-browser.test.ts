// wasm with threads in a headless Chromium: a page that is isolated has them, and they give Node's bits.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findChromium, openPage } from "./browser/page.ts";
import { train as here, type Trained } from "./browser/train.ts";

declare const train: typeof here;

const ENTRY = "test/browser/train.ts";
const all = suite("threads in Chromium");
const found = findChromium();
if (found === null) {
  console.log("skipped: threads-browser.test.ts: all: no Chromium is installed (CHROMIUM names one)");
  all.skip("no Chromium");
} else {
  all("two threads train a net to the bits that Node has", async () => {
    const { page, close } = await openPage(found, ENTRY);
    try {
      assert.ok(await page.evaluate(() => crossOriginIsolated));
      for (const simd of ["simd", "relaxed"] as const) {
        const run = (threads: number): Promise<Trained> =>
          page.evaluate(([n, build]) => train(n, build), [threads, simd] as const);
        const [two, one, node] = [await run(2), await run(1), await here(2, simd)];
        assert.equal([two.threads, two.ready, one.threads, node.ready], [2, 2, 1, 2]);
        assert.ok(new Set(node.words).size > 1000, "parameters are numbers of their own");
        assert.equal(two.words, node.words, `${simd}: the page's bits on two threads`);
        assert.equal(one.words, node.words, `${simd}: the page's bits on one thread`);
      }
    } finally {
      await close();
    }
  });

  all("a page that is not isolated has one thread, and says why", async () => {
    const { page, close } = await openPage(found, ENTRY, { isolated: false });
    try {
      const { threads, why } = await page.evaluate(() => train(2, "simd"));
      assert.is(threads, 1);
      assert.match(why, /threads: memory cannot be shared here/);
    } finally {
      await close();
    }
  });
}
all.run();
