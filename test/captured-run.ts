// The run of capture.test.ts, on any device: a CNN with dropout, trained by calls of a captured or a plain function, with
// all that may happen in between: another learning rate, evaluation, a smaller batch, accumulated gradients, frozen
// layers, saved and loaded state.
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";

export class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, 10, 5);
  conv2 = new nn.Conv2d(10, 20, 5);
  dropout = new nn.Dropout(0.4);
  fc = new nn.Linear(320, 10);

  forward(x: w.Tensor): w.Tensor {
    const a = w.relu(w.maxPool2d(this.conv1.forward(x), 2));
    const b = w.relu(w.maxPool2d(this.conv2.forward(a), 2));
    return this.fc.forward(this.dropout.forward(w.flatten(b, 1)));
  }
}

const bits = (data: w.TypedData): string => new Int32Array(data.buffer, data.byteOffset, data.length).join();

export interface Outcome {
  losses: number[];
  parameters: string[];
  state: string;
  /** Numbers that are drawn at the end. */
  random: string;
  evaluation: string[];
  between: string[];
}

export type Kind = "SGD" | "Adam";

export interface Extent {
  readonly batch: number;
  /** 300, or a fifth of it: what happens in between happens at the same shares of the run. */
  readonly calls: number;
  /** What a replay may not change: rows appended, memory reserved, buffers made. */
  readonly untouched: () => object;
}

/** The run; `captured` says how the two functions are called. */
export async function run(kind: Kind, captured: boolean, extent: Extent): Promise<Outcome> {
  const { batch, untouched } = extent;
  const at = (call: number): number => (call * extent.calls) / 300;
  w.manualSeed(11);
  const model = new Net();
  const optimizer =
    kind === "SGD"
      ? new optim.SGD(model.parameters(), { lr: 0.02, momentum: 0.9, dampening: 0.3 })
      : new optim.Adam(model.parameters(), { lr: 0.002 });
  let calls = 0;
  const f = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    calls++;
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const g = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    return loss;
  };
  const capturedF = w.capture(f);
  const capturedG = w.capture(g);
  const step = captured ? capturedF : async (x: w.Tensor, y: w.Tensor) => f(x, y);
  const accumulate = captured ? capturedG : async (x: w.Tensor, y: w.Tensor) => g(x, y);

  const losses: w.Tensor[] = [];
  const between: w.Tensor[] = [];
  const evaluation: w.Tensor[] = [];
  let saved: nn.StateDict = {};
  let savedOptimizer: ReturnType<typeof optimizer.stateDict> | undefined;
  const images = w.rand([8, batch, 1, 28, 28]);
  const labels = w.randint(0, 10, [8, batch]);
  let i = 0;
  while (i < extent.calls) {
    let x = images.select(0, i % 8);
    let y = labels.select(0, i % 8);
    if (i === at(50)) optimizer.paramGroups[0]!.lr *= 0.5;
    if (i === at(100)) {
      model.eval();
      evaluation.push(w.noGrad(() => model.forward(x)));
      evaluation.push(model.forward(x).detach());
      model.train();
    }
    if (i === at(120)) {
      saved = Object.fromEntries(Object.entries(model.stateDict()).map(([k, v]) => [k, v.clone().keep()]));
      savedOptimizer = structuredCloneState(optimizer.stateDict());
    }
    if (i === at(150)) {
      x = x.narrow(0, 0, Math.min(5, batch - 1));
      y = y.narrow(0, 0, Math.min(5, batch - 1));
    }
    if (i === at(210)) for (const p of model.conv1.parameters()) p.requiresGrad = false;
    if (i === at(230)) for (const p of model.conv1.parameters()) p.requiresGrad = true;
    if (i === at(250)) {
      model.loadStateDict(saved);
      optimizer.loadStateDict(savedOptimizer!);
    }
    if (i >= at(180) && i < at(200)) {
      optimizer.zeroGrad();
      for (let k = 0; k < 4; k++) losses.push(await accumulate(x, y));
      optimizer.step();
      i += 4;
      continue;
    }
    const before = untouched();
    const replays = capturedF.stats.replays;
    losses.push(await step(x, y));
    if (capturedF.stats.replays > replays) assert.equal(untouched(), before, `call ${i}, a replay`);
    if (i % 20 === 7) between.push(w.full([50], i).add(losses[losses.length - 1]!));
    i++;
  }
  if (captured) {
    // Programs: the whole batch, the small one (which ran once), the frozen layer.
    assert.ok(calls <= 3 * 3, `f ran ${calls} times`);
    assert.is(capturedF.stats.calls, calls);
    assert.ok(capturedF.stats.replays > at(300) - at(20) - 14);
  }
  const values = async (ts: w.Tensor[]): Promise<string[]> => Promise.all(ts.map(async (t) => bits(await t.data())));
  return {
    losses: await Promise.all(losses.map((l) => l.item())),
    parameters: await values(model.parameters()),
    state: JSON.stringify(await stateValues(optimizer.stateDict())),
    random: (await values([w.rand([16])]))[0]!,
    evaluation: await values(evaluation),
    between: await values(between),
  };
}

/** A copy of an optimizer's state that later steps leave alone. */
function structuredCloneState<T>(state: T): T {
  if (state instanceof w.Tensor) return state.clone().keep() as T;
  if (Array.isArray(state)) return state.map(structuredCloneState) as T;
  if (state !== null && typeof state === "object") {
    return Object.fromEntries(Object.entries(state).map(([k, v]) => [k, structuredCloneState(v)])) as T;
  }
  return state;
}

async function stateValues(state: unknown): Promise<unknown> {
  if (state instanceof w.Tensor) return bits(await state.data());
  if (Array.isArray(state)) return Promise.all(state.map(stateValues));
  if (state !== null && typeof state === "object") {
    const entries = Object.entries(state).map(async ([k, v]) => [k, await stateValues(v)] as const);
    return Object.fromEntries(await Promise.all(entries));
  }
  return state;
}

/** Throws where a captured run differs from the eager one in a bit. */
export function sameRun(captured: Outcome, eager: Outcome): void {
  assert.ok(eager.losses.every(Number.isFinite) && eager.losses[eager.losses.length - 1]! < eager.losses[0]!);
  const first = captured.losses.findIndex((l, i) => l !== eager.losses[i]);
  assert.is(first, -1, `loss ${first} is ${captured.losses[first]} captured and ${eager.losses[first]} eager`);
  // Plain comparisons: a diff of megabytes helps nobody.
  for (const what of ["evaluation", "between", "random", "state", "parameters"] as const) {
    assert.ok(JSON.stringify(captured[what]) === JSON.stringify(eager[what]), `${what} differ`);
  }
}
