// Memory stays flat: 10,000 plain five-line steps and 10,000 captured ones, with everything that people keep around them.
// Its resident memory is that of a host held still (environment.ts): `npm test -- memory`, not by itself.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DataLoader, TensorDataset } from "../src/data/index.ts";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { collect, used } from "./heap.ts";
import { inPage, variable } from "./place.ts";

const BATCH = 64;
/** Ends with a smaller batch. */
const IMAGES = 50 * BATCH + 17;
/** dist.test.ts has fewer. */
const STEPS = Number(variable("MEMORY_STEPS") ?? 10000);
const EARLY = 0.4 * STEPS;
/** A page's whole heap is 3 MB, in which code shows that is compiled late. */
const LATE_CODE = inPage ? 1 << 18 : 0;

class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, 10, 5);
  conv2 = new nn.Conv2d(10, 20, 5);
  dropout = new nn.Dropout(0.3);
  fc = new nn.Linear(320, 10);

  forward(x: w.Tensor): w.Tensor {
    const a = w.relu(w.maxPool2d(this.conv1.forward(x), 2));
    const b = w.relu(w.maxPool2d(this.conv2.forward(a), 2));
    return this.fc.forward(this.dropout.forward(w.flatten(b, 1)));
  }
}

interface Level {
  liveBytes: number;
  tensors: number;
  buffer: number;
  heap: number;
  rss: number;
}

/** What is left after the finalizers have run. */
async function settle(device: WasmDevice): Promise<Level> {
  await collect();
  return {
    liveBytes: device.liveBytes,
    tensors: w.memory().tensors,
    buffer: device.memoryOf.memory.buffer.byteLength,
    ...(await used()),
  };
}

async function train(captured: boolean): Promise<void> {
  const device = (await w.init({ threads: 2 })) as WasmDevice;
  w.manualSeed(1);
  const model = new Net();
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-4 });
  const images = new Uint8Array(IMAGES * 784).map((_, i) => (i * 2654435761) >>> 24);
  const labels = new Int32Array(IMAGES).map((_, i) => i % 10);
  const dataset = new TensorDataset({ data: images, shape: [IMAGES, 1, 28, 28], scale: 1 / 255 }, labels);
  const loader = new DataLoader(dataset, { batchSize: BATCH, shuffle: true, seed: 3 });

  const plain = (x: w.Tensor, y: w.Tensor) => {
    optimizer.zeroGrad();
    const logits = model.forward(x);
    const loss = w.crossEntropy(logits, y);
    loss.backward();
    optimizer.step();
    const right = logits.argmax(1).eq(y).sum();
    return { loss, right };
  };
  const step = w.capture(plain);

  let running = w.zeros([]);
  let right = w.zeros([], { dtype: "int32" });
  const levels: Level[] = [];
  let n = 0;
  const evaluate = async (): Promise<void> => {
    model.eval();
    for await (const [x, y] of new DataLoader(dataset, { batchSize: 500 })) {
      const logits = n % 1000 === 0 ? model.forward(x!) : w.noGrad(() => model.forward(x!));
      await logits.argmax(1).eq(y!).sum().item();
    }
    model.train();
  };
  // A function of its own: no variable of the loop holds on to a step's results while levels are taken.
  const once = async (x: w.Tensor, y: w.Tensor): Promise<void> => {
    const out = captured ? await step(x, y) : plain(x, y);
    running = running.add(out.loss.detach());
    right = right.add(out.right);
  };
  while (n < STEPS) {
    for await (const [x, y] of loader) {
      await once(x!, y!);
      n++;
      if (n % 500 === 0) {
        await evaluate();
        assert.ok(Number.isFinite(await running.item()));
      }
      if (n === EARLY || n === STEPS) levels.push(await settle(device));
      if (n === STEPS) break;
    }
  }
  const [early, late] = levels as [Level, Level];
  const text = JSON.stringify(levels);
  assert.is(late.liveBytes, early.liveBytes, `live bytes: ${text}`);
  assert.is(late.tensors, early.tensors, `live tensors: ${text}`);
  assert.is(late.buffer, early.buffer, `memory: ${text}`);
  assert.ok(late.heap <= 1.05 * early.heap + LATE_CODE, `JS heap: ${text}`);
  assert.ok(late.rss <= 1.05 * early.rss, `RSS: ${text}`);
  await device.dispose();
}

test(`${STEPS} plain steps run in flat memory`, () => train(false));
test(`${STEPS} captured steps run in flat memory`, () => train(true));

test.run();
