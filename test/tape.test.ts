// The tape: writes in place, views, broadcasting, second derivatives, and how long tensors live. Expected values by hand.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { count } from "../src/core/lifetime.ts";
import { apply, type Op } from "../src/core/op.ts";
import { collector } from "../src/host/probe.ts";
import * as w from "../src/index.ts";
import { data, fixed, leaf, messageOf, program } from "./programs.ts";
import { ReferenceDevice } from "./reference.ts";
import * as hand from "./scalar.ts";

const INPLACE = /modified by an inplace operation$/;
const ones = (n: number): number[] => new Array(n).fill(1);

program("an in-place write to a saved value is PyTorch's error", async () => {
  const x = leaf([3], 1);
  const by = w.tensor([1, 2, 3]);
  const product = x.mul(by);
  by.add_(1);
  assert.match(
    await messageOf(() => product.sum().backward()),
    /^backward of mul: add_? ?\[3\]|^backward of mul: tensor \[3\] is at version \d+, expected version \d+: one of the variables/,
  );
  const y = x.exp();
  y.add_(1);
  assert.match(await messageOf(() => y.sum().backward()), INPLACE);
  const z = x.relu();
  const sum = z.sum();
  w.noGrad(() => z.zero_());
  assert.match(await messageOf(() => sum.backward()), INPLACE);
  // Through another tensor over the same storage.
  const a = x.mul(1);
  const b = a.mul(a).sum();
  a.detach().fill_(0);
  assert.match(await messageOf(() => b.backward()), INPLACE);
  // A parameter changed by an optimizer or by hand between forward and backward.
  const p = leaf([2, 2], 2);
  const out = data([2, 2], 3).requiresGrad_().matmul(p).sum();
  w.noGrad(() => p.sub_(p.mul(0.5)));
  assert.match(
    await messageOf(() => out.backward()),
    /^backward of matmul: .*\[2,2\] is at version \d+, expected version/,
  );
});

program("an in-place write to a leaf that requires grad is an error outside noGrad", async (same) => {
  const x = leaf([2], 1);
  assert.match(await messageOf(() => x.add_(1)), /^add_: \[2\]: a leaf variable that requires grad .* use noGrad$/);
  w.noGrad(() => x.copy_(w.tensor([3, 4])));
  await same(x, [3, 4], "under noGrad");
  assert.ok(x.requiresGrad && x.isLeaf);
  x.detach().mul_(2);
  await same(x, [6, 8], "detach() shares storage");
});

program("in-place writes are part of the history", async (same) => {
  const x = leaf([3], 1);
  const v = fixed(3, 1);
  const y = x.mul(2);
  y.add_(x);
  y.mul_(3);
  y.sub_(1);
  await same(
    y,
    v.map((a) => 9 * a - 1),
    "value",
  );
  y.sum().backward();
  await same(x.grad, [9, 9, 9], "gradient");
  x.grad = null;
  const z = w.zeros([3]);
  z.add_(x);
  assert.ok(z.requiresGrad && !z.isLeaf);
  z.mul_(w.tensor([1, 2, 3]));
  z.sum().backward();
  await same(x.grad, [1, 2, 3], "into a tensor that required none");
  x.grad = null;
  const c = x.mul(5);
  c.copy_(x.mul(7));
  c.sum().backward();
  await same(x.grad, [7, 7, 7], "copy_ cuts the old history");
  x.grad = null;
  const f = x.mul(5);
  f.zero_();
  f.add_(x);
  f.sum().backward();
  await same(x.grad, [1, 1, 1], "zero_ cuts the old history");
});

program("what was computed before an in-place write keeps the gradient of before", async (same) => {
  const x = leaf([3], 1);
  const a = x.mul(2);
  const before = a.add(1); // add saves nothing, so writing to a is allowed
  a.mul_(3);
  before.sum().backward();
  await same(x.grad, [2, 2, 2], "of the value before");
  x.grad = null;
  // A residual in place: y = h + relu(h).
  const h = x.mul(4);
  const branch = h.relu();
  h.add_(branch);
  h.sum().backward();
  await same(
    x.grad,
    fixed(3, 1).map((v) => (v > 0 ? 8 : 4)),
    "a residual in place",
  );
  x.grad = null;
  // A constant that becomes part of the graph only after it was used.
  const constant = w.ones([3]);
  const used = x.add(constant);
  constant.add_(x);
  used.sum().backward();
  await same(x.grad, [1, 1, 1], "the constant was one when it was used");
  x.grad = null;
  const g = x.mul(2);
  const first = g.add(0);
  g.mul_(10);
  first.add(g).sum().backward();
  await same(x.grad, [22, 22, 22], "before and after in one graph");
});

program("a view of a tensor that changed in place: right, or refused", async (same) => {
  const x = leaf([4], 1);
  const base = x.mul(2);
  const view = base.view(2, 2);
  base.mul_(3);
  let message = "";
  try {
    view.sum().backward();
  } catch (error) {
    message = (error as Error).message;
  }
  if (message === "") await same(x.grad, [6, 6, 6, 6], "through the view");
  else assert.match(message, /\[2,2\].*in place|inplace/);
  const again = x.mul(2).view(2, 2);
  again.mul_(3);
  x.grad = null;
  again.sum().backward();
  await same(x.grad, [6, 6, 6, 6], "a view whose base is gone, or not");
});

program("views write through, all but those that show one element in several places", async (same) => {
  const wide = w.ones([1, 3]).expand(2, 3);
  for (const write of [
    () => wide.add_(1),
    () => wide.copy_(w.zeros([2, 3])),
    () => wide.detach().mul_(2),
    () => wide.narrow(1, 0, 2).sub_(1),
  ]) {
    assert.match(
      await messageOf(write),
      /^\w+_: \[2,\d\]: more than one element of the written-to tensor refers to a single memory location/,
    );
  }
  wide.fill_(4);
  await same(wide, [4, 4, 4, 4, 4, 4], "one value everywhere is written to an expanded view");
  const x = data([2, 3], 1);
  const values = fixed(6, 1);
  x.view(3, 2).add_(1);
  await same(
    x,
    values.map((v) => v + 1),
    "view",
  );
  x.narrow(0, 1, 1).zero_();
  await same(x, [...values.slice(0, 3).map((v) => v + 1), 0, 0, 0], "narrow of the leading dim");
  x.select(0, 0).fill_(5);
  await same(x, [5, 5, 5, 0, 0, 0], "select of the leading dim");
  x.narrow(1, 0, 2).add_(1);
  await same(x, [6, 6, 5, 1, 1, 0], "narrow of an inner dim");
  x.t().copy_(w.tensor([1, 2, 3, 4, 5, 6], { shape: [3, 2] }));
  await same(x, [1, 3, 5, 2, 4, 6], "t");
  x.view(1, 2, 3).permute(2, 0, 1).select(0, 1).mul_(10);
  await same(x, [1, 30, 5, 2, 40, 6], "select of a permute");
  x.t().zero_();
  await same(x, [0, 0, 0, 0, 0, 0], "a whole fill through t");
});

program("gradients of broadcast operands are summed to their shapes", async (same) => {
  const a = leaf([2, 1, 3], 1);
  const b = leaf([4, 1], 2);
  const s = leaf([], 3);
  const [va, vb, vs] = [fixed(6, 1), fixed(4, 2), fixed(1, 3)[0]!];
  const y = a.mul(b).add(s).div(2);
  assert.equal(y.shape, [2, 4, 3]);
  y.sum().backward();
  const sumB = vb.reduce((p, q) => p + q, 0);
  const sumA = va.reduce((p, q) => p + q, 0);
  await same(
    a.grad,
    ones(6).map(() => sumB / 2),
    "a",
  );
  await same(
    b.grad,
    ones(4).map(() => sumA / 2),
    "b",
  );
  await same(s.grad, [12], "s");
  await same(
    y,
    va
      .slice(0, 3)
      .concat(va.slice(0, 3), va.slice(0, 3), va.slice(0, 3))
      .map((v, i) => (v * vb[Math.floor(i / 3)]! + vs) / 2)
      .concat(
        va
          .slice(3)
          .concat(va.slice(3), va.slice(3), va.slice(3))
          .map((v, i) => (v * vb[Math.floor(i / 3)]! + vs) / 2),
      ),
    "y",
  );
  assert.equal([a.grad!.shape, b.grad!.shape, s.grad!.shape], [[2, 1, 3], [4, 1], []]);
});

program("products with transposed views: values, and gradients of the right shape", async (same) => {
  const [m, k, n] = [3, 4, 5];
  const ha = hand.matrix(fixed(m * k, 1), k);
  const hb = hand.matrix(fixed(n * k, 2), k);
  hand.average(hand.map(hand.product(ha, hand.transposed(hb)), (v) => v.tanh()).flat()).backward();
  const forms: [string, () => { a: w.Tensor; b: w.Tensor; y: w.Tensor; turnedA?: boolean; turnedB?: boolean }][] = [
    [
      "a b^T",
      () => {
        const [a, b] = [leaf([m, k], 1), leaf([n, k], 2)];
        return { a, b, y: a.matmul(b.t()) };
      },
    ],
    [
      "(b a^T)^T",
      () => {
        const [a, b] = [leaf([m, k], 1), leaf([n, k], 2)];
        return { a, b, y: b.matmul(a.t()).t() };
      },
    ],
    [
      "a, stored turned",
      () => {
        const a = w.tensor(hand.numbers(hand.transposed(ha)), { shape: [k, m] }).requiresGrad_();
        const b = leaf([n, k], 2);
        return { a, b, y: a.t().matmul(b.t()), turnedA: true };
      },
    ],
    [
      "batches of one",
      () => {
        const [a, b] = [leaf([1, m, k], 1), leaf([n, k], 2)];
        return { a, b, y: a.matmul(b.t()) };
      },
    ],
    [
      "linear",
      () => {
        const [a, b] = [leaf([m, k], 1), leaf([n, k], 2)];
        return { a, b, y: w.linear(a, b) };
      },
    ],
  ];
  const turn = (g: number[], rows: number, cols: number): number[] =>
    Array.from({ length: g.length }, (_, i) => g[(i % rows) * cols + Math.floor(i / rows)]!);
  for (const [name, make] of forms) {
    const { a, b, y, turnedA } = make();
    await same(y, hand.numbers(hand.product(ha, hand.transposed(hb))), `${name}: value`);
    w.tanh(y).mean().backward();
    assert.equal(a.grad!.shape, a.shape, name);
    assert.equal(b.grad!.shape, b.shape, name);
    await same(a.grad, turnedA ? turn(hand.gradients(ha), m, k) : hand.gradients(ha), `${name}: gradient of a`);
    await same(b.grad, hand.gradients(hb), `${name}: gradient of b`);
  }
});

program("second derivatives: a gradient penalty, and grad()", async (same) => {
  // f = sum x^3 exp(w): df/dx = 3 x² e^w; penalty = sum (df/dx)²
  const x = leaf([3], 1);
  const s = leaf([], 2);
  const [vx, vs] = [fixed(3, 1), fixed(1, 2)[0]!];
  const f = x.mul(x).mul(x).mul(s.exp()).sum();
  const [gx] = w.grad(f, [x], { createGraph: true });
  await same(
    gx!,
    vx.map((v) => 3 * v * v * Math.exp(vs)),
    "first derivative",
  );
  assert.is(x.grad, null);
  const penalty = gx!.mul(gx!).sum();
  penalty.backward();
  const e2 = Math.exp(2 * vs);
  await same(
    x.grad,
    vx.map((v) => 36 * v ** 3 * e2),
    "d penalty / dx",
  );
  await same(
    s.grad,
    vx.reduce((t, v) => t + 18 * v ** 4 * e2, 0),
    "d penalty / dw",
  );
  // backward with createGraph puts differentiable gradients into the leaves
  const y = leaf([3], 4);
  const vy = fixed(3, 4);
  y.tanh().sum().backward(null, { createGraph: true });
  const g = y.grad!;
  y.grad = null;
  g.sum().backward();
  await same(
    y.grad,
    vy.map((v) => -2 * Math.tanh(v) * (1 - Math.tanh(v) ** 2)),
    "second derivative of tanh",
  );
  // third
  const z = leaf([2], 5);
  let d = z.mul(z).mul(z).mul(z).sum();
  for (let i = 0; i < 3; i++) d = w.grad(d, [z], { createGraph: true })[0]!.sum();
  await same(
    d,
    fixed(2, 5).reduce((t, v) => t + 24 * v, 0),
    "third derivative of x^4",
  );
});

program("second derivatives of losses and pools", async () => {
  const [rows, classes] = [4, 3];
  const start = fixed(rows * classes, 7);
  const reference = new ReferenceDevice();
  const target = (x: w.Tensor) => w.tensor([0, 2, -100, 1], { dtype: "int32", device: x.device });
  const losses: Record<string, (x: w.Tensor) => w.Tensor> = {
    "crossEntropy, mean": (x) => w.crossEntropy(x, target(x)),
    "crossEntropy, sum, weighted": (x) => w.crossEntropy(x, target(x), { reduction: "sum" }).mul(x.sum()),
    "crossEntropy, none, squared": (x) => {
      const l = w.crossEntropy(x, target(x), { reduction: "none" });
      return l.mul(l).sum();
    },
    "nllLoss, squared": (x) => {
      const l = w.nllLoss(x.mul(x), target(x));
      return l.mul(l);
    },
    "maxPool2d, cubed": (x) => {
      const p = w.maxPool2d(x.view(1, 1, rows, classes), 2, { stride: 1 });
      return p.mul(p).mul(p).sum();
    },
  };
  for (const [name, f] of Object.entries(losses)) {
    /** The squared norm of the gradient. */
    const norm = (values: number[], createGraph: boolean, device: w.Device) => {
      const x = w.tensor(values, { shape: [rows, classes], device }).requiresGrad_();
      const [g] = w.grad(f(x), [x], { createGraph });
      return { x, y: g!.mul(g!).sum() };
    };
    const { x, y } = norm(start, true, w.defaultDevice());
    y.backward();
    const h = 1e-5;
    for (const [i, got] of (await x.grad!.data()).entries()) {
      const at = (d: number) =>
        norm(
          start.map((v, j) => (j === i ? v + d : v)),
          false,
          reference,
        ).y.itemSync();
      const difference = (at(h) - at(-h)) / (2 * h);
      assert.ok(
        Math.abs(got - difference) < 5e-5 * (1 + Math.abs(difference)),
        `${name}: at ${i}: ${got}, by differences ${difference}`,
      );
    }
  }
});

program("grad(): of leaves and of intermediates, null where there is no path, leaves .grad alone", async (same) => {
  const [x, y, other] = [leaf([2], 1), leaf([2], 2), leaf([2], 3)];
  const [vx, vy] = [fixed(2, 1), fixed(2, 2)];
  const middle = x.mul(y);
  const root = middle.mul(middle).sum();
  const [gm, gx, none] = w.grad(root, [middle, x, other]);
  await same(
    gm!,
    vx.map((v, i) => 2 * v * vy[i]!),
    "intermediate",
  );
  await same(
    gx!,
    vx.map((v, i) => 2 * v * vy[i]! ** 2),
    "leaf",
  );
  assert.is(none, null);
  assert.is(x.grad, null);
  assert.match(await messageOf(() => w.grad(root, [x])), /second time/);
  const [weighted] = w.grad(x.mul(y), [x], { gradient: w.tensor([10, 100]) });
  await same(weighted!, [10 * vy[0]!, 100 * vy[1]!], "with a gradient");
});

program("backward of what is no scalar needs a gradient of its shape", async (same) => {
  const x = leaf([2, 2], 1);
  const y = x.mul(3);
  assert.match(
    await messageOf(() => y.backward()),
    /^backward: mul \[2,2\]: grad can be implicitly created only for scalar/,
  );
  assert.match(
    await messageOf(() => y.backward(w.ones([2]))),
    /^backward: gradient \[2\] for \[2,2\]: the shapes must be the same$/,
  );
  assert.match(
    await messageOf(() => y.backward(w.ones([2, 2], { dtype: "int32" }))),
    /^backward: gradient \[2,2\] of int32: floats are expected, use float\(\)$/,
  );
  const gone = w.ones([2, 2]);
  gone.dispose();
  assert.match(await messageOf(() => y.backward(gone)), /^backward: the tensor ones \[2,2\] was released by dispose/);
  const elsewhere = w.ones([2, 2], { device: new ReferenceDevice() });
  assert.match(await messageOf(() => y.backward(elsewhere)), /^backward: .*the devices must be the same/);
  const g = data([2, 2], 2);
  y.backward(g);
  await same(
    x.grad,
    fixed(4, 2).map((v) => 3 * v),
    "weighted",
  );
  await same(g, fixed(4, 2), "the given gradient is left alone");
  x.grad = null;
  x.mul(1).t().backward(g.t());
  await same(x.grad, fixed(4, 2), "a transposed gradient");
  assert.match(await messageOf(() => w.ones([]).backward()), /^backward: ones \[\]: .*does not require grad/);
  // A leaf is its own root.
  const p = leaf([], 1);
  p.backward();
  p.backward();
  await same(p.grad, [2], "of a leaf");
});

program("gradients are the user's: set, read, kept, changed in place", async (same) => {
  const x = leaf([2, 2], 1);
  x.mul(2).sum().backward();
  const held = x.grad!;
  x.grad = null;
  x.mul(5).sum().backward();
  await same(held, [2, 2, 2, 2], "a gradient that was read outlives zeroGrad");
  w.noGrad(() => x.grad!.mul_(0.5)); // clipping
  await same(x.grad, [2.5, 2.5, 2.5, 2.5], "clipped");
  x.mul(1).sum().backward();
  await same(x.grad, [3.5, 3.5, 3.5, 3.5], "accumulates onto the clipped one");
  x.grad = data([2, 2], 3);
  x.mul(1).sum().backward();
  await same(
    x.grad,
    fixed(4, 3).map((v) => v + 1),
    "accumulates onto one that was set",
  );
  assert.match(
    await messageOf(() => {
      x.grad = w.ones([2]);
    }),
    /^grad: \[2\] of float32 for .*\[2,2\]/,
  );
  assert.match(
    await messageOf(() => {
      x.grad = w.ones([2, 2], { dtype: "int32" });
    }),
    /^grad: \[2,2\] of int32 for .*\[2,2\]/,
  );
  assert.match(
    await messageOf(() => {
      x.grad = w.ones([2, 2], { device: new ReferenceDevice() });
    }),
    /^grad: .* on .* and .* on .*: the devices must be the same/,
  );
  // Onto views as they lie.
  const flat = w.tensor([10, 20, 30, 40, 50, 60, 70, 80]);
  const by = w.tensor([1, 2, 3, 4]).view(2, 2);
  for (const [at, view, expected] of [
    [1, flat.narrow(0, 1, 4).view(2, 2).t(), [21, 42, 33, 54]],
    [0, flat.slice(0, 0, null, 2).view(2, 2), [11, 35, 57, 74]],
  ] as const) {
    x.grad = view;
    x.mul(by).sum().backward();
    assert.is(x.grad, view);
    await same(view, expected, `accumulates onto the view ${at}`);
  }
  await same(flat, [11, 21, 35, 42, 57, 60, 74, 80], "in place, and nothing beside it");
  x.grad = w.tensor([7]).expand(2, 2);
  assert.match(await messageOf(() => x.sum().backward()), /refers to a single memory location/);
});

program("a gradient that is a view moves with its parameter", async (same) => {
  const layer = new w.nn.Linear(2, 3);
  layer.weight.grad = w.tensor([1, 2, 3, 4, 5, 6, 7]).narrow(0, 1, 6).view(2, 3).t();
  await layer.to(new ReferenceDevice());
  await same(layer.weight.grad, [2, 5, 3, 6, 4, 7], "its values");
});

program("detach: same storage, off the tape, counted as a holder", async (same) => {
  const x = leaf([2], 1);
  const y = x.mul(2);
  const d = y.detach();
  assert.ok(!d.requiresGrad && d.isLeaf);
  d.fill_(7);
  await same(y, [7, 7], "one storage");
  y.dispose();
  await same(d, [7, 7], "outlives the other");
  assert.match(await messageOf(() => y.data()), /^data: the tensor mul \[2\] was released by dispose\(\)/);
  y.dispose(); // twice is once
  assert.match(
    await messageOf(() => {
      x.mul(1).requiresGrad = false;
    }),
    /^requiresGrad: mul \[2\] was made by a recorded op/,
  );
  assert.match(
    await messageOf(() => {
      w.zeros([2], { dtype: "int32" }).requiresGrad = true;
    }),
    /^requiresGrad: \[2\] of int32/,
  );
});

program("frozen leaves get no gradient; freezing between forward and backward counts", async (same) => {
  const [a, b] = [leaf([2], 1), leaf([2], 2)];
  const y = a.mul(b).sum();
  a.requiresGrad = false;
  y.backward();
  assert.is(a.grad, null);
  await same(b.grad, fixed(2, 1), "the other one");
});

/** Waits until the collector has no more of what earlier tests left: it would change the counts. */
async function collected(): Promise<void> {
  const collect = await collector();
  for (let last = -1, times = 0; times < 3; last = count.tensors) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
    times = count.tensors === last ? times + 1 : 0;
  }
}

program("scope, using and dispose release what they should", async (same) => {
  const device = w.defaultDevice();
  const outside = data([64], 1);
  await collected();
  const before = [w.memory(device).storages, count.tensors] as const;
  const out = w.scope(() => {
    const list = [1, 2, 3].map((i) => outside.add(i));
    const sum = list[0]!.add(list[1]!).add(list[2]!);
    const kept = outside.mul(2).keep();
    return { sum, parts: [list[0]!, kept] };
  });
  await same(
    out.sum,
    fixed(64, 1).map((v) => 3 * v + 6),
    "what the scope returned",
  );
  await same(
    out.parts[0]!,
    fixed(64, 1).map((v) => v + 1),
    "also inside arrays",
  );
  assert.is(w.memory(device).storages, before[0] + 3);
  for (const t of [out.sum, ...out.parts]) t.dispose();
  assert.equal([w.memory(device).storages, count.tensors], before);
  let leaked: w.Tensor | undefined;
  w.scope(() => {
    leaked = outside.add(1);
    w.scope(() => outside.mul(3));
  });
  assert.match(
    await messageOf(() => leaked!.data()),
    /^data: the tensor add \[64\] was released by the end of a scope\(\)/,
  );
  {
    using temporary = outside.mul(4);
    await same(
      temporary,
      fixed(64, 1).map((v) => v * 4),
      "using",
    );
  }
  assert.equal([w.memory(device).storages, count.tensors], before);
  // A whole step in a scope: parameters' gradients survive it.
  const p = leaf([64], 2);
  w.scope(() => p.mul(outside).sum().backward());
  await same(p.grad, fixed(64, 1), "a gradient made in a scope");
});

program("what throws in a scope is released, also in a backward, and the scope around it goes on", async (same) => {
  const [x, p, q] = [data([64], 1), leaf([64], 2), leaf([64], 3)];
  const refused = (f: () => void): void => {
    try {
      f();
    } catch {
      return;
    }
    assert.unreachable("it should have thrown");
  };
  await collected();
  const before = count.tensors;
  const stop = (): w.Tensor => {
    x.add(2).mul(3);
    throw new Error("stop");
  };
  refused(() => w.scope(stop));
  assert.is(count.tensors, before, "without a scope around it");
  const Stopping: Op = {
    name: "stopping",
    forward: ([a]) => w.noGrad(() => a!.add(1)),
    vjp(g) {
      g.mul(2);
      throw new Error("stop");
    },
  };
  const out = w.scope(() => {
    const y = x.add(1);
    refused(() => w.scope(stop));
    const z = p.mul(q);
    refused(() => apply(Stopping, [z], null).sum().backward());
    return y.mul(w.scope(() => y.add(1)));
  });
  await collected(); // the gradient that was refused
  assert.is(count.tensors, before + 1, "inside one");
  await same(
    out,
    fixed(64, 1).map((v) => (v + 1) * (v + 2)),
    "the scope around it",
  );
});

program("what nobody releases is the collector's, whatever was released by name beside it", async (same) => {
  await collected();
  const before = count.tensors;
  const make = (): w.Tensor[] => {
    const list = Array.from({ length: 60 }, (_, i) => w.full([2], i));
    for (const i of [59, 0, 30, 57, 1, 58, 29]) list[i]!.dispose();
    w.scope(() => list[7]!.add(1)); // returned, and dropped
    return [list[7]!, list[56]!];
  };
  const kept = make();
  assert.is(count.tensors, before + 54);
  await collected();
  assert.is(count.tensors, before + 2);
  await same(kept[0]!, [7, 7], "one that is held");
  await same(kept[1]!, [56, 56], "another");
  for (const t of kept) t.dispose();
  await collected();
  assert.is(count.tensors, before);
});

program("modes take synchronous functions, and end with them", async () => {
  for (const mode of [w.noGrad, w.enableGrad, w.scope] as ((f: () => unknown) => unknown)[]) {
    assert.match(
      await messageOf(() => mode(async () => 1)),
      /^(noGrad|enableGrad|scope): the function returned a promise: it must be synchronous$/,
    );
  }
  const x = leaf([1], 1);
  w.noGrad(() => {
    assert.not(x.mul(2).requiresGrad);
    w.enableGrad(() => assert.ok(x.mul(2).requiresGrad));
    assert.not(x.mul(2).requiresGrad);
  });
  assert.ok(x.mul(2).requiresGrad);
});

program("a value is read where data() is called, whatever is written later", async (same) => {
  const x = w.tensor([1, 2]);
  const early = x.data();
  x.add_(10);
  const late = x.data();
  x.zero_();
  assert.equal([...(await early)], [1, 2]);
  assert.equal([...(await late)], [11, 12]);
  const again = await x.data();
  again[0] = 99;
  await same(x, [0, 0], "data() is a copy");
  const array = Float32Array.of(1, 2);
  const t = w.tensor(array);
  array[0] = 50;
  await same(t, [1, 2], "tensor() copies");
});

program("a disposed tensor's memory is not reused before the rows that name it", async (same) => {
  const a = data([1000], 1);
  const b = a.mul(2);
  a.dispose();
  const c = w.tensor(new Float32Array(1000).fill(5)); // may take the place of a
  await same(
    b,
    fixed(1000, 1).map((v) => v * 2),
    "b",
  );
  await same(c, new Array(1000).fill(5), "c");
  const d = b.add(c);
  b.dispose();
  c.dispose();
  await same(
    d,
    fixed(1000, 1).map((v) => v * 2 + 5),
    "d",
  );
});

test.run();
