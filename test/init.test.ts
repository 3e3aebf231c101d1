// init: which device it gives, and how devices end: by dispose(), or when nobody holds them any more.
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { collect } from "./heap.ts";

test("equal options give the living device again", async () => {
  const first = await w.init({ threads: 1 });
  assert.is(await w.init({ threads: 1 }), first);
  assert.is(await w.init({ device: "wasm", threads: 1, debug: undefined }), first);
  assert.is(w.defaultDevice(), first);
  const other = await w.init({ threads: 1, deterministic: true });
  assert.is.not(other, first);
  assert.is(w.defaultDevice(), other, "the default one is the latest that was asked for");
  assert.is(await w.init({ threads: 1, fresh: false }), first);
  assert.is(w.defaultDevice(), first);
  await first.dispose();
  const again = await w.init({ threads: 1 });
  assert.is.not(again, first, "one that was disposed of lives no more");
  for (const device of [other, again]) await device.dispose();
});

test("options are compared by their values", async () => {
  const bytes = new Uint8Array(readFileSync(new URL("../dist/simd.wasm", import.meta.url)));
  const first = await w.init({ threads: 1, wasm: { simd: bytes }, simd: "simd" });
  assert.is(await w.init({ simd: "simd", wasm: { simd: bytes }, threads: 1 }), first);
  assert.is.not(await w.init({ simd: "simd", wasm: { simd: bytes.slice() }, threads: 1 }), first);
  const address = new URL("../dist/simd.wasm", import.meta.url);
  const second = await w.init({ threads: 1, wasm: address });
  assert.is(await w.init({ threads: 1, wasm: new URL(address) }), second);
});

test("what is asked for twice at once is made once, and a failure is everybody's", async () => {
  const [a, b, c] = await Promise.all([
    w.init({ threads: 2 }),
    w.init({ threads: 2 }),
    w.init({ threads: 2, fresh: true }),
  ]);
  assert.is(a, b);
  assert.is.not(c, a);
  assert.is(await w.init({ threads: 2 }), c, "the latest");
  const wrong = await Promise.allSettled([w.init({ threads: -1 }), w.init({ threads: -1 })]);
  for (const result of wrong) assert.is(result.status, "rejected");
  for (const device of [a, c]) await device.dispose();
});

test("to(name) gives the device that init() gave", async () => {
  const device = await w.init();
  const x = w.ones([2]);
  assert.is(await x.to("wasm"), x);
  await device.dispose();
});

/** Threads of this process; where the host does not say, none. */
function threads(): number {
  try {
    return Number(/^Threads:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** What remains of devices that nobody holds. */
async function gone(watched: readonly WeakRef<object>[]): Promise<number> {
  for (let i = 0; i < 50 && watched.some((r) => r.deref() !== undefined); i++) await collect();
  return watched.filter((r) => r.deref() !== undefined).length;
}

test("100 calls that nobody holds on to: equal options are one device", async () => {
  const before = threads();
  const devices = new Set<w.Device>();
  for (let i = 0; i < 100; i++) devices.add(await w.init({ threads: 3 }));
  assert.is(devices.size, 1);
  assert.ok(threads() <= before + 8, `${threads()} threads, ${before} before`);
  for (const device of devices) await device.dispose();
});

test("fresh devices that nobody holds go, with their workers and their memory", async () => {
  const last = await w.init({ threads: 1, fresh: true });
  const before = threads();
  const watched: WeakRef<object>[] = [];
  let most = 0;
  /** With parameters, a captured step, random numbers and everything else that hangs on a device. */
  const use = async (): Promise<void> => {
    const device = (await w.init({ threads: 3, fresh: true })) as WasmDevice;
    w.manualSeed(1);
    const model = new w.nn.Sequential(new w.nn.Linear(4, 4), new w.nn.Dropout(0.5));
    const optimizer = new w.optim.Adam(model.parameters(), { lr: 0.1 });
    const step = w.capture((x: w.Tensor) => {
      optimizer.zeroGrad();
      const loss = model.forward(x).sum();
      loss.backward();
      optimizer.step();
      return loss;
    });
    const x = w.randn([2, 4]);
    for (let i = 0; i < 4; i++) await (await step(x)).item();
    watched.push(new WeakRef(device), new WeakRef(device.memoryOf.memory));
  };
  for (let i = 0; i < 40; i++) {
    await use();
    most = Math.max(most, threads());
  }
  assert.ok(most <= before + 40, `${most} threads, ${before} before`);
  w.setDefaultDevice(last);
  assert.is(await gone(watched), 0);
  for (let i = 0; i < 50 && threads() > before; i++) await new Promise((r) => setTimeout(r, 50));
  assert.ok(threads() <= before, `${threads()} threads, ${before} before`);
  await last.dispose();
});

test("a device lives while a tensor lies on it", async () => {
  let x: w.Tensor | null = null;
  const watched: WeakRef<object>[] = [];
  await (async () => {
    const device = await w.init({ threads: 2, fresh: true });
    watched.push(new WeakRef(device));
    x = w.full([3], 2);
  })();
  const other = await w.init({ threads: 1, fresh: true });
  for (let i = 0; i < 3; i++) await collect();
  assert.ok(watched[0]!.deref() !== undefined);
  assert.equal([...(await x!.add(1).data())], [3, 3, 3], "its workers too");
  x = null;
  assert.is(await gone(watched), 0);
  await other.dispose();
});

for (const n of [1, 2])
  test(`dispose() lets the memory go though the device and a tensor are held, on ${n} threads`, async () => {
    const device = (await w.init({ threads: n, fresh: true })) as WasmDevice;
    const before = threads();
    const x = w.ones([1000]);
    await x.sum().item();
    const memory = new WeakRef(device.memoryOf.memory);
    await device.dispose();
    assert.is(await gone([memory]), 0);
    assert.ok(threads() <= before);
    for (const f of [() => x.data(), () => x.item(), () => device.flush()])
      assert.match(
        await f().then(
          () => "nothing",
          (e: Error) => e.message,
        ),
        /disposed of|1000/,
      );
    assert.throws(() => x.dataSync(), /disposed of/);
    assert.throws(() => x.add(1), /disposed of/);
    x.dispose();
    await device.dispose();
  });

test.run();
