// Zeros of real inputs: the MLP of W3 on MNIST digits (four fifths are zeros), with and without the pass `zeros`, in one
// process, interleaved: `MNIST_DIR=folder node bench/lab/164-digits.ts` on Node 24, one thread, behind `node build.mjs --wasm`.
import * as data from "../../src/data/index.ts";
import * as w from "../../src/index.ts";
import { passes } from "../../src/program/passes/index.ts";
import { zeros } from "../../src/program/passes/zeros.ts";

const SIZES = [784, 520, 320, 240, 120, 10];
const STEPS = 300;
const ROUNDS = 60;

const device = await w.init({ threads: 1, simd: "relaxed" });
const train = await data.MNIST.load({ train: true, download: false });
const list = [...passes()] as (typeof zeros)[];

/** A batch of digits in [0, 1], and their labels. */
function batch(size: number, at: number): [w.Tensor, w.Tensor] {
  const from = (at * size) % (train.count - size);
  const pixels = Float32Array.from(train.images.subarray(from * 784, (from + size) * 784), (p) => p / 255);
  const labels = Int32Array.from(train.labels.subarray(from, from + size));
  return [w.tensor(pixels, { shape: [size, 784] }).keep(), w.tensor(labels, { dtype: "int32" }).keep()];
}

const mlp = (): w.nn.Sequential => {
  w.manualSeed(1);
  const layers = SIZES.slice(1).flatMap((n, i) => {
    const linear = new w.nn.Linear(SIZES[i]!, n);
    return i < SIZES.length - 2 ? [linear, new w.nn.ReLU()] : [linear];
  });
  return new w.nn.Sequential(...layers);
};

/** A trained model's step and inference, their programs recorded with or without the pass. */
async function side(skip: boolean, size: number) {
  if (skip !== list.includes(zeros)) skip ? list.push(zeros) : list.splice(list.indexOf(zeros), 1);
  const model = mlp();
  const optimizer = new w.optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.5 });
  const step = w.capture((x: w.Tensor, y: w.Tensor) => {
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  });
  const infer = w.capture((x: w.Tensor) => w.noGrad(() => model.forward(x)));
  const batches = Array.from({ length: 64 }, (_, i) => batch(size, i));
  let loss = 0;
  for (let i = 0; i < STEPS; i++) loss = (await (await step(...batches[i % 64]!)).data())[0]!;
  for (let i = 0; i < 5; i++) (await infer(batches[i]![0])).dispose();
  return { step, infer, batches, loss };
}

const quickest = async (runs: (() => Promise<void>)[]): Promise<number[]> => {
  const best = runs.map(() => Number.POSITIVE_INFINITY);
  for (let r = 0; r < ROUNDS; r++) {
    for (const [i, run] of runs.entries()) {
      const t0 = performance.now();
      await run();
      best[i] = Math.min(best[i]!, performance.now() - t0);
    }
  }
  return best;
};

const CALLS = 16;
for (const size of [1, 16, 64, 256]) {
  const sides = [await side(false, size), await side(true, size)];
  const calls = (of: (s: (typeof sides)[0], i: number) => Promise<w.Tensor>) =>
    sides.map((s) => async () => {
      for (let i = 0; i < CALLS; i++) (await of(s, i)).dispose();
      device.flushSync();
    });
  const infer = await quickest(calls((s, i) => s.infer(s.batches[i % 64]![0])));
  const step = await quickest(calls((s, i) => s.step(...s.batches[i % 64]!)));
  const show = (name: string, t: number[]): string =>
    `${name} ${t.map((x) => ((1000 * x) / CALLS).toFixed(1)).join(" -> ")} µs (${(t[0]! / t[1]!).toFixed(2)} x)`;
  console.log(`batch ${size}: ${show("inference", infer)}, ${show("step", step)}; losses ${sides.map((s) => s.loss)}`);
}
await device.dispose();
