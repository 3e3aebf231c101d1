// A captured run of 300 calls on the CNN with dropout equals the eager one bit for bit, whatever happens in between.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { Net, run, sameRun } from "./captured-run.ts";

for (const simd of ["simd", "relaxed"] as const) {
  for (const threads of [1, 2]) {
    for (const kind of ["SGD", "Adam"] as const) {
      test(`${simd}, ${threads} thread(s): 300 captured calls equal eager bit for bit with ${kind}`, async () => {
        const device = await w.init({ simd, threads, deterministic: true });
        const untouched = () => ({
          appended: (device as WasmDevice).appended,
          reserved: device.memory().reservedBytes,
        });
        const extent = { batch: 16, calls: 300, untouched };
        const eager = await run(kind, false, extent);
        const captured = await run(kind, true, extent);
        sameRun(captured, eager);
        await device.dispose();
      });
    }
  }
}

/**
 * Parameters of a CNN with a max-pool behind each convolution, after 20 steps. Two runs that differ in the last bits
 * drift apart by some 1e-8, unless a value close to a kink of relu or a tie of max falls on the other side: then one
 * element of one gradient differs as a whole (some 1e-5 at this batch). In these runs none does.
 */
async function twentySteps(seed: number, captured: boolean): Promise<Float32Array[]> {
  w.manualSeed(seed);
  const model = new Net();
  model.dropout = new nn.Dropout(0);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.02, momentum: 0.9 });
  const f = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const step = captured ? w.capture(f) : async (x: w.Tensor, y: w.Tensor) => f(x, y);
  const images = w.rand([4, 64, 1, 28, 28]);
  const labels = w.randint(0, 10, [4, 64]);
  for (let i = 0; i < 20; i++) await step(images.select(0, i % 4), labels.select(0, i % 4));
  return Promise.all(model.parameters().map(async (p) => (await p.data()) as Float32Array));
}

for (const simd of ["simd", "relaxed"] as const) {
  test(`${simd}: with all passes on, a captured run agrees with eager to 1e-5 after 20 steps`, async () => {
    const device = await w.init({ simd, threads: 2 });
    const pairs: [Float32Array, Float32Array][] = [];
    for (const seed of [1, 2, 3]) {
      const eager = await twentySteps(seed, false);
      const captured = await twentySteps(seed, true);
      eager.forEach((a, i) => {
        pairs.push([a, captured[i]!]);
      });
    }
    pairs.forEach(([a, b], i) => {
      const norm = (f: (x: number, k: number) => number): number =>
        Math.sqrt(a.reduce((s, x, k) => s + f(x, k) ** 2, 0));
      const off = norm((x, k) => x - b[k]!) / norm((_, k) => b[k]!);
      assert.ok(off <= 1e-5, `parameter ${i} is off by ${off}`);
    });
    await device.dispose();
  });
}

test.run();
