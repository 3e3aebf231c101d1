// Ordinary PyTorch programs keep their meaning: each is run on the wasm device and on the f64 reference, and compared with
// the same program in plain numbers (scalar.ts).
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import * as nn from "../src/nn/index.ts";
import { Adam, SGD } from "../src/optim/index.ts";
import { data, fixed, labels, leaf, messageOf, program, sameGradients, sameParameters, seeded } from "./programs.ts";
import * as hand from "./scalar.ts";

const { Linear, Sequential, Tanh, ReLU, Sigmoid } = nn;
const [, ROWS, IN, HIDDEN, OUT] = [0, 6, 3, 4, 3];
const CLASSES = [0, 2, 1, 1, 0, 2];

/** A small classifier, its parameters known, and the same by hand. */
function classifier(seed: number) {
  const model = new Sequential(new Linear(IN, HIDDEN), new Tanh(), new Linear(HIDDEN, OUT));
  const [w1, b1, w2, b2] = seeded(model.parameters(), seed) as [hand.Matrix, hand.Matrix, hand.Matrix, hand.Matrix];
  const forward = (x: hand.Matrix): hand.Matrix =>
    hand.linear(
      hand.map(hand.linear(x, w1, b1), (v) => v.tanh()),
      w2,
      b2,
    );
  return { model, parameters: [w1, b1, w2, b2], forward };
}

const batch = (seed: number, rows = ROWS): [w.Tensor, hand.Matrix] => [
  data([rows, IN], seed),
  hand.matrix(fixed(rows * IN, seed), IN),
];

program("a training loop in five lines", async (same) => {
  const { model, parameters, forward } = classifier(1);
  const optimizer = new SGD(model.parameters(), { lr: 0.125, momentum: 0.5 });
  const own = new hand.Sgd(parameters, 0.125, 0.5);
  for (let i = 0; i < 5; i++) {
    const [x, hx] = batch(i);
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), labels(CLASSES));
    loss.backward();
    optimizer.step();

    own.zeroGrad();
    const hl = hand.crossEntropy(forward(hx), CLASSES);
    hl.backward();
    own.step();
    await same(loss, hl.v, `loss of step ${i}`);
  }
  await sameParameters(same, model.parameters(), parameters, "after 5 steps");
});

program("a GAN: two optimizers, detach(), gradients of D from both losses", async (same) => {
  const generator = new Sequential(new Linear(2, 3), new Tanh(), new Linear(3, 2));
  const discriminator = new Sequential(new Linear(2, 3), new ReLU(), new Linear(3, 1), new Sigmoid());
  const hg = seeded(generator.parameters(), 3);
  const hd = seeded(discriminator.parameters(), 4);
  const optG = new SGD(generator.parameters(), { lr: 0.125, momentum: 0.5 });
  const optD = new Adam(discriminator.parameters(), { lr: 0.0625 });
  const ownG = new hand.Sgd(hg, 0.125, 0.5);
  const ownD = new hand.Adam(hd, 0.0625);
  const G = (z: hand.Matrix) =>
    hand.linear(
      hand.map(hand.linear(z, hg[0]!, hg[1]!), (v) => v.tanh()),
      hg[2]!,
      hg[3]!,
    );
  const D = (x: hand.Matrix) =>
    hand.map(
      hand.linear(
        hand.map(hand.linear(x, hd[0]!, hd[1]!), (v) => v.relu()),
        hd[2]!,
        hd[3]!,
      ),
      (v) => v.sigmoid(),
    );
  const bce = new nn.BCELoss();
  for (let i = 0; i < 4; i++) {
    const [z, real] = [data([5, 2], 10 + i), data([5, 2], 20 + i)];
    optD.zeroGrad();
    const fake = generator.forward(z);
    const lossD = bce
      .forward(discriminator.forward(real), w.ones([5, 1]))
      .add(bce.forward(discriminator.forward(fake.detach()), w.zeros([5, 1])));
    lossD.backward();
    optD.step();
    optG.zeroGrad();
    const lossG = bce.forward(discriminator.forward(fake), w.ones([5, 1]));
    lossG.backward();
    optG.step();

    ownD.zeroGrad();
    const hfake = G(hand.matrix(fixed(10, 10 + i), 2));
    const hreal = hand.matrix(fixed(10, 20 + i), 2);
    const hlD = hand.bce(D(hreal), 1).add(hand.bce(D(hand.map(hfake, (v) => v.detach())), 0));
    hlD.backward();
    ownD.step();
    ownG.zeroGrad();
    const hlG = hand.bce(D(hfake), 1);
    hlG.backward();
    ownG.step();
    await same(lossD, hlD.v, `loss of D, step ${i}`);
    await same(lossG, hlG.v, `loss of G, step ${i}`);
    await same(fake, hand.numbers(hfake), `fake of step ${i}, read after both backwards`);
  }
  await sameParameters(same, generator.parameters(), hg, "G");
  await sameParameters(same, discriminator.parameters(), hd, "D");
  await sameGradients(same, discriminator.parameters(), hd, "D, from both losses");
});

program("gradients accumulate over several backwards", async (same) => {
  const { model, parameters, forward } = classifier(2);
  const optimizer = new SGD(model.parameters(), { lr: 0.25 });
  const own = new hand.Sgd(parameters, 0.25);
  for (let step = 0; step < 2; step++) {
    optimizer.zeroGrad();
    own.zeroGrad();
    for (let i = 0; i < 3; i++) {
      const [x, hx] = batch(30 + step * 3 + i);
      w.crossEntropy(model.forward(x), labels(CLASSES)).div(3).backward();
      hand
        .crossEntropy(forward(hx), CLASSES)
        .mul(1 / 3)
        .backward();
    }
    await sameGradients(same, model.parameters(), parameters, `step ${step}`);
    optimizer.step();
    own.step();
  }
  await sameParameters(same, model.parameters(), parameters, "after two steps");
});

program("zeroGrad: null by default, zeros with setToNone: false", async (same) => {
  const { model } = classifier(2);
  const optimizer = new SGD(model.parameters());
  const [x] = batch(1);
  model.forward(x).sum().backward();
  optimizer.zeroGrad({ setToNone: false });
  for (const p of model.parameters()) await same(p.grad, new Array(p.numel).fill(0), "zeroed");
  model.forward(x).sum().backward();
  model.zeroGrad();
  for (const p of model.parameters()) assert.is(p.grad, null);
  optimizer.step(); // nothing has a gradient
});

program("two forwards, one backward; the other one later", async (same) => {
  const { model, parameters, forward } = classifier(5);
  const [[x1, h1], [x2, h2]] = [batch(40), batch(41)];
  const [a, b] = [model.forward(x1), model.forward(x2)];
  w.crossEntropy(b, labels(CLASSES)).backward();
  hand.crossEntropy(forward(h2), CLASSES).backward();
  await sameGradients(same, model.parameters(), parameters, "of the second forward alone");
  await same(a, hand.numbers(forward(h1)), "the first forward can be read");
  await same(b, hand.numbers(forward(h2)), "and the second");
  w.crossEntropy(a, labels(CLASSES)).backward();
  hand.crossEntropy(forward(h1), CLASSES).backward();
  await sameGradients(same, model.parameters(), parameters, "of both");
  model.zeroGrad();
  for (const p of parameters.flat(2)) p.grad = 0;
  w.crossEntropy(model.forward(x1), labels(CLASSES)).add(model.forward(x2).mean()).backward();
  hand
    .crossEntropy(forward(h1), CLASSES)
    .add(hand.average(forward(h2).flat()))
    .backward();
  await sameGradients(same, model.parameters(), parameters, "of a sum over two forwards");
});

program("two models interleaved by await", async (same) => {
  const train = async (seed: number, pause: () => Promise<void>) => {
    const { model, parameters, forward } = classifier(seed);
    const optimizer = new Adam(model.parameters(), { lr: 0.0625 });
    const own = new hand.Adam(parameters, 0.0625);
    for (let i = 0; i < 4; i++) {
      const [x, hx] = batch(seed * 10 + i);
      optimizer.zeroGrad();
      await pause();
      const logits = model.forward(x);
      await pause();
      const loss = w.crossEntropy(logits, labels(CLASSES));
      await pause();
      loss.backward();
      await pause();
      await logits.data();
      optimizer.step();
      own.zeroGrad();
      const hl = hand.crossEntropy(forward(hx), CLASSES);
      hl.backward();
      own.step();
      await same(await loss.item(), hl.v, `model ${seed}, step ${i}`);
    }
    await sameParameters(same, model.parameters(), parameters, `model ${seed}`);
  };
  const micro = () => Promise.resolve();
  const macro = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
  await Promise.all([train(6, micro), train(7, macro), train(8, micro)]);
});

program("tied weights: listed once, gradients from both uses", async (same) => {
  class Tied extends nn.Module {
    first = new Linear(IN, IN, { bias: false });
    second = new Linear(IN, IN, { bias: false });
    constructor() {
      super();
      this.second.weight = this.first.weight;
    }
    forward(x: w.Tensor): w.Tensor {
      return w.tanh(this.second.forward(w.tanh(this.first.forward(x)))).matmul(this.first.weight);
    }
  }
  const model = new Tied();
  assert.is(model.parameters().length, 1);
  assert.equal(Object.keys(model.stateDict()), ["first.weight", "second.weight"]);
  const [hw] = seeded(model.parameters(), 9) as [hand.Matrix];
  const optimizer = new SGD(model.parameters(), { lr: 0.125, momentum: 0.5 });
  const own = new hand.Sgd([hw], 0.125, 0.5);
  const by = (x: hand.Matrix) => hand.map(hand.product(x, hand.transposed(hw)), (v) => v.tanh());
  for (let i = 0; i < 3; i++) {
    const [x, hx] = batch(50 + i);
    optimizer.zeroGrad();
    model.forward(x).mean().backward();
    optimizer.step();
    own.zeroGrad();
    hand.average(hand.product(by(by(hx)), hw).flat()).backward();
    own.step();
  }
  await sameGradients(same, model.parameters(), [hw], "tied");
  await sameParameters(same, model.parameters(), [hw], "tied");
});

program("an exception in mid-step: the next step is right", async (same) => {
  const { model, parameters, forward } = classifier(10);
  const optimizer = new SGD(model.parameters(), { lr: 0.125, momentum: 0.5 });
  const own = new hand.Sgd(parameters, 0.125, 0.5);
  for (const at of ["none", "forward", "loss", "backward", "wrong shape", "step", "none"]) {
    const [x, hx] = batch(60);
    const stop = (where: string): void => {
      if (where === at) throw new Error(`stopped at ${at}`);
    };
    try {
      optimizer.zeroGrad();
      const hidden = model[0]!.forward(x);
      stop("forward");
      const logits = model[2]!.forward(w.tanh(hidden));
      if (at === "wrong shape") logits.matmul(x);
      const loss = w.crossEntropy(logits, labels(CLASSES));
      stop("loss");
      loss.backward();
      stop("backward");
      optimizer.step();
      stop("step");
    } catch (error) {
      assert.match((error as Error).message, /stopped at|inner dimensions/);
    }
    if (at !== "none" && at !== "step") continue;
    own.zeroGrad();
    hand.crossEntropy(forward(hx), CLASSES).backward();
    own.step();
    await sameParameters(same, model.parameters(), parameters, `after the step that stopped at ${at}`);
  }
  // An error thrown inside noGrad and scope leaves the modes as they were.
  assert.throws(() => w.noGrad(() => model.forward(w.ones([2, 2]))));
  assert.throws(() => w.scope(() => model.forward(w.ones([2, 2]))));
  assert.ok(model.forward(batch(1)[0]).requiresGrad);
});

program("evaluation between steps, with noGrad and without", async (same) => {
  const { model, parameters, forward } = classifier(11);
  const optimizer = new SGD(model.parameters(), { lr: 0.125 });
  const own = new hand.Sgd(parameters, 0.125);
  const kept: [w.Tensor, number[]][] = [];
  for (let i = 0; i < 4; i++) {
    const [x, hx] = batch(70 + i);
    const [test, ht] = batch(80 + i);
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), labels(CLASSES));
    const out = i % 2 === 0 ? w.noGrad(() => model.forward(test)) : model.forward(test);
    assert.is(out.requiresGrad, i % 2 === 1);
    kept.push([out, hand.numbers(forward(ht))]);
    loss.backward();
    optimizer.step();
    own.zeroGrad();
    hand.crossEntropy(forward(hx), CLASSES).backward();
    own.step();
    const accuracy = await out.argmax(1).eq(labels(CLASSES)).float().mean().item();
    assert.ok(accuracy >= 0 && accuracy <= 1);
  }
  for (const [i, [out, expected]] of kept.entries()) await same(out, expected, `evaluation ${i}`);
  await sameParameters(same, model.parameters(), parameters, "after the evaluations");
});

program("a running loss kept as a tensor, losses pushed to a list, logits read after backward", async (same) => {
  const { model, parameters, forward } = classifier(12);
  const optimizer = new SGD(model.parameters(), { lr: 0.125 });
  const own = new hand.Sgd(parameters, 0.125);
  let running = w.zeros([]);
  let sum = 0;
  const losses: w.Tensor[] = [];
  const expected: number[] = [];
  for (let i = 0; i < 5; i++) {
    const [x, hx] = batch(90 + i);
    optimizer.zeroGrad();
    const logits = model.forward(x);
    const loss = w.crossEntropy(logits, labels(CLASSES));
    loss.backward();
    optimizer.step();
    running = running.add(loss.detach());
    losses.push(loss);
    own.zeroGrad();
    const hx1 = forward(hx);
    const hl = hand.crossEntropy(hx1, CLASSES);
    hl.backward();
    own.step();
    sum += hl.v;
    expected.push(hl.v);
    await same(logits, hand.numbers(hx1), "logits after backward and step");
  }
  await same(running, sum, "running loss");
  for (const [i, l] of losses.entries()) await same(l, expected[i]!, `loss ${i}, kept`);
});

program(
  "consumed values are released by the next forward, with a message that says so; keep() cures it",
  async (same) => {
    const { model } = classifier(13);
    const [x] = batch(1);
    const step = (): { logits: w.Tensor; hidden: w.Tensor; loss: w.Tensor } => {
      const hidden = w.tanh(model[0]!.forward(x));
      const logits = model[2]!.forward(hidden);
      const loss = logits.mean();
      loss.backward();
      return { hidden, logits, loss };
    };
    const first = step();
    const values = [...(await first.logits.data())];
    const kept = first.logits.detach();
    step();
    const message = await messageOf(() => first.logits.data());
    assert.match(
      message,
      /^data: the tensor linear \[6,3\] was released by the next forward \(linear read a parameter/,
    );
    assert.match(message, /keep\(\) or clone\(\) would have kept it$/);
    assert.match(await messageOf(() => first.hidden.add(1)), /^add: the tensor tanh \[6,4\] was released/);
    await first.loss.item(); // the root stays
    await same(kept, values, "detach() holds the storage");
    const second = step();
    second.logits.keep();
    step();
    await same(second.logits, values, "keep()");
    // A read under noGrad does not count as the next forward.
    const third = step();
    w.noGrad(() => model[0]!.parameters()[0]!.mul(2).sum());
    await same(third.logits, values, "after an unrecorded read of the parameters");
    const norm = model[0]!.parameters()[0]!.mul(1).sum();
    assert.match(await messageOf(() => third.logits.data()), /the next forward \(mul read a parameter/);
    norm.backward();
  },
);

program("backward a second time is an error; retainGraph allows it", async (same) => {
  const x = leaf([3], 1);
  const hx = fixed(3, 1);
  const y = x.mul(x).sum();
  y.backward(null, { retainGraph: true });
  y.backward(null, { retainGraph: true });
  y.backward();
  await same(
    x.grad,
    hx.map((v) => 6 * v),
    "three times 2x",
  );
  assert.match(
    await messageOf(() => y.backward()),
    /^backward: sum \[\]: trying to backward through the graph a second time.*use retainGraph the first time$/,
  );
  // Two losses over one trunk.
  const trunk = x.exp();
  trunk.sum().backward();
  assert.match(await messageOf(() => trunk.mul(2).sum().backward()), /second time/);
});

program("int32 beside numbers at and beyond its ends compares as numbers do", async (same) => {
  const x = labels([2147483647, -2147483648, 0]);
  const fractions = [
    2147483646.5, 2147483647.5, 2147483648.5, -2147483646.5, -2147483647.5, -2147483648.5, -2147483649.5,
  ];
  for (const s of [...fractions, -(2 ** 31), 2 ** 31 - 1, 2 ** 31, -(2 ** 31) - 1]) {
    const numbers = [2147483647, -2147483648, 0];
    const expected = (f: (v: number) => boolean): number[] => numbers.map((v) => Number(f(v)));
    await same(
      x.gt(s),
      expected((v) => v > s),
      `gt ${s}`,
    );
    await same(
      x.ge(s),
      expected((v) => v >= s),
      `ge ${s}`,
    );
    await same(
      x.lt(s),
      expected((v) => v < s),
      `lt ${s}`,
    );
    await same(
      x.le(s),
      expected((v) => v <= s),
      `le ${s}`,
    );
    await same(
      x.eq(s),
      expected((v) => v === s),
      `eq ${s}`,
    );
    await same(
      x.ne(s),
      expected((v) => v !== s),
      `ne ${s}`,
    );
  }
});

program("0 is a seed as any other", async (same) => {
  w.manualSeed(0);
  const first = [...(await w.rand([4]).data())];
  w.manualSeed(1);
  assert.not.equal([...(await w.rand([4]).data())], first);
  w.manualSeed(0);
  await same(w.rand([4]), first, "the same again");
});

test.run();
