// A net trained on wasm, in the page and in Node alike: what comes out must have the same bits.
import * as w from "../../src/index.ts";
import { ready } from "../waiting.ts";

const STEPS = 8;
const BATCH = 32;

export interface Trained {
  /** Words of the losses and then of all parameters. */
  readonly words: number[];
  readonly threads: number;
  /** Threads that ran rows when the training ended. */
  readonly ready: number;
  readonly why: string;
}

class Net extends w.nn.Module {
  conv = new w.nn.Conv2d(1, 6, 5);
  norm = new w.nn.LayerNorm(864);
  hidden = new w.nn.Linear(864, 64);
  out = new w.nn.Linear(64, 10);

  forward(x: w.Tensor): w.Tensor {
    const pooled = w.relu(w.maxPool2d(this.conv.forward(x), 2));
    return this.out.forward(w.tanh(this.hidden.forward(this.norm.forward(w.flatten(pooled, 1)))));
  }
}

/** A few captured steps of Adam, on so many threads, which all take part. */
export async function train(threads: number, simd: "simd" | "relaxed"): Promise<Trained> {
  const device = await w.init({ threads, simd, deterministic: true });
  try {
    const walking = await ready(device);
    w.manualSeed(3);
    const net = new Net();
    const optimizer = new w.optim.Adam(net.parameters(), { lr: 1e-3 });
    const step = w.capture((x: w.Tensor, y: w.Tensor) => {
      optimizer.zeroGrad();
      const loss = w.crossEntropy(net.forward(x), y);
      loss.backward();
      optimizer.step();
      return loss;
    });
    const x = w.rand([BATCH, 1, 28, 28]);
    const y = w.randint(0, 10, [BATCH]);
    const losses: w.Tensor[] = [];
    for (let i = 0; i < STEPS; i++) losses.push(await step(x, y));
    const data = await Promise.all([...losses, ...net.parameters()].map((t) => t.data() as Promise<Float32Array>));
    const words = data.flatMap((d) => [...new Int32Array(d.buffer, d.byteOffset, d.length)]);
    return { words, threads: device.info.threads, ready: walking.ready, why: device.info.why };
  } finally {
    await device.dispose();
  }
}

Object.assign(globalThis, { train });
