// Many small results that nobody releases: what they cost is what their objects and blocks cost, not their four bytes.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";

/** Steps of a tiny net, whose losses are left to the collector; the most storages that were alive. */
async function steps(count: number): Promise<number> {
  const model = new w.nn.Linear(4, 1);
  const optimizer = new w.optim.SGD(model.parameters(), { lr: 0.01 });
  const [x, y] = [w.randn([8, 4]), w.randn([8, 1])];
  const step = w.capture((x: w.Tensor, y: w.Tensor) => {
    optimizer.zeroGrad();
    const loss = w.mseLoss(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  });
  let most = 0;
  for (let i = 1; i <= count; i++) {
    await step(x, y);
    if (i % 1000 === 0) most = Math.max(most, w.memory().storages);
  }
  return most;
}

test("1.2 million losses left to the collector, at 64 MiB", async () => {
  const device = await w.init({ threads: 1, maximumMemory: 64 << 20 });
  const most = await steps(1_200_000);
  // Each block is 64 bytes, each storage counts as 320: a quarter of the memory, twice, is when a collection is worth it.
  assert.ok(most < 250_000, `${most} storages were alive`);
  assert.ok(w.memory().reservedBytes < 48 << 20, `${w.memory().reservedBytes} bytes are reserved`);
  await device.dispose();
});

test.run();
