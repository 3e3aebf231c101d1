// After a fault, nothing lies: a loop that skips the batch that failed ends bit for bit where it ends without that batch, whatever was
// launched between the fault and the wait; what depends on what failed says so whenever it is read.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { messageOf } from "./programs.ts";

const { nn, optim } = w;
const RULE = /^crossEntropy: label 9 in row 0 is outside \[0, 3\)/;

const optimizers: Record<string, (p: w.Tensor[]) => w.optim.Optimizer> = {
  SGD: (p) => new optim.SGD(p, { lr: 0.1 }),
  momentum: (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, weightDecay: 0.01 }),
  Adam: (p) => new optim.Adam(p, { lr: 0.05 }),
  "Adam, amsgrad": (p) => new optim.Adam(p, { lr: 0.05, amsgrad: true }),
  AdamW: (p) => new optim.AdamW(p, { lr: 0.05, weightDecay: 0.1 }),
};

interface Loop {
  readonly make: (p: w.Tensor[]) => w.optim.Optimizer;
  readonly captured: boolean;
  /** Micro-batches whose gradients add up to a step. */
  readonly micro: number;
  /** Waits for each batch, or for none before the end. */
  readonly waits: boolean;
}

const BATCHES = 8;
const SIZE = 4;

/** The parameters' bits after a run over all batches but `left`, of which `bad` has a label that is no class. */
async function run({ make, captured, micro, waits }: Loop, bad: number | null, left: number | null): Promise<string> {
  w.manualSeed(3);
  const model = new nn.Sequential(new nn.Linear(5, 6), new nn.ReLU(), new nn.Linear(6, 3));
  const optimizer = make(model.parameters());
  const batches = Array.from({ length: BATCHES }, (_, i): [w.Tensor, w.Tensor] => {
    const labels = Array.from({ length: SIZE }, (_, j) => (i + j) % 3);
    if (i === bad) labels[0] = 9;
    return [w.randn([SIZE, 5]), w.tensor(labels, { dtype: "int32" })];
  });
  const back = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    return loss;
  };
  const all = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = back(x, y);
    optimizer.step();
    return loss;
  };
  const step = captured ? w.capture(all) : all;
  const failures: string[] = [];
  const guarded = async (f: () => unknown): Promise<void> => {
    try {
      await f();
    } catch (error) {
      failures.push((error as Error).message);
    }
  };
  for (let i = 0; i < BATCHES; i++) {
    if (micro > 1 && i % micro === 0) optimizer.zeroGrad();
    if (i !== left) {
      const [x, y] = batches[i]!;
      await guarded(async () => {
        const loss = micro > 1 ? back(x, y) : await step(x, y);
        if (waits) await loss.item();
      });
    }
    if (micro > 1 && i % micro === micro - 1) optimizer.step();
  }
  await guarded(() => w.flush());
  assert.is(failures.length, bad === null ? 0 : 1, failures.join("\n"));
  for (const message of failures) assert.match(message, RULE);
  const values = await Promise.all(model.parameters().map((p) => p.data()));
  return values.map((v) => new Int32Array((v as Float32Array).buffer).join()).join(";");
}

for (const threads of [1, 2]) {
  for (const [name, make] of Object.entries(optimizers)) {
    test(`${name}, ${threads} threads: a loop that skips a bad batch ends where it ends without it`, async () => {
      const device = await w.init({ threads });
      for (const captured of [false, true])
        for (const waits of [true, false])
          for (let bad = 0; bad < 6; bad++) {
            const loop = { make, captured, micro: 1, waits };
            const what = `batch ${bad}, ${captured ? "captured" : "eager"}, ${waits ? "awaited" : "not awaited"}`;
            assert.is(await run(loop, bad, null), await run(loop, null, bad), what);
          }
      await device.dispose();
    });

    test(`${name}, ${threads} threads: a bad micro-batch adds nothing to the gradients`, async () => {
      const device = await w.init({ threads });
      for (let bad = 0; bad < 4; bad++) {
        const loop = { make, captured: false, micro: 2, waits: true };
        assert.is(await run(loop, bad, null), await run(loop, null, bad), `micro-batch ${bad}`);
      }
      await device.dispose();
    });
  }
}

test.run();
