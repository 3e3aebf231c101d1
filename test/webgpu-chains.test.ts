// Chains on WebGPU: elementwise rows that are gathered into one kernel give what they give one by one, bit for bit; a step behind a fault leaves
// what lasts as it was.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Tensor } from "../src/index.ts";
import * as w from "../src/index.ts";
import { WebGpuDevice } from "../src/webgpu/device.ts";
import { registry } from "../src/webgpu/kernels/index.ts";
import { GpuProgram } from "../src/webgpu/program.ts";
import { gpuTest, lack, leastDevice } from "./webgpu-adapter.ts";

/** Dispatches of the last program that ran, how many of them fill in a number, and the rows of its chains. */
let ran: { rows: number; numbers: number; chains: number[] } = { rows: 0, numbers: 0, chains: [] };
const run = GpuProgram.prototype.run;
GpuProgram.prototype.run = function (inputs, outputs) {
  const { batch } = this as unknown as { batch: { dispatches: { compiled: { name: string } }[] } };
  const names = batch.dispatches.map((d) => d.compiled.name);
  const chains = names.filter((n) => n.startsWith("chain ")).map((n) => n.split(": ")[1]!.split(" ").length);
  ran = { rows: names.length, numbers: names.filter((n) => n === "fill_f32").length, chains };
  run.call(this, inputs, outputs);
};

let device = lack === null ? await WebGpuDevice.create() : null;
const on = <T>(f: () => T): T => {
  w.setDefaultDevice(device!);
  return f();
};
const randn = (n: number): Tensor => w.noGrad(() => w.randn([n])).keep();

/** The same values; NaN where the other has it. */
async function equal(name: string, got: Tensor, wanted: Tensor): Promise<void> {
  const [a, b] = [await got.data(), await wanted.data()];
  assert.is(a.length, b.length, name);
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    const same = Object.is(x, y) || (Number.isNaN(x) && Number.isNaN(y)) || x === y;
    assert.ok(same, `${name}: at ${i} ${x} in a chain, ${y} alone`);
  }
}

/** Functions of two tensors, each a row or a few. Ends in a product and a sum, so that there is a chain. */
const UNARY =
  "neg sqrt relu abs floor ceil round trunc frac exp exp2 expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh " +
  "atanh sigmoid erf erfc erfinv rsqrt square reciprocal sign lgamma digamma gelu silu mish elu selu softplus logsigmoid hardswish sinc " +
  "isnan isinf isfinite logicalNot";
const BINARY =
  "add sub mul div maximum minimum pow fmod remainder atan2 hypot logaddexp xlogy eq ne lt le gt ge logicalAnd logicalXor";

gpuTest("every elementwise function in a chain gives what it gives alone", async () => {
  on(() => w.manualSeed(5));
  const special = [0, -0, 1, -1, 0.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 1e-3, 30, -30, 3];
  const [drawn, other] = [await on(() => randn(289)).data(), await on(() => randn(289)).data()];
  const x = on(() => w.tensor([...drawn, ...special]).keep());
  const y = on(() => w.tensor([...other, ...special.slice().reverse()]).keep());
  const all = w as unknown as Record<string, (...xs: Tensor[]) => Tensor>;
  const calls: [string, (x: Tensor, y: Tensor) => Tensor][] = [
    ...UNARY.split(" ").map((name): [string, (x: Tensor) => Tensor] => [name, (x) => all[name]!(x)]),
    ...BINARY.split(" ").map((name): [string, (x: Tensor, y: Tensor) => Tensor] => [name, (x, y) => all[name]!(x, y)]),
    ["where", (x, y) => w.where(x.gt(y), x, y)],
    ["clamp", (x) => x.clamp({ min: -0.5, max: 0.25 })],
    ["int", (x) => x.mul(3).int().float()],
    ["a scalar tensor", (x, y) => x.mul(y.narrow(0, 3, 1))],
  ];
  const long: string[] = [];
  for (const [name, f] of calls) {
    const whole = (x: Tensor, y: Tensor): Tensor => {
      const a = f(x, y);
      return (a.dtype === "float32" ? a : a.float()).mul(y).add(0.5);
    };
    const step = w.capture((x: Tensor, y: Tensor) => w.noGrad(() => whole(x, y)));
    const got = await step(x, y);
    await equal(
      name,
      got,
      w.noGrad(() => whole(x, y)),
    );
    if (ran.rows - ran.numbers !== 1) long.push(`${name} ${ran.rows}`);
    step.dispose();
  }
  // All are one dispatch, besides those that fill in a number.
  assert.equal(long, []);
});

gpuTest("gradients and optimizers made of ops are chains", async () => {
  for (const make of [
    (p: Tensor[]) => new w.optim.RMSprop(p, { lr: 0.01, momentum: 0.9, centered: true }),
    (p: Tensor[]) => new w.optim.NAdam(p, { lr: 0.01 }),
    (p: Tensor[]) => new w.optim.Adagrad(p, { lr: 0.01, weightDecay: 0.1 }),
  ]) {
    const [x, y] = on(() => [randn(1000), randn(1000)]);
    const start = await on(() => randn(1000)).data();
    const outcome = async (captured: boolean): Promise<Tensor[]> => {
      const p = on(() => w.tensor(start).requiresGrad_().keep());
      const optimizer = make([p]);
      const f = (x: Tensor, y: Tensor): Tensor => {
        optimizer.zeroGrad();
        const loss = w.huberLoss(w.gelu(p.mul(x)), y);
        loss.backward();
        optimizer.step();
        return loss;
      };
      const step = captured ? w.capture(f) : f;
      const losses: Tensor[] = [];
      for (let i = 0; i < 5; i++) losses.push(await step(x!, y!));
      return [...losses, p];
    };
    const [chained, alone] = [await outcome(true), await outcome(false)];
    // The loss, its gradient and some of the step are one kernel.
    assert.ok(Math.max(...ran.chains) > 20 && ran.rows < 20, `${ran.rows} rows, chains of ${ran.chains}`);
    for (const [i, t] of chained.entries()) await equal(`step ${i}`, t, alone[i]!);
  }
});

/** Whole numbers below `most`. */
function drawing(seed: number): (most: number) => number {
  let state = (seed * 7919) >>> 0;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
}

const none = (_: Tensor): null => null;
/** What a program may do with two of its tensors and with what lasts. */
const MOVES: ((u: Tensor, v: Tensor, lasting: Tensor[], one: Tensor, k: number) => Tensor | null)[] = [
  (u, v) => u.add(v),
  (u, v) => u.mul(v).tanh(),
  (u, v) => u.sub(v).abs().add(0.1).sqrt(),
  (u) => u.clamp({ min: -0.5, max: 0.8 }),
  (u, v) => w.where(u.gt(v), u, v.neg()),
  (u, v) => w.maximum(u, v).mul(0.5),
  (u, _v, _l, one) => u.mul(one),
  (u) => u.mul(u.sum().mul(0.01).tanh()),
  (u) => u.mul(3).int().float().mul(0.3),
  (u, v) => u.clone().mul_(v).sub_(u),
  (u, _v, l, _one, k) => none(l[k % 2]!.mul_(0.5).add_(u.tanh())),
  (u, _v, l, _one, k) => none(l[k % 2]!.copy_(u)),
  (_u, _v, l, _one, k) => l[k % 2]!.add(1),
  (_u, _v, _l, one) => none(one.mul_(0.9)),
  (u, v, l, _one, k) => l[k % 2]!.lerp(u, 0.25).add(v.sigmoid()),
];

/** So many programs, chained and eager; the longest of their chains, and how many there were. */
async function drawn(first: number, last: number): Promise<[longest: number, chains: number]> {
  let [longest, chains] = [0, 0];
  for (let seed = first; seed <= last; seed++) {
    const n = [1, 7, 256, 1000][seed % 4]!;
    const draw = drawing(seed);
    const plan = Array.from(
      { length: 5 + draw(16) },
      () => [draw(MOVES.length), draw(97), draw(89), draw(83)] as const,
    );
    const outcome = async (captured: boolean): Promise<Tensor[]> => {
      on(() => w.manualSeed(seed));
      const lasting = [randn(n), randn(n)];
      const one = w.full([1], 0.7).keep();
      const inputs = [randn(n), randn(n)] as const;
      const f = (x: Tensor, y: Tensor): Tensor[] =>
        w.noGrad(() => {
          const pool = [x, y];
          for (const [move, i, j, k] of plan) {
            const made = MOVES[move]!(pool[i % pool.length]!, pool[j % pool.length]!, lasting, one, k);
            if (made !== null) pool.push(made);
          }
          return pool.slice(-2).map((t) => t.clone());
        });
      const step = captured ? w.capture(f) : f;
      const results: Tensor[] = [];
      for (let i = 0; i < 3; i++) results.push(...(await step(...inputs)).map((t) => t.keep()));
      return [...results, ...lasting, one];
    };
    const got = await outcome(true);
    chains += ran.chains.length;
    longest = Math.max(longest, ...ran.chains);
    const wanted = await outcome(false);
    for (const [i, t] of got.entries()) await equal(`seed ${seed}, tensor ${i}`, t, wanted[i]!);
  }
  return [longest, chains];
}

gpuTest("programs drawn at random, chained and eager", async () => {
  const [longest, chains] = await drawn(1, 40);
  assert.ok(longest > 12 && chains > 40, `${chains} chains, of up to ${longest} rows`);
});

gpuTest("and on a device that binds no more than seven tensors", async () => {
  const before = device;
  device = await leastDevice();
  assert.is(device.pipelines.limits.bindings, 7);
  const [, chains] = await drawn(41, 60);
  assert.ok(chains > 20, `${chains} chains`);
  await device.dispose();
  device = before;
});

gpuTest("behind a fault a chain leaves what lasts, and reads it as it was", async () => {
  const total = on(() => w.zeros([8]).keep());
  const logits = on(() => w.zeros([2, 3]).keep());
  const step = w.capture((x: Tensor, label: Tensor) =>
    w.noGrad(() => {
      const loss = w.crossEntropy(logits.mul(1), label);
      total.mul_(0.5).add_(x);
      return [loss, total.mul(10).add(x)];
    }),
  );
  const x = on(() => w.ones([8]).keep());
  const [good, bad] = on(() =>
    [
      [0, 1],
      [0, 7],
    ].map((l) => w.tensor(l, { dtype: "int32" }).keep()),
  );
  await step(x, good!);
  const kept = await total.data();
  const [, made] = await step(x, bad!);
  await made!.data().then(
    () => assert.unreachable(),
    (e: Error) => assert.match(e.message, /label 7 in row 1/),
  );
  assert.equal(await total.data(), kept);
  const [, again] = await step(x, good!);
  assert.equal([...(await total.data())], Array(8).fill(1.5));
  assert.equal([...(await again!.data())], Array(8).fill(16));
});

gpuTest("kernels that do more than one element are no steps", async () => {
  for (const name of ["sum_f32", "softmax_f32", "transpose_b32", "dropout_mask_f32", "cross_entropy_f32", "tick_f32"])
    if (name in registry) assert.not.ok(device!.pipelines.pieces.fits(name), name);
  for (const name of ["add_f32", "mul_scalar_f32", "where_f32", "tanh_vjp_f32", "erf_f32", "cast_i32_f32"])
    assert.ok(device!.pipelines.pieces.fits(name), name);
});

test.run();
