// Memory that has run out: what nobody holds comes back, where a request may wait for it at once, elsewhere behind any wait.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as data from "../src/data/index.ts";
import * as w from "../src/index.ts";

const MB = 1 << 20;
const SMALL = { threads: 1, maximumMemory: 512 * MB, fresh: true } as const;
const big = (device?: w.Device): w.Tensor => w.zeros([320, MB / 4], { device });

/** A tensor of 320 MiB, where what is left must first be collected. */
async function room(device?: w.Device): Promise<w.Tensor> {
  try {
    return big(device);
  } catch {
    await w.flush(device);
    return big(device);
  }
}

/** A tensor of 320 MiB that was disposed of, of which a view was read and forgotten: its bytes wait for the collector. */
async function leave(device?: w.Device): Promise<void> {
  const x = await room(device);
  const value = await x.narrow(0, 1, 2).select(0, 0).select(0, 3).item();
  assert.is(value, 0);
  x.dispose();
}

const turn = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const waits: Record<string, (x: w.Tensor) => Promise<unknown>> = {
  "item()": (x) => x.item(),
  "flush()": () => w.flush(),
  "data()": (x) => x.data(),
  "to()": (x) => x.to(x.device),
  "saveSafetensors()": (x) => w.saveSafetensors({ x }),
  "a turn of the event loop": () => turn(100),
};

test("a request that failed succeeds behind a wait, again and again", async () => {
  const device = await w.init(SMALL);
  const x = w.ones([1]);
  for (const [name, wait] of Object.entries(waits)) {
    for (let i = 0; i < 2; i++) {
      await leave();
      assert.throws(() => big(), /has run out.*awaiting/, name);
      await wait(x);
      big().dispose();
    }
  }
  await device.dispose();
});

test("what is awaited collects by itself", async () => {
  const device = await w.init(SMALL);
  const other = await w.init({ threads: 1, fresh: true });
  w.setDefaultDevice(device);
  const elsewhere = big(other);
  await leave();
  (await elsewhere.to(device)).dispose();

  await leave();
  const { x } = await w.load(await w.saveSafetensors({ x: elsewhere }));
  x!.dispose();

  await leave();
  await (async () => {
    w.setDefaultDevice(other);
    const model = new w.nn.Linear(MB, 80, { bias: false });
    w.setDefaultDevice(device);
    await model.to(device);
  })();

  await leave();
  const set = new data.TensorDataset({ data: new Float32Array(80 * MB), shape: [1, 80 * MB] }, new Int32Array(1));
  for await (const [batch] of new data.DataLoader(set)) assert.is(batch!.numel, 80 * MB);

  for (const d of [device, other]) await d.dispose();
});

test("a captured call waits for room for its results", async () => {
  const device = await w.init(SMALL);
  const step = w.capture((t: w.Tensor) => t.expand([220, MB / 4]).add(1));
  const one = w.ones([1, 1]);
  for (let i = 0; i < 4; i++) (await step(one)).dispose();
  const kept = [await step(one)];
  await (async () => {
    const x = w.zeros([220, MB / 4]);
    await x.narrow(0, 1, 2).select(0, 0).select(0, 3).item();
    x.dispose();
  })();
  const { replays } = step.stats;
  kept.push(await step(one));
  assert.is(step.stats.replays, replays + 1);
  assert.is(await kept[1]!.select(0, 0).select(0, 0).item(), 2);
  // Nothing can be done where all is held.
  const message = await step(one).then(
    () => "nothing",
    (e: Error) => e.message,
  );
  assert.match(message, /has run out/);
  assert.is(await kept[0]!.select(0, 0).select(0, 0).item(), 2);
  await device.dispose();
});

test("what was freed side by side is one run again", async () => {
  const device = await w.init({ threads: 1, maximumMemory: 64 * MB, fresh: true });
  for (let round = 0; round < 3; round++) {
    const parts = Array.from({ length: 500 }, (_, i) => w.zeros([(1 + (i % 7)) * 4096]));
    for (const i of [...parts.keys()].sort((a, b) => ((a * 7919) % 500) - ((b * 7919) % 500))) parts[i]!.dispose();
    w.zeros([10 * MB]).dispose();
    w.zeros([13 * MB]).dispose();
  }
  await device.dispose();
});

test.run();
