// Memory on WebGPU: every wait gives the collector its turn, a request that failed succeeds behind one, and devices that nobody holds go.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { collect } from "./heap.ts";
import { flat } from "./waits.ts";
import { gpuTest } from "./webgpu-adapter.ts";

const MB = 1 << 20;
const turn = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

gpuTest("every wait on WebGPU", async () => {
  const other = await w.init({ threads: 1 });
  const device = await w.init({ device: "webgpu", maximumMemory: 160 * MB });
  await flat(device, other);
  for (const d of [device, other]) await d.dispose();
});

gpuTest("a request that failed on WebGPU succeeds behind a wait", async () => {
  const device = await w.init({ device: "webgpu", maximumMemory: 128 * MB, fresh: true });
  const most = (): w.Tensor => w.zeros([80, MB / 4]);
  for (const wait of [() => w.flush(), () => turn(200)]) {
    for (let i = 0; i < 2; i++) {
      await (async () => {
        const x = most();
        await x.narrow(0, 1, 2).select(0, 0).select(0, 3).item();
        x.dispose();
      })();
      assert.throws(() => most(), /has run out/);
      await wait();
      await w.flush();
      most().dispose();
    }
  }
  await device.dispose();
});

gpuTest("equal options give the living device again, and fresh ones that nobody holds go", async () => {
  const first = await w.init({ device: "webgpu" });
  assert.is(await w.init({ device: "webgpu" }), first);
  const watched: WeakRef<w.Device>[] = [];
  const use = async (): Promise<void> => {
    const device = await w.init({ device: "webgpu", fresh: true });
    watched.push(new WeakRef(device));
    w.manualSeed(1);
    await w.randn([4]).sum().item();
  };
  for (let i = 0; i < 3; i++) await use();
  w.setDefaultDevice(first);
  for (let i = 0; i < 20 && watched.some((r) => r.deref() !== undefined); i++) await collect();
  assert.equal(
    watched.map((r) => r.deref()),
    [undefined, undefined, undefined],
  );
  assert.is(await w.ones([3]).sum().item(), 3, "those that are held go on");
  await first.dispose();
});

test.run();
