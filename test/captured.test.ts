// What capture means: results, what is noticed and refused, and that nothing is half done. Bit equality with eager over long
// runs is capture.test.ts.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import { data, fixed, labels, leaf, messageOf, program, sameGradients, sameParameters, seeded } from "./programs.ts";
import * as hand from "./scalar.ts";

const [IN, OUT] = [3, 4];

/** A linear layer in a captured step, and the same by hand. */
function trained(lr = 0.125, momentum = 0.5) {
  const model = new nn.Linear(IN, OUT);
  const parameters = seeded(model.parameters(), 1);
  const optimizer = new optim.SGD(model.parameters(), { lr, momentum });
  const own = new hand.Sgd(parameters, lr, momentum);
  const plain = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const byHand = (seed: number, classes: readonly number[]): number => {
    own.zeroGrad();
    const x = hand.matrix(fixed(classes.length * IN, seed), IN);
    const loss = hand.crossEntropy(hand.linear(x, parameters[0]!, parameters[1]!), classes);
    loss.backward();
    own.step();
    return loss.v;
  };
  return { model, parameters, optimizer, plain, byHand, own };
}

const CLASSES = [0, 3, 1, 2, 2];
const batch = (seed: number, classes: readonly number[] = CLASSES): [w.Tensor, w.Tensor] => [
  data([classes.length, IN], seed),
  labels(classes),
];

program("results can be pushed to a list; the function runs twice", async (same) => {
  const { model, parameters, plain, byHand } = trained();
  let calls = 0;
  const step = w.capture((x: w.Tensor, y: w.Tensor) => {
    calls++;
    return plain(x, y);
  });
  const losses: w.Tensor[] = [];
  const expected: number[] = [];
  for (let i = 0; i < 10; i++) {
    losses.push(await step(...batch(i)));
    expected.push(byHand(i, CLASSES));
  }
  for (const [i, loss] of losses.entries()) await same(loss, expected[i]!, `loss ${i}`);
  assert.not(losses[9]!.requiresGrad);
  assert.is(calls, 2);
  assert.equal(step.stats, { programs: 1, calls: 2, replays: 8, threads: step.stats.threads });
  await sameParameters(same, model.parameters(), parameters, "after ten calls");
  await sameGradients(same, model.parameters(), parameters, "of the last call");
});

program("calls that are not awaited queue in order, and mix with eager work", async (same) => {
  const { model, parameters, plain, byHand, own } = trained();
  const step = w.capture(plain);
  const waiting = Array.from({ length: 6 }, (_, i) => step(...batch(i)));
  for (let i = 0; i < 6; i++) await same(await waiting[i]!, byHand(i, CLASSES), `loss ${i}`);
  plain(...batch(6));
  byHand(6, CLASSES);
  const last = step(...batch(7));
  w.noGrad(() => model.bias!.add_(1));
  byHand(7, CLASSES);
  for (const b of parameters[1]!.flat()) b.v += 1;
  await last;
  await step(...batch(8));
  byHand(8, CLASSES);
  assert.ok(own);
  await sameParameters(same, model.parameters(), parameters, "captured and eager steps mixed");
});

program(
  "what a function may return: nothing, one tensor twice, nested, an input, a parameter, plain values",
  async (same) => {
    const p = leaf([2], 5);
    const f = w.capture((x: w.Tensor) => {
      const y = x.add(1);
      return { y, list: [y, x, p], text: "n", turned: y.view(1, 2).t() };
    });
    for (let i = 0; i < 5; i++) {
      const x = w.tensor([i, 10]);
      const { y, list, text, turned } = await f(x);
      await same(y, [i + 1, 11], "y");
      await same(list[0]!, [i + 1, 11], "y again");
      await same(list[1]!, [i, 10], "the input");
      await same(list[2]!, fixed(2, 5), "the parameter");
      await same(turned, [i + 1, 11], "a transposed view");
      assert.equal(turned.shape, [2, 1]);
      assert.is(text, "n");
      x.fill_(100);
      p.detach().copy_(w.tensor(fixed(2, 5)));
      await same(list[1]!, [i, 10], "what came back of the input");
    }
    const silent = w.capture((x: w.Tensor) => {
      w.noGrad(() => p.copy_(x));
    });
    for (let i = 0; i < 4; i++) {
      assert.is(await silent(w.tensor([i, i])), undefined);
      await same(p, [i, i], "written");
    }
  },
);

program("inputs: transposed, views, smaller batches, other dtypes", async (same) => {
  const f = w.capture((x: w.Tensor) => x.float().mul(2).sum({ dim: 0 }));
  const base = w.tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  for (let i = 0; i < 5; i++) {
    await same(await f(base), [10, 14, 18], "dense");
    await same(await f(base.t()), [12, 30], "transposed");
    await same(await f(base.narrow(0, 1, 1)), [8, 10, 12], "a view with an offset");
    await same(await f(base.int()), [10, 14, 18], "int32");
  }
  assert.equal(f.stats, { programs: 4, calls: 8, replays: 12, threads: f.stats.threads });
});

program("a smaller last batch is another program", async (same) => {
  const { model, parameters, plain, byHand } = trained();
  const step = w.capture(plain);
  for (let i = 0; i < 12; i++) {
    const classes = i % 3 === 2 ? [1, 2] : CLASSES;
    await same(await step(...batch(i, classes)), byHand(i, classes), `loss ${i}`);
  }
  assert.equal(step.stats, { programs: 2, calls: 4, replays: 8, threads: step.stats.threads });
  await sameParameters(same, model.parameters(), parameters, "after epochs with a smaller last batch");
});

program("the number of programs is bounded, the least used goes, and so does its memory", async (same) => {
  const p = leaf([1], 1);
  const f = w.capture((x: w.Tensor) => w.noGrad(() => x.mul(p).sum()));
  const value = fixed(1, 1)[0]!;
  let live = 0;
  for (let round = 0; round < 3; round++) {
    for (let n = 1; n <= 20; n++) {
      for (let k = 0; k < 4; k++) {
        const y = await f(w.ones([n]));
        await same(y, n * value, `${n} elements`);
      }
      assert.ok(f.stats.programs <= 16);
    }
    const programs = w.memory().byOp["captured program"]?.storages ?? 0;
    if (round === 0) live = programs;
    assert.is(programs, live);
  }
  f.dispose();
  assert.is(w.memory().byOp["captured program"], undefined);
  await same(await f(w.ones([3])), 3 * value, "usable after dispose()");
});

program("noGrad inside: an evaluation, captured", async (same) => {
  const { model, parameters } = trained();
  const evaluate = w.capture((x: w.Tensor) => w.noGrad(() => w.softmax(model.forward(x), 1).argmax(1)));
  const by = (seed: number) =>
    hand.linear(hand.matrix(fixed(15, seed), IN), parameters[0]!, parameters[1]!).map((row) => {
      const list = row.map((v) => v.v);
      return list.indexOf(Math.max(...list));
    });
  for (let i = 0; i < 6; i++) await same(await evaluate(data([5, IN], i)), by(i), `classes ${i}`);
  assert.is(evaluate.stats.replays, 4);
});

program("dropout draws anew in every replay; eval() is another program", async () => {
  w.manualSeed(3);
  const drop = new nn.Dropout(0.5);
  const f = w.capture((x: w.Tensor) => drop.forward(x));
  const seen = new Set<string>();
  for (let i = 0; i < 8; i++) seen.add(String(await (await f(w.ones([64]))).data()));
  assert.is(seen.size, 8);
  drop.eval();
  for (let i = 0; i < 4; i++) assert.equal([...(await (await f(w.ones([4]))).data())], [1, 1, 1, 1]);
});

const DIFFER = "capture: two calls of the function did not launch the same: ";
const ANEW = "; nothing of this call has happened, and the next is recorded anew";

program("a branch is noticed when the recordings are compared", async () => {
  const runs = async (f: (x: w.Tensor, call: number) => w.Tensor): Promise<string> => {
    let call = 0;
    const g = w.capture((x: w.Tensor) => f(x, call++));
    await g(w.ones([2]));
    return messageOf(() => g(w.ones([2])));
  };
  assert.is(
    await runs((x, call) => (call % 2 === 0 ? x.relu() : x.tanh())),
    `${DIFFER}row 1 (relu) is relu_f32 in one call and tanh_f32 in the next: the function takes a branch${ANEW}`,
  );
  assert.is(
    await runs((x, call) => (call < 1 ? x.relu() : x.relu().exp())),
    `${DIFFER}1 rows and then 2, from exp on: the function takes a branch${ANEW}`,
  );
  assert.is(
    await runs((x, call) => x.mul(call)),
    `${DIFFER}row 1 (mul) was given another number: a JavaScript number changes from call to call: pass it as a tensor${ANEW}`,
  );
  assert.is(
    await runs((_, call) => w.zeros([call + 1])),
    `${DIFFER}row 1 (zeros) runs over [1] and then [2]: a size changes without an input's changing${ANEW}`,
  );
  const tables = [1, 2].map((v) => w.full([2], v));
  assert.is(
    await runs((x, call) => x.add(tables[call]!)),
    `${DIFFER}row 1 (add) uses another tensor (full, then full): a tensor is carried over by the closure: pass it in and return it${ANEW}`,
  );
});

program("a tensor carried over by the closure is refused by name", async () => {
  let hidden = w.zeros([2]);
  const f = w.capture((x: w.Tensor) => {
    hidden = hidden.add(x);
    return hidden;
  });
  await f(w.ones([2]));
  const message = await messageOf(() => f(w.ones([2])));
  assert.match(message, /^add: the tensor add \[2\] was released by the end of a captured function, which owns it/);
  assert.match(message, /return it/);
  assert.not.match(message, /keep\(\)/);
});

program("refused inside: reads, host writes, another captured function, promises, other inputs", async () => {
  const inner = w.capture((x: w.Tensor) => x.mul(2));
  const refused = async (f: (x: w.Tensor) => unknown, calls = 1): Promise<string> => {
    const g = w.capture(f);
    for (let i = 1; i < calls; i++) await g(w.ones([2]));
    return messageOf(() => g(w.ones([2])));
  };
  const inside = "inside capture this";
  if (w.defaultDevice().canBlock) {
    for (const read of [(x: w.Tensor) => x.dataSync(), (x: w.Tensor) => x.sum().itemSync()]) {
      assert.is(await refused(read), `dataSync: ${inside} reads a value: return it from the function instead`);
    }
  }
  assert.is(
    await refused((x) => x.add(w.tensor([1, 2]))),
    `tensor: ${inside} writes host data: pass it as an input or make it outside`,
  );
  assert.match(
    await refused((x) => {
      w.manualSeed(1);
      return x;
    }),
    /^manualSeed: inside capture this /,
  );
  assert.is(
    await refused((x) => {
      inner(x);
      return x;
    }),
    `capture: ${inside} calls a captured function: call its plain function`,
  );
  assert.is(
    await refused((x) => {
      inner.dispose();
      return x;
    }),
    `capture: ${inside} lets a captured function go: dispose() of it outside`,
  );
  for (const read of [(x: w.Tensor) => x.data(), (x: w.Tensor) => x.sum().item()])
    assert.match(await refused((x) => void read(x)), `: ${inside} reads a value: return it from the function instead`);
  for (const calls of [1, 2]) {
    let call = 0;
    assert.is(
      await refused((x) => (++call === calls ? Promise.resolve(x) : x), calls),
      "capture: the function returned a promise: it must be synchronous",
    );
  }
  const f = w.capture((...xs: w.Tensor[]) => xs[0]!.add(1));
  assert.is(await messageOf(() => f(w.ones([2]), 3 as never)), "capture: argument 2 is 3: a tensor is expected");
  assert.is(
    await messageOf(() => f(leaf([2], 1))),
    "capture: argument 1 (tensor [2]) requires grad: parameters come in through the closure, inputs do not",
  );
  const gone = w.ones([2]);
  gone.dispose();
  assert.match(await messageOf(() => f(gone)), /^capture: the tensor ones \[2\] was released by dispose\(\)/);
});

program("when the function throws while it is recorded nothing has run", async (same) => {
  const model = new nn.Linear(IN, OUT);
  const parameters = seeded(model.parameters(), 1);
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.0625 });
  const own = new hand.Adam(parameters, 0.0625);
  let fails = false;
  const step = w.capture((x: w.Tensor, y: w.Tensor) => {
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    if (fails) throw new Error("thrown at the end");
    return loss;
  });
  for (let i = 0; i < 8; i++) {
    // Calls 1 and 2, which are recorded, have a turn of failing before they succeed.
    {
      fails = true;
      const throws = i < 2;
      const bad = batch(99);
      const memory = w.memory().storages;
      await step(...bad).then(
        () => assert.not(throws, "did not throw"),
        (e: Error) => assert.is(e.message, "thrown at the end"),
      );
      fails = false;
      if (throws) {
        await sameParameters(same, model.parameters(), parameters, `after the throw in call ${i}`);
        if (i > 0) await sameGradients(same, model.parameters(), parameters, `after the throw in call ${i}`);
        else for (const p of model.parameters()) assert.is(p.grad, null);
        // The first recording makes what lasts: places of 2 gradients, the rate, and 3 tensors of state for each parameter.
        assert.ok(w.memory().storages <= memory + (i === 0 ? 2 + 1 + 2 * 3 : 0), "and nothing is left over");
      } else {
        own.zeroGrad();
        const x = hand.matrix(fixed(15, 99), IN);
        hand.crossEntropy(hand.linear(x, parameters[0]!, parameters[1]!), CLASSES).backward();
        own.step();
      }
    }
    const loss = await step(...batch(i));
    own.zeroGrad();
    const expected = hand.crossEntropy(
      hand.linear(hand.matrix(fixed(15, i), IN), parameters[0]!, parameters[1]!),
      CLASSES,
    );
    expected.backward();
    own.step();
    await same(loss, expected.v, `loss ${i}`);
  }
  await sameParameters(same, model.parameters(), parameters, "at the end");
});

program("an eager graph is whole after a recording that threw", async (same) => {
  const p = leaf([2], 1);
  let fails = false;
  const f = w.capture((x: w.Tensor) => {
    w.noGrad(() => p.mul_(2));
    if (fails) throw new Error("stop");
    return x;
  });
  await f(w.ones([2]));
  const before = [...(await p.data())];
  const loss = p.mul(p).sum();
  fails = true;
  await f(w.ones([2])).catch(() => {});
  loss.backward();
  await same(
    p.grad,
    before.map((v) => 2 * v),
    "nothing of the recording ran, so nothing changed",
  );
});

program("a gradient held across a captured call is refused by name; clone() keeps it", async (same) => {
  const { model, parameters, plain, byHand } = trained();
  const step = w.capture(plain);
  for (let i = 0; i < 4; i++) {
    await step(...batch(i));
    byHand(i, CLASSES);
  }
  const held = model.weight.grad!;
  const copy = held.clone();
  const values = hand.gradients(parameters[0]!);
  await same(held, values, "readable until the next call");
  await step(...batch(5));
  byHand(5, CLASSES);
  assert.match(
    await messageOf(() => held.data()),
    /^data: the tensor matmul \[4,3\] was released by a captured step, which writes this gradient in place \(clone\(\) keeps it\)$/,
  );
  await same(copy, values, "the clone");
  await sameGradients(same, model.parameters(), parameters, "p.grad is the new one");
});

program("accumulation inside and outside of captured functions", async (same) => {
  const { model, parameters, optimizer, own } = trained();
  const add = w.capture((x: w.Tensor, y: w.Tensor) => {
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    return loss;
  });
  for (let round = 0; round < 3; round++) {
    optimizer.zeroGrad();
    own.zeroGrad();
    for (let i = 0; i < 4; i++) {
      await add(...batch(round * 4 + i));
      const x = hand.matrix(fixed(15, round * 4 + i), IN);
      hand.crossEntropy(hand.linear(x, parameters[0]!, parameters[1]!), CLASSES).backward();
      await sameGradients(same, model.parameters(), parameters, `round ${round}, ${i + 1} backwards`);
    }
    optimizer.step();
    own.step();
  }
  await sameParameters(same, model.parameters(), parameters, "after three rounds");
});

program("a replay counts as a write: graphs of before notice", async () => {
  const { model, plain } = trained();
  const step = w.capture(plain);
  for (let i = 0; i < 4; i++) await step(...batch(i));
  const x = data([5, IN], 9).requiresGrad_();
  const loss = model.forward(x).sum();
  await step(...batch(5));
  assert.match(
    await messageOf(() => loss.backward()),
    /^backward of linear: weight \[4,3\] is at version \d+, expected version/,
  );
});

program("eager values read after a captured call, and batches on the device", async (same) => {
  const { model, parameters, plain, byHand } = trained();
  const step = w.capture(plain);
  const [x, y] = batch(3);
  for (let i = 0; i < 5; i++) {
    const out = w.noGrad(() => model.forward(x));
    const expected = hand.numbers(hand.linear(hand.matrix(fixed(15, 3), IN), parameters[0]!, parameters[1]!));
    await step(x, y);
    byHand(3, CLASSES);
    await same(out, expected, `evaluation before call ${i}`);
  }
  await same(x, fixed(15, 3), "the input is as it was");
});

program("a program holds what it names", async (same) => {
  const scale = w.full([2], 3);
  const f = w.capture((x: w.Tensor) => x.mul(scale));
  for (let i = 0; i < 3; i++) await f(w.ones([2]));
  scale.dispose();
  const filler = Array.from({ length: 8 }, () => w.full([2], 77));
  await same(await f(w.ones([2])), [3, 3], "after dispose()");
  assert.is(filler.length, 8);
});

program("a fault inside a captured call is thrown by it, and the step did not happen", async (same) => {
  const { model, parameters, plain, byHand } = trained();
  const step = w.capture(plain);
  for (let i = 0; i < 6; i++) {
    if (i === 4) {
      const message = await messageOf(async () => (await step(...batch(50, [0, 9, 1, 2, 2]))).item());
      assert.match(message, /^crossEntropy: label 9 in row 1 is outside \[0, 4\)/);
    }
    await step(...batch(i));
    byHand(i, CLASSES);
  }
  await sameParameters(same, model.parameters(), parameters, "as if the bad batch had not been");
});

test.run();
