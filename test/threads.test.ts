// Threads: results do not depend on their number, the work is shared evenly, and a worker's death is an error, not a hang.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { launch } from "../src/core/op.ts";
import * as w from "../src/index.ts";
import * as nn from "../src/nn/index.ts";
import { SGD } from "../src/optim/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { ready } from "./waiting.ts";

function cnn(): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(1, 10, 5),
    new nn.MaxPool2d(2),
    new nn.ReLU(),
    new nn.Conv2d(10, 20, 5),
    new nn.MaxPool2d(2),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Dropout(0.3),
    new nn.Linear(320, 10),
  );
}

/** Ten steps of the CNN; the bits of its parameters afterwards. */
async function tenSteps(): Promise<string> {
  w.manualSeed(7);
  const model = cnn();
  const optimizer = new SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
  for (let i = 0; i < 10; i++) {
    const x = w.rand([37, 1, 28, 28]);
    const y = w.randint(0, 10, [37]);
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
  }
  const bits: string[] = [];
  for (const p of model.parameters())
    bits.push(Buffer.from(((await p.data()) as Float32Array).buffer as ArrayBuffer).toString("base64"));
  return bits.join();
}

for (const simd of ["simd", "relaxed"] as const) {
  test(`${simd}: the same seed gives the same bits in every run, on 1, 2, 3 and 5 threads`, async () => {
    const results: string[] = [];
    for (const threads of [1, 1, 2, 3, 5]) {
      const device = await ready(await w.init({ simd, threads }));
      results.push(await tenSteps());
      await device.dispose();
    }
    for (const r of results) assert.is(r === results[0], true);
  });
}

test("each of 2 threads does 40 to 60 % of the work units above the threshold", async () => {
  const device = await ready(await w.init({ threads: 2 }));
  await tenSteps();
  const a = w.rand([512, 512]);
  await a.matmul(a).add(1).exp().sum().item();
  const work = device.workByThread();
  const total = work[0]! + work[1]!;
  assert.ok(total > 1e8, `only ${total} units were shared`);
  for (const units of work)
    assert.ok(units > 0.4 * total && units < 0.6 * total, `shares ${work.map((u) => u / total)}`);
  await device.dispose();
});

/** Rows of more than a second, in which every worker dies if `exits`. */
function longRows(device: WasmDevice, exits: boolean): w.Tensor {
  const a = w.rand([1024, 1024], { device });
  let c = a;
  const more = (rows: number): void => {
    for (let i = 0; i < rows; i++) c = c.matmul(a);
  };
  more(40);
  if (exits) launch("exit_f32", [w.empty([1 << 20], { device })], [], [1 << 20]);
  more(40);
  return c;
}

const testBuild = new URL("../dist/test/simd.wasm", import.meta.url);

const deaths: Record<string, (device: WasmDevice) => w.Tensor> = {
  "process.exit in the middle": (device) => longRows(device, true),
  "terminate() in the same tick": (device) => {
    const c = longRows(device, false);
    for (const worker of (device as unknown as { pool: { workers: { terminate(): void }[] } }).pool.workers)
      worker.terminate();
    return c;
  },
};

for (const [how, rows] of Object.entries(deaths)) {
  for (const wait of ["awaited", "Sync"] as const) {
    test(`a worker that dies by ${how}, ${wait}: an error, then init and ten steps`, async () => {
      const device = await ready(await w.init({ threads: 2, wasm: testBuild, simd: "simd" }));
      const untouched = w.full([3], 5);
      await w.flush();
      const c = rows(device);
      let error: Error | undefined;
      try {
        if (wait === "awaited") await w.flush();
        else c.dataSync();
      } catch (e) {
        error = e as Error;
      }
      assert.ok(error !== undefined, "no error came");
      assert.match(error!.message, /wasm device: .*worker .*(died|gone)/);
      assert.throws(() => w.zeros([2]), /it takes no more work/);
      assert.equal(untouched.dataSync(), Float32Array.of(5, 5, 5));
      assert.throws(() => c.dataSync(), /it takes no more work/);

      const next = await ready(await w.init({ threads: 2 }));
      await tenSteps();
      await next.dispose();
    });
  }
}

test("a bad label in a batch: the error at the next wait, parameters as before the step", async () => {
  const device = await ready(await w.init({ threads: 2 }));
  const model = cnn();
  const optimizer = new SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
  const step = (labels: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(w.ones([64, 1, 28, 28])), labels);
    loss.backward();
    optimizer.step();
    return loss;
  };
  await step(w.zeros([64], { dtype: "int32" })).item();
  const before = await Promise.all(model.parameters().map((p) => p.data()));
  const loss = step(w.full([64], 10, { dtype: "int32" }));
  let message = "";
  await loss.item().catch((e: Error) => {
    message = e.message;
  });
  assert.match(message, /crossEntropy: label 10 in row \d+ is outside \[0, 10\)/);
  const after = await Promise.all(model.parameters().map((p) => p.data()));
  assert.equal(after, before);
  await step(w.zeros([64], { dtype: "int32" })).item();
  await device.dispose();
});

test("more threads than cores is warned of once, and works", async () => {
  const device = await ready(await w.init({ threads: 6 }));
  assert.is(
    await w
      .ones([1 << 20])
      .sum()
      .item(),
    2 ** 20,
  );
  await device.dispose();
});

test.run();
