// A loop whose results nobody releases runs in a gibibyte: what is dropped is collected before memory runs out.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";

const MB = 1 << 20;

test("1,000 steps that drop 8 MiB each: less than 100 MiB live, in 1 GiB", async () => {
  const device = await w.init({ maximumMemory: 1024 * MB });
  let most = 0;
  for (let i = 0; i < 1000; i++) {
    let x = w.randn([1024, 1024]);
    x = x.add(x);
    await x.sum().item();
    most = Math.max(most, w.memory().liveBytes);
  }
  assert.ok(most < 100 * MB, `${(most / MB).toFixed(1)} MiB were live`);
  await device.dispose();
});

test.run();
