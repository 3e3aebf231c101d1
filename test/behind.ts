// What holds on each device: after a fault, nothing lies: a loop that skips the batch that failed ends bit for bit where it ends without that batch, whatever was
// launched between the fault and the wait; what depends on what failed says so whenever it is read.
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { RowsOfAll } from "./sparse.ts";

const { nn, optim } = w;
export const RULE = /^crossEntropy: label 9 in row 0 is outside \[0, 3\)/;

/** What was thrown, or nothing. */
export async function messageOf(f: () => unknown): Promise<string> {
  try {
    await f();
    return "";
  } catch (error) {
    assert.ok(error instanceof w.WasmgradError, String(error));
    return error.message;
  }
}

const optimizers: Record<string, (p: w.Tensor[]) => w.optim.Optimizer> = {
  SGD: (p) => new optim.SGD(p, { lr: 0.1 }),
  momentum: (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, weightDecay: 0.01 }),
  Adam: (p) => new optim.Adam(p, { lr: 0.05 }),
  "Adam, amsgrad": (p) => new optim.Adam(p, { lr: 0.05, amsgrad: true }),
  AdamW: (p) => new optim.AdamW(p, { lr: 0.05, weightDecay: 0.1 }),
  Adadelta: (p) => new optim.Adadelta(p, { weightDecay: 0.1 }),
  Adagrad: (p) => new optim.Adagrad(p, { lr: 0.05, lrDecay: 0.1, initialAccumulatorValue: 0.1 }),
  Adamax: (p) => new optim.Adamax(p, { lr: 0.05 }),
  ASGD: (p) => new optim.ASGD(p, { lr: 0.05, lambd: 0.1, t0: 3 }),
  NAdam: (p) => new optim.NAdam(p, { lr: 0.05 }),
  RAdam: (p) => new optim.RAdam(p, { lr: 0.05, betas: [0.6, 0.7] }),
  RMSprop: (p) => new optim.RMSprop(p, { lr: 0.05, momentum: 0.9, centered: true }),
  SparseAdam: (p) => new RowsOfAll(p, { lr: 0.05, betas: [0.6, 0.7] }),
  Rprop: (p) => new optim.Rprop(p, { lr: 0.05 }),
  Muon: (p) =>
    new optim.Muon(
      p.filter((x) => x.ndim === 2),
      { lr: 0.05 },
    ),
};

interface Loop {
  readonly make: (p: w.Tensor[]) => w.optim.Optimizer;
  readonly captured: boolean;
  /** Micro-batches whose gradients add up to a step. */
  readonly micro: number;
  /** Waits for each batch, or for none before the end. */
  readonly waits: boolean;
  /** With dropout; of the batch that is left out the forward runs. */
  readonly dropout?: boolean;
}

const BATCHES = 8;
const SIZE = 4;

/** The parameters' bits after a run over all batches but `left`, of which `bad` has a label that is no class. */
async function run(
  { make, captured, micro, waits, dropout }: Loop,
  bad: number | null,
  left: number | null,
): Promise<string> {
  w.manualSeed(3);
  const hidden = dropout ? [new nn.ReLU(), new nn.Dropout(0.4)] : [new nn.ReLU()];
  const model = new nn.Sequential(new nn.Linear(5, 6), ...hidden, new nn.Linear(6, 3));
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
    const [x, y] = batches[i]!;
    if (i === left && dropout) model.forward(x);
    if (i !== left) {
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

/** A loss that fails, with its parameter; no wait. */
export function failing(): { p: w.Tensor; loss: w.Tensor } {
  const p = w.zeros([1, 3]).requiresGrad_();
  return { p, loss: w.crossEntropy(p.mul(1), w.tensor([9], { dtype: "int32" })) };
}
export const values = async (x: w.Tensor): Promise<number[]> => [...(await x.data())];

/** Registers what holds on the devices that `init` makes. `strict`: unawaited captured calls, too, lose no more than what failed. */
export function behind(
  where: string,
  add: (name: string, f: () => Promise<void>) => void,
  init: () => Promise<w.Device>,
  strict: boolean,
  done: (device: w.Device) => Promise<void> = (device) => device.dispose(),
): void {
  for (const [name, make] of Object.entries(optimizers)) {
    add(`${name}, ${where}: a loop that skips a bad batch ends where it ends without it`, async () => {
      const device = await init();
      for (const captured of [false, true])
        for (const waits of captured && !strict ? [true] : [true, false])
          for (let bad = 0; bad < 6; bad++) {
            const loop = { make, captured, micro: 1, waits };
            const what = `batch ${bad}, ${captured ? "captured" : "eager"}, ${waits ? "awaited" : "not awaited"}`;
            const without = await run(loop, null, bad);
            assert.is(await run(loop, bad, null), without, what);
            assert.is.not(await run(loop, null, null), without, "each batch counts");
          }
      await done(device);
    });

    add(`${name}, ${where}: of a bad batch the draws before the loss have happened`, async () => {
      const device = await init();
      for (const captured of [false, true])
        for (let bad = 0; bad < 6; bad++) {
          const loop = { make, captured, micro: 1, waits: true, dropout: true };
          assert.is(await run(loop, bad, null), await run(loop, null, bad), `batch ${bad}, captured ${captured}`);
        }
      await done(device);
    });

    add(`${name}, ${where}: a bad micro-batch adds nothing to the gradients`, async () => {
      const device = await init();
      for (let bad = 0; bad < 4; bad++) {
        const loop = { make, captured: false, micro: 2, waits: true };
        assert.is(await run(loop, bad, null), await run(loop, null, bad), `micro-batch ${bad}`);
      }
      await done(device);
    });
  }

  add(`what does not depend on what failed is whole, ${where}`, async () => {
    const device = await init();
    const { p, loss } = failing();
    const optimizer = new optim.SGD([p], { lr: 1 });
    loss.backward();
    optimizer.step();
    optimizer.paramGroups[0]!.lr = 0.5;
    const layer = new nn.Linear(3, 2);
    const sum = w.ones([2]).add(1);
    w.manualSeed(7);
    const drawn = w.randn([3]);
    const set = w.tensor([1, 2, 3]);
    assert.match(await messageOf(() => w.flush()), RULE);
    assert.is(await messageOf(() => w.flush()), "", "thrown once");
    for (let i = 0; i < 3; i++) {
      p.grad = w.ones([1, 3]);
      optimizer.step();
    }
    assert.equal(await values(p), [-1.5, -1.5, -1.5]);
    assert.equal(await values(sum), [2, 2]);
    assert.equal(await values(set), [1, 2, 3]);
    w.manualSeed(7);
    assert.equal(await values(drawn), await values(w.randn([3])));
    const weight = await values(layer.weight);
    assert.ok(new Set(weight).size > 1 && weight.every((v) => Math.abs(v) < 1), `${weight}`);
    await done(device);
  });

  add(`what depends on what failed says so always, ${where}`, async () => {
    const device = await init();
    const { p, loss } = failing();
    loss.backward();
    const held = p.grad!;
    const views = [loss.view(1), loss.detach()];
    const twice = loss.mul(2);
    assert.match(await messageOf(() => loss.item()), RULE);
    const later = twice.add(1).sum();
    const f = w.capture((x: w.Tensor) => x.mul(2));
    const g = w.capture((x: w.Tensor) => x.mul(loss));
    for (const x of [loss, twice, later, held, held.mul(0), ...views, w.ones([2]).mul(twice)])
      for (let round = 0; round < 2; round++) assert.match(await messageOf(() => x.data()), RULE);
    for (let round = 0; round < 4; round++) {
      assert.match(await messageOf(async () => (await f(loss.detach())).data()), RULE);
      assert.match(await messageOf(async () => (await g(w.ones([2]))).data()), RULE);
      assert.equal(await values(await f(w.ones([1]))), [2], "others go on");
    }
    assert.is(p.grad, null, "a gradient that was lost is none");
    await done(device);
  });

  add(`writes in place behind a fault, ${where}`, async () => {
    const device = await init();
    const total = w.tensor([5]);
    const { p, loss } = failing();
    total.add_(loss.detach());
    const copy = w.zeros([2, 1]);
    copy.select(0, 1).copy_(loss.detach().view(1));
    const h = w.ones([1, 3], { requiresGrad: true }).mul(1);
    h.mul_(loss);
    const behind = h.sum();
    const other = loss.detach().mul(2);
    assert.match(await messageOf(() => w.flush()), RULE);
    assert.equal(await values(total), [5], "a sum of losses stays as it was");
    assert.equal(await values(copy), [0, 0]);
    assert.match(await messageOf(() => h.data()), RULE, "what is differentiated is lost with what was written into it");
    assert.match(await messageOf(() => behind.data()), RULE);
    assert.match(await messageOf(() => other.data()), RULE);
    assert.is(p.grad, null);
    await done(device);
  });

  add(`targets that lack something hold back what lasts until the throw, ${where}`, async () => {
    const device = await init();
    const [good, bad] = [0, 9].map((label) => w.tensor([label], { dtype: "int32" }));
    const zeros = (): w.Tensor => w.zeros([1, 3]).requiresGrad_();
    const back = (p: w.Tensor, label: w.Tensor): w.Tensor => {
      const loss = w.crossEntropy(p.mul(1), label);
      loss.backward();
      return loss;
    };
    const near = async (x: w.Tensor | null, expected: number[], what: string): Promise<void> => {
      const actual = x === null ? null : await values(x);
      assert.ok(
        actual?.every((v, i) => Math.abs(v - expected[i]!) < 1e-4),
        `${what}: ${actual}, expected ${expected}`,
      );
    };
    // A step in the same breath as the micro-batch that failed.
    let p = zeros();
    let o: w.optim.Optimizer = new optim.SGD([p], { lr: 1 });
    back(p, good!);
    let loss = back(p, bad!);
    o.step();
    assert.match(await messageOf(() => loss.item()), RULE);
    await near(p, [0, 0, 0], "no step");
    await near(p.grad, [-2 / 3, 1 / 3, 1 / 3], "the gradient of before");
    o.step();
    await near(p, [2 / 3, -1 / 3, -1 / 3], "steps go on behind the throw");
    // Gradients that are set to zero instead of dropped.
    p = zeros();
    o = new optim.SGD([p], { lr: 1, momentum: 0.9 });
    for (const label of [good!, bad!]) {
      o.zeroGrad({ setToNone: false });
      loss = back(p, label);
      o.step();
      await messageOf(() => loss.item());
    }
    await near(p, [2 / 3, -1 / 3, -1 / 3], "one step");
    // An optimizer by hand, and a gradient that is clipped by a norm that is lost.
    p = zeros();
    const buffer = w.ones([1, 3]);
    loss = back(p, bad!);
    w.noGrad(() => {
      buffer.add_(p.grad!);
      p.sub_(buffer, { alpha: 0.1 });
    });
    assert.match(await messageOf(() => loss.item()), RULE);
    await near(p, [0, 0, 0], "by hand");
    await near(buffer, [1, 1, 1], "its buffer");
    p = zeros();
    const q = w.ones([1, 3]).requiresGrad_();
    o = new optim.SGD([{ params: [p] }, { params: [q] }], { lr: 0.1 });
    loss = back(p, bad!);
    q.mul(100).sum().backward();
    const norm = p.grad!.mul(p.grad!).sum().add(q.grad!.mul(q.grad!).sum()).sqrt();
    w.noGrad(() => {
      for (const x of [p, q]) x.grad!.div_(norm);
    });
    o.step();
    assert.match(await messageOf(() => loss.item()), RULE);
    await near(q, [1, 1, 1], "not clipped, no step");
    // In place over a view, whose new values lie elsewhere first.
    const junk = w.full([2, 2], 77).add(0);
    await w.flush();
    const base = w.tensor([
      [1, 2],
      [3, 4],
    ]);
    const lost = w.crossEntropy(zeros(), bad!).detach();
    junk.dispose();
    for (const name of ["add_", "sub_", "mul_", "div_"] as const) base.t()[name](lost);
    base.select(1, 0).maskedFill_(lost.gt(0), 5);
    assert.match(await messageOf(() => w.flush()), RULE);
    await near(base, [1, 2, 3, 4], "the base of a view");
    // A sum of losses that is no part of a graph, though they are; what is written whole is there again.
    const total = w.tensor([5]);
    total.add_(w.crossEntropy(zeros(), bad!));
    const other = lost.mul(2);
    assert.match(await messageOf(() => w.flush()), RULE);
    await near(total, [5], "a sum of losses");
    assert.match(await messageOf(() => other.item()), RULE);
    other.fill_(3);
    await near(other, [3], "written whole");
    // What is read beside a target that lacks something lacks nothing itself.
    const [lacking, beside, sum] = [w.tensor([5]), w.tensor([1]), w.tensor([2])];
    lacking.add_(w.crossEntropy(zeros(), bad!).detach());
    for (const f of [() => beside.add(lacking), () => beside.mul(lacking)]) {
      f();
      sum.add_(beside);
    }
    assert.match(await messageOf(() => w.flush()), RULE);
    await near(sum, [4], "what was read beside it");
    await done(device);
  });

  add(`a running total, and a gradient that grows, go on behind what failed, ${where}`, async () => {
    const device = await init();
    const [good, bad] = [0, 9].map((label) => w.tensor([label], { dtype: "int32" }));
    const run = async (at: readonly number[], leaveOut: boolean): Promise<string> => {
      const p = w.tensor([[1, 2, 3]]).requiresGrad_();
      const total = w.zeros([]);
      for (let i = 0; i < 8; i++) {
        if (at.includes(i) && leaveOut) continue;
        const loss = w.crossEntropy(p.mul(i / 8), at.includes(i) ? bad! : good!);
        loss.backward();
        w.noGrad(() => total.add_(loss));
      }
      const message = await messageOf(() => w.flush());
      assert.ok(leaveOut ? message === "" : RULE.test(message), message);
      return `${await values(total)}; ${await values(p.grad!)}`;
    };
    for (const at of [[1], [4], [7], [2, 3], [1, 5]]) assert.is(await run(at, false), await run(at, true), `${at}`);
    await done(device);
  });

  add(`captured and eager steps of one parameter in turns, ${where}`, async () => {
    const device = await init();
    const [good, bad] = [0, 9].map((label) => w.tensor([label], { dtype: "int32" }));
    // Which calls are captured, and which of them fail: c, e, C, E.
    for (const order of [
      "cccEeec",
      "ccCeecc",
      "cCccee",
      "Ccccee",
      "cccCccEee",
      "eeEccccCee",
      "EccCccCc",
      "cccCcccCcCc",
    ]) {
      const run = async (leaveOut: boolean): Promise<string> => {
        const p = w.zeros([1, 3]).requiresGrad_();
        const o = new optim.SGD([p], { lr: 1, momentum: 0.5 });
        const step = (label: w.Tensor): w.Tensor => {
          o.zeroGrad();
          const loss = w.crossEntropy(p.mul(1), label);
          loss.backward();
          o.step();
          return loss;
        };
        const captured = w.capture(step);
        for (const kind of order) {
          const fails = kind !== kind.toLowerCase();
          if (fails && leaveOut) continue;
          const f = kind.toLowerCase() === "c" ? captured : step;
          const message = await messageOf(async () => (await f(fails ? bad! : good!)).item());
          assert.ok(fails ? RULE.test(message) : message === "", `${order}: ${message}`);
        }
        return (await values(p)).join();
      };
      assert.is(await run(false), await run(true), order);
    }
    // Only the backward is captured.
    const p = w.zeros([1, 3]).requiresGrad_();
    const o = new optim.SGD([p], { lr: 1 });
    const back = w.capture((label: w.Tensor) => {
      const loss = w.crossEntropy(p.mul(1), label);
      loss.backward();
      return loss;
    });
    let steps = 0;
    for (let i = 0; i < 12; i++) {
      o.zeroGrad();
      if ((await messageOf(async () => (await back(i === 1 ? bad! : good!)).item())) !== "") continue;
      assert.ok(p.grad !== null, `call ${i}`);
      o.step();
      steps++;
    }
    assert.is(steps, 11);
    await done(device);
  });

  add(`other losses that fail, ${where}`, async () => {
    const device = await init();
    const [targets, label] = [w.tensor([1, 0]), w.tensor([2], { dtype: "int32" })];
    const bce = (p: w.Tensor, reduction: "mean" | "none"): w.Tensor =>
      w.binaryCrossEntropy(p.mul(1), targets, { reduction }).sum();
    const nll = (p: w.Tensor, reduction: "mean" | "none"): w.Tensor =>
      w.nllLoss(p.mul(1).view(1, 2), label, { reduction }).sum();
    for (const [name, loss] of Object.entries({ bce, nll }))
      for (const reduction of ["mean", "none"] as const)
        for (const captured of [false, true]) {
          const p = w.tensor([0.5, 2]).requiresGrad_();
          const q = w.tensor([1, 1]).requiresGrad_();
          const optimizer = new optim.Adam([p, q], { lr: 0.1 });
          const all = (x: w.Tensor): w.Tensor => {
            optimizer.zeroGrad();
            const y = loss(p, reduction).add(q.mul(x).sum()); // the second part did not fail
            y.backward();
            optimizer.step();
            return y;
          };
          const step = captured ? w.capture(all) : all;
          for (let i = 0; i < 5; i++)
            assert.match(await messageOf(async () => (await step(w.ones([2]))).item()), /is outside/, name);
          assert.equal(await values(p), [0.5, 2], `${name}, ${reduction}, captured ${captured}`);
          assert.equal(await values(q), [1, 1]);
          const state = optimizer.stateDict().state[0];
          if (state !== undefined) assert.equal(await values(state.step!), [0], "no step was counted");
        }
    await done(device);
  });
}
