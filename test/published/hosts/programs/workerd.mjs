// A worker of workerd's: the wasm comes as a compiled module, and the clock stands still while a request is answered.

import * as w from "wasmgrad";
import relaxed from "wasmgrad/relaxed.wasm";
import simd from "wasmgrad/simd.wasm";
import { train } from "./train.mjs";

let step = null;

/** Captured steps that learn XOR; the model stays from one request to the next. */
async function xor(steps) {
  if (step === null) {
    await w.init({ wasm: relaxed, maximumMemory: 64 << 20 });
    w.manualSeed(1);
    const { nn } = w;
    const [x, y] = [
      w.tensor([
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ]),
      w.tensor([[0], [1], [1], [0]]),
    ];
    const model = new nn.Sequential(new nn.Linear(2, 8), new nn.Tanh(), new nn.Linear(8, 1), new nn.Sigmoid());
    const [criterion, optimizer] = [new nn.BCELoss(), new w.optim.Adam(model.parameters(), { lr: 0.05 })];
    const captured = w.capture((a, b) => {
      optimizer.zeroGrad();
      const loss = criterion.forward(model.forward(a), b);
      loss.backward();
      optimizer.step();
      return loss;
    });
    step = () => captured(x, y);
  }
  let loss;
  for (let i = 0; i < steps; i++) loss = await step();
  return { loss: await loss.item(), info: w.info(), memory: w.memory() };
}

export default {
  async fetch(request) {
    try {
      const { pathname, searchParams } = new URL(request.url);
      const steps = Number(searchParams.get("steps") ?? 300);
      return Response.json(pathname === "/xor" ? await xor(steps) : await train(w, { wasm: simd }));
    } catch (error) {
      return new Response(error.stack, { status: 500 });
    }
  },
};
