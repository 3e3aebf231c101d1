// Threads: results do not depend on their number, the work is shared evenly, and a worker's death is an error, not a hang.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { hostTest, inPage } from "./place.ts";
import { HANG_MS, ready } from "./waiting.ts";

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
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
  for (let i = 0; i < 10; i++) {
    const x = w.rand([37, 1, 28, 28]);
    const y = w.randint(0, 10, [37]);
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
  }
  const bits: string[] = [];
  for (const p of model.parameters()) bits.push(new Int32Array((await p.data()).buffer).join());
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

test("replays find out how many threads are fastest, and say so: small steps stay on one", async () => {
  const device = await ready(await w.init({ threads: 2 }));
  device.pool.counts!.learns = true;
  const step = w.capture((x: w.Tensor) => x.mul(2).exp().add(1));
  assert.is(step.stats.threads, 0);
  const [small, large] = [w.rand([100]), w.rand([20000])];
  const bits = async (x: w.Tensor): Promise<string> => (await x.data()).join();
  const wanted = await bits(await step(large));
  const seen = new Set<number>();
  for (let i = 0; i < 100; i++) {
    assert.is(await bits(await step(large)), wanted);
    seen.add(step.stats.threads);
  }
  assert.equal([...seen].sort(), [1, 2], "both were tried");
  for (let i = 0; i < 10; i++) await step(small);
  assert.is(step.stats.threads, 1);
  await device.dispose();
});

test("the shares of a row come to its work, on 2 and on 3 threads", async () => {
  for (const threads of [2, 3]) {
    const device = await ready(await w.init({ threads }));
    const [a, b] = [w.rand([307, 211]), w.rand([211, 307])];
    const rows: Record<string, [() => w.Tensor, number]> = {
      exp: [() => a.exp(), 307 * 211],
      add: [() => a.add(1), 307 * 211],
      matmul: [() => a.matmul(b), 307 * 307 * 211],
      "sum of rows": [() => a.sum(1), 307 * 211],
      softmax: [() => w.softmax(a, 1), 307 * 211],
    };
    for (const [name, [run, units]] of Object.entries(rows)) {
      await w.flush();
      const before = device.workByThread();
      run();
      await w.flush();
      const shares = device.workByThread().map((x, i) => x - before[i]!);
      const total = shares.reduce((x, y) => x + y, 0);
      assert.ok(Math.abs(total / units - 1) < 1e-6, `${name}: ${shares}, of ${units}`);
      assert.ok(
        shares.every((x) => x > 0),
        `${name}: ${shares}`,
      );
    }
    await device.dispose();
  }
});

/** Rows of more than a second, in which every worker dies if `exits`. */
function longRows(device: WasmDevice, exits: boolean): w.Tensor {
  const a = w.rand([1024, 1024], { device });
  let c = a;
  const more = (rows: number): void => {
    for (let i = 0; i < rows; i++) c = c.matmul(a);
  };
  more(40);
  if (exits) device.launch("exit_f32", [w.empty([1 << 20], { device })], 1, [1 << 20], [], "exit");
  more(40);
  return c;
}

const testBuild = new URL("../dist/test/simd.wasm", import.meta.url);

/** How a worker dies, and what the rows are in which it does. A page's worker that closes itself still ends its script. */
const deaths: Record<string, { rows(device: WasmDevice): w.Tensor; inPage: boolean }> = {
  "process.exit in the middle": { rows: (device) => longRows(device, true), inPage: false },
  "terminate() in the same tick": {
    rows(device) {
      const c = longRows(device, false);
      for (const worker of (device as unknown as { pool: { workers: { terminate(): void }[] } }).pool.workers)
        worker.terminate();
      return c;
    },
    inPage: true,
  },
};

const dead = /it takes no more work/;
const errorOf = (f: () => unknown): Promise<Error | null> =>
  Promise.resolve()
    .then(f)
    .then(
      () => null,
      (error: Error) => error,
    );
/** The values, by the way that is tested. */
const values = (x: w.Tensor, wait: string): w.TypedData | Promise<w.TypedData> =>
  wait === "Sync" ? x.dataSync() : x.data();

for (const [how, death] of Object.entries(deaths)) {
  for (const wait of ["awaited", "Sync"] as const) {
    const name = `a worker that dies by ${how}, ${wait}: an error, then init and ten steps`;
    const each = wait === "awaited" && death.inPage ? test : hostTest;
    each(name, async () => {
      const device = await ready(await w.init({ threads: 2, wasm: testBuild, simd: "simd" }));
      const untouched = w.full([3], 5);
      await w.flush();
      let c = death.rows(device);
      const run = (): unknown => (wait === "awaited" ? w.flush() : c.dataSync());
      let error = await errorOf(run);
      // A browser leaves a worker that was ended some two seconds to come to its end.
      const limit = performance.now() + HANG_MS;
      while (inPage && error === null && performance.now() < limit) {
        c = longRows(device, false);
        error = await errorOf(run);
      }
      assert.match(error?.message ?? "no error came", /wasm device: .*worker .*(died|gone)/);
      assert.throws(() => w.zeros([2]), dead);
      assert.equal(await values(untouched, wait), Float32Array.of(5, 5, 5));
      assert.match((await errorOf(() => values(c, wait)))?.message ?? "values came", dead);

      const next = await ready(await w.init({ threads: 2 }));
      await tenSteps();
      await next.dispose();
    });
  }
}

test("a bad label in a batch: the error at the next wait, parameters as before the step", async () => {
  const device = await ready(await w.init({ threads: 2 }));
  const model = cnn();
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
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
