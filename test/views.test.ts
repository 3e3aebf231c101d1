// Every ordered pair of the ops that give views: read, written through and differentiated, beside views in plain JavaScript
// (strided.ts).
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { data, fixed, leaf, messageOf, program, type Same } from "./programs.ts";
import { doubled, type Model, type Pair, pairs, stepsOf, VIEW_OPS } from "./strided.ts";

const ALL = pairs();
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

test("every op stands first and last with every other", () => {
  const seen = new Set(ALL.map((p) => `${p.a.name} ${p.b.name}`));
  const missing = VIEW_OPS.flatMap((a) => VIEW_OPS.map((b) => `${a.name} ${b.name}`)).filter((k) => !seen.has(k));
  assert.equal(missing, []);
  assert.ok(ALL.filter((p) => p.second === null && p.shown !== null).length > 10, "some are copies");
  assert.ok(ALL.filter((p) => p.shown === null).length > 5, "some are refused");
});

/** The views of a pair; the second is null where it must be, and is, refused. */
async function views(p: Pair, x: w.Tensor): Promise<[w.Tensor, w.Tensor | null]> {
  const a = p.a.ours(x);
  if (p.shown !== null) return [a, p.b.ours(a)];
  assert.match(await messageOf(() => p.b.ours(a)), /^view: .*at least one dimension spans across two/, p.name);
  return [a, null];
}

/** Shape, steps and offset are those of a view, or of a copy. */
function lies(v: w.Tensor, m: Model, copied: boolean, what: string): void {
  assert.equal(v.shape, m.shape, `${what}: shape`);
  const dense = stepsOf({ shape: m.shape, at: m.at.map((_, i) => i) })!;
  const steps = copied ? dense : stepsOf(m)!;
  const filled = m.at.length > 0;
  assert.is(v.isContiguous(), !filled || steps.every((s, d) => s === dense[d]), `${what}: contiguous`);
  if (!filled) return;
  assert.equal(
    v.stride().map((s, d) => (m.shape[d] === 1 ? null : s)),
    steps,
    `${what}: strides`,
  );
  assert.is(v.storageOffset(), copied ? 0 : m.at[0]!, `${what}: offset`);
}

async function readThrough(p: Pair, same: Same): Promise<void> {
  const x = data(p.base, 1);
  const values = fixed(x.numel, 1);
  const at = (m: Model): number[] => m.at.map((k) => values[k]!);
  const [a, b] = await views(p, x);
  lies(a, p.first, false, p.name);
  await same(a, at(p.first), `${p.name}: the first`);
  if (b === null) return;
  lies(b, p.shown!, p.second === null, p.name);
  await same(b, at(p.shown!), `${p.name}: the second`);
  await same(
    b.add(1),
    at(p.shown!).map((v) => v + 1),
    `${p.name}: as an operand`,
  );
  await same(b.sum(), sum(at(p.shown!)), `${p.name}: summed`);
  await same(b.clone(), at(p.shown!), `${p.name}: cloned`);
}

const ONCE = /more than one element of the written-to tensor refers to a single memory location/;
const SEVERAL = /output of a function that returns multiple views/;

async function writtenThrough(p: Pair, same: Same): Promise<void> {
  const x = data(p.base, 1);
  const values = fixed(x.numel, 1);
  const [a, b] = await views(p, x);
  if (b === null) return;
  const m = p.shown!;
  if (p.second === null) {
    b.fill_(7);
    await same(x, values, `${p.name}: a copy does not write through`);
    return;
  }
  if (doubled(m)) {
    assert.match(await messageOf(() => b.add_(1)), ONCE, p.name);
    assert.match(await messageOf(() => b.copy_(b.clone())), ONCE, p.name);
    await same(x, values, `${p.name}: what is refused writes nothing`);
  } else {
    const [u, v] = [fixed(m.at.length, 2), fixed(m.at.length, 3)];
    b.copy_(w.tensor(u, { shape: m.shape }));
    b.add_(w.tensor(v, { shape: m.shape })).mul_(2);
    m.at.forEach((k, i) => {
      values[k] = (u[i]! + v[i]!) * 2;
    });
    await same(x, values, `${p.name}: the base sees it`);
    b.sub_(0.5);
    for (const k of m.at) values[k]! -= 0.5;
  }
  a.fill_(0.25);
  for (const k of p.first.at) values[k] = 0.25;
  x.add_(1);
  values.forEach((y, k) => {
    values[k] = y + 1;
  });
  await same(x, values, `${p.name}: the base`);
  await same(
    a,
    p.first.at.map((k) => values[k]!),
    `${p.name}: the first sees the base written`,
  );
  await same(
    b,
    m.at.map((k) => values[k]!),
    `${p.name}: the second sees the base written`,
  );
}

/** For each place of the base, the sum of what stands for the elements that look at it. */
function back(m: Model, list: readonly number[], n: number): number[] {
  const sums = new Array<number>(n).fill(0);
  m.at.forEach((k, i) => {
    sums[k]! += list[i]!;
  });
  return sums;
}
const ones = (m: Model): number[] => m.at.map(() => 1);

async function differentiated(p: Pair, same: Same): Promise<void> {
  const x = leaf(p.base, 1);
  const [n, values] = [x.numel, fixed(x.numel, 1)];
  const [, b] = await views(p, x.mul(2));
  if (b === null) return;
  const m = p.shown!;
  const weights = fixed(m.at.length, 2);
  b.mul(w.tensor(weights, { shape: m.shape }))
    .sum()
    .backward();
  await same(
    x.grad,
    back(m, weights, n).map((g) => 2 * g),
    `${p.name}: gradient`,
  );
  assert.equal(x.grad!.shape, p.base);
  // d³/dx³ of Σ (2x)³, by way of the gradient of the gradient
  const [, c] = await views(p, x.mul(2));
  const [first] = w.grad(c!.mul(c!).mul(c!).sum(), [x], { createGraph: true });
  const times = back(m, ones(m), n);
  await same(
    first!,
    times.map((t, k) => 24 * t * values[k]! ** 2),
    `${p.name}: first gradient`,
  );
  const [second] = w.grad(first!.sum(), [x]);
  await same(
    second!,
    times.map((t, k) => 48 * t * values[k]!),
    `${p.name}: second gradient`,
  );
}

async function writtenAndDifferentiated(p: Pair, same: Same): Promise<void> {
  const x = leaf(p.base, 1);
  const [n, values] = [x.numel, fixed(x.numel, 1)];
  const y = x.mul(2);
  const [a, b] = await views(p, y);
  if (b === null) return;
  const m = p.shown!;
  const q = leaf(m.shape, 2);
  const factor = fixed(m.at.length, 2);
  const copied = p.second === null;
  if (!copied && (p.several || doubled(m))) {
    const message = await messageOf(() => b.mul_(q));
    assert.ok((p.several && SEVERAL.test(message)) || (doubled(m) && ONCE.test(message)), `${p.name}: ${message}`);
    return;
  }
  b.mul_(q);
  const [u, v, t] = [fixed(n, 3), fixed(p.first.at.length, 4), fixed(m.at.length, 5)];
  const weighed = (z: w.Tensor, list: number[]): w.Tensor => z.mul(w.tensor(list, { shape: z.shape })).sum();
  weighed(y, u).add(weighed(a, v)).add(weighed(b, t)).backward();
  const around = back(p.first, v, n).map((g, k) => g + u[k]!);
  const within = m.at.map((k, i) => t[i]! + (copied ? 0 : around[k]!));
  const gx = copied ? around.slice() : around.map((g, k) => (m.at.includes(k) ? 0 : g));
  m.at.forEach((k, i) => {
    gx[k]! += factor[i]! * within[i]!;
  });
  await same(
    x.grad,
    gx.map((g) => 2 * g),
    `${p.name}: gradient of the base`,
  );
  await same(
    q.grad,
    m.at.map((k, i) => 2 * values[k]! * within[i]!),
    `${p.name}: gradient of what was written`,
  );
}

for (const { name } of VIEW_OPS) {
  const list = ALL.filter((p) => p.a.name === name);
  const all = (f: (p: Pair, same: Same) => Promise<void>) => async (same: Same) => {
    for (const p of list) await f(p, same);
  };
  program(`${name}, then every other, read`, all(readThrough));
  program(`${name}, then every other, written through`, all(writtenThrough));
  program(`${name}, then every other, differentiated`, all(differentiated));
  program(`${name}, then every other, written and differentiated`, all(writtenAndDifferentiated));
}

program("seven and eight dims that cannot be merged", async (same) => {
  for (const shape of [
    [2, 3, 1, 2, 2, 3, 2, 2],
    [3, 2, 2, 1, 3, 2, 2, 2],
    [2, 3, 2, 2, 2, 3, 2, 2],
  ]) {
    const n = shape.length;
    const dims = shape.map((_, i) => n - 1 - i);
    const turned = dims.map((d) => shape[d]!);
    const size = shape.reduce((a, b) => a * b, 1);
    const steps = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
    // Where element k of the turned tensor lies in the other.
    const at = Array.from({ length: size }, (_, k) => {
      let rest = k;
      let place = 0;
      for (let i = n - 1; i >= 0; i--) {
        place += (rest % turned[i]!) * steps[dims[i]!]!;
        rest = Math.floor(rest / turned[i]!);
      }
      return place;
    });
    const values = fixed(size, 3);
    const other = fixed(size, 4);
    const of = (v: number[], shown = shape): w.Tensor => w.tensor(v, { shape: shown });
    const what = `[${shape}]`;
    const x = of(values).requiresGrad_();
    const t = x.permute(dims);
    await same(
      t.contiguous(),
      at.map((p) => values[p]!),
      `${what}: contiguous`,
    );
    const y = t.mul(of(other, turned));
    await same(
      y,
      at.map((p, k) => values[p]! * other[k]!),
      `${what}: mul`,
    );
    y.sum().backward();
    const back = new Array<number>(size);
    at.forEach((p, k) => {
      back[p] = other[k]!;
    });
    await same(x.grad, back, `${what}: gradient`);
    await same(
      t.sub(of(fixed(turned[n - 1]!, 5), [turned[n - 1]!])),
      at.map((p, k) => values[p]! - fixed(turned[n - 1]!, 5)[k % turned[n - 1]!]!),
      `${what}: broadcast`,
    );
    const z = of(values);
    z.permute(dims).copy_(of(other, turned));
    await same(z, back, `${what}: copy_`);
    z.permute(dims).add_(t.detach());
    await same(
      z,
      back.map((v, p) => v + values[p]!),
      `${what}: add_`,
    );
    const high = w.maximum(t.detach(), of(other, turned).unsqueeze(0)).squeeze(0);
    await same(
      high,
      at.map((p, k) => Math.max(values[p]!, other[k]!)),
      `${what}: maximum`,
    );
  }
  const nine = w.zeros([2, 2, 2, 2, 2, 2, 2, 2, 2]).permute(8, 7, 6, 5, 4, 3, 2, 1, 0);
  assert.match(await messageOf(() => nine.add(w.ones([2]))), /^add: \[2,2,2,2,2,2,2,2,2\]: at most 8 dims/);
  await same(w.zeros([2, 2, 2, 2, 2, 2, 2, 0]).permute(7, 6, 5, 4, 3, 2, 1, 0).add(1), [], "nothing");
});

test("eight dims in a captured step", async () => {
  const device = await w.init({ threads: 2 });
  const dims = [7, 6, 5, 4, 3, 2, 1, 0];
  const p = data([2, 3, 2, 2, 2, 3, 2, 2], 7).requiresGrad_();
  const step = (x: w.Tensor): w.Tensor => {
    const loss = p.permute(dims).mul(x).sum();
    loss.backward();
    return p.permute(dims).add(x);
  };
  const x = data([2, 2, 3, 2, 2, 2, 3, 2], 8);
  const expected = [...(await step(x).data())];
  const gradient = [...(await p.grad!.data())];
  const captured = w.capture((v: w.Tensor) => {
    p.grad = null;
    return step(v);
  });
  for (let i = 0; i < 5; i++) {
    assert.equal([...(await (await captured(x)).data())], expected);
    assert.equal([...(await p.grad!.data())], gradient);
  }
  await device.dispose();
});

/** The rows that a function launches on the default device: all, and those that copy. */
async function rowsOf(f: () => void): Promise<{ all: string[]; copies: string[] }> {
  const device = w.defaultDevice();
  const all: string[] = [];
  const { launch } = device;
  device.launch = (kernel, ...rest) => {
    all.push(kernel);
    launch.call(device, kernel, ...rest);
  };
  f();
  device.launch = launch;
  return { all, copies: all.filter((k) => /^(permute|transpose|copy|scatter)_b32$/.test(k)) };
}

program("products read views as they lie, and their gradients lie like them", async (same) => {
  const [b, t, h, d] = [2, 3, 2, 4];
  const project = (seed: number): w.Tensor => leaf([b, t, h * d], seed);
  const heads = (x: w.Tensor): w.Tensor => x.view([b, t, h, d]).transpose(1, 2);
  const [q, k, v] = [project(1), project(2), project(3)];
  let scores = q;
  let y = q;
  const forward = await rowsOf(() => {
    scores = heads(q).matmul(heads(k).transpose(-2, -1));
    y = scores.matmul(heads(v));
  });
  assert.equal(forward.all, ["matmul_strided_f32", "matmul_strided_f32"]);
  // [b, h, t, d] as [b, t, h d]: what attention gives on is a copy, in PyTorch too
  const weights = data([b, t, h * d], 4);
  const loss = y
    .transpose(1, 2)
    .reshape([b, t, h * d])
    .mul(weights)
    .sum();
  const backward = await rowsOf(() => loss.backward());
  assert.equal(backward.copies, [], `backward of attention: ${backward.all}`);
  assert.is(backward.all.filter((r) => r === "matmul_strided_f32").length, 4, `${backward.all}`);
  const [dq, dk, dv] = [q, k, v].map((x) => heads(x.detach()).contiguous()) as [w.Tensor, w.Tensor, w.Tensor];
  const dense = dq.matmul(dk.transpose(-2, -1));
  await same(scores, [...(await dense.data())], "q kT");
  const [eq, ek, ev] = [dq, dk, dv].map((x) => x.clone().requiresGrad_()) as [w.Tensor, w.Tensor, w.Tensor];
  eq.matmul(ek.transpose(-2, -1)).matmul(ev).mul(heads(weights)).sum().backward();
  for (const [x, e, what] of [
    [q, eq, "q"],
    [k, ek, "k"],
    [v, ev, "v"],
  ] as const) {
    const wanted = e.grad!.transpose(1, 2).reshape([b, t, h * d]);
    await same(x.grad, [...(await wanted.data())], `gradient of ${what}`);
  }
});

program("linear reads a step of a sequence, columns and a turned weight as they lie", async (same) => {
  const [x, weight, bias] = [data([2, 3, 4], 1), leaf([5, 4], 2), leaf([5], 3)];
  let y = x;
  const forward = await rowsOf(() => {
    y = w.linear(x.select(1, 1), weight, bias);
  });
  assert.equal(forward.all, ["matmul_strided_bias_f32"]);
  const plain = w.linear(x.select(1, 1).contiguous(), weight, bias);
  await same(y, [...(await plain.data())], "linear of a step");
  const g = data([2, 5], 4);
  const loss = y.mul(g).sum();
  const backward = await rowsOf(() => loss.backward());
  assert.equal(backward.copies, [], `backward of linear: ${backward.all}`);
  assert.is(backward.all.filter((k) => k.startsWith("matmul")).length, 1, `${backward.all}`);
  const expected = g.t().matmul(x.select(1, 1).contiguous());
  await same(weight.grad, [...(await expected.data())], "gradient of the weight");

  const [wide, turned, z] = [leaf([5, 9], 5), leaf([4, 5], 6), leaf([2, 4], 7)];
  const columns = await rowsOf(() => void w.linear(z, wide.narrow(1, 2, 4)));
  assert.equal(columns.all, ["matmul_strided_f32"]);
  const sums = await rowsOf(() => {
    y = w.linear(z, turned.t(), bias);
  });
  assert.equal(sums.all, ["matmul_nn_bias_f32"]);
  const back = await rowsOf(() => y.mul(g).sum().backward());
  assert.equal(back.copies, [], `backward of linear with a turned weight: ${back.all}`);
  const both = await rowsOf(() => void w.matmul(turned.t(), z.t()));
  assert.equal(both.all, ["matmul_strided_f32"]);
});

program("what no product reads is copied once", async (same) => {
  const [x, y] = [data([4, 3, 2], 1), data([3, 5], 2)];
  const every = x.select(2, 1);
  let product = x;
  const rows = await rowsOf(() => {
    product = every.matmul(y);
  });
  assert.equal(rows.all, ["permute_b32", "matmul_nn_f32"]);
  await same(product, [...(await every.contiguous().matmul(y).data())], "neither rows nor columns are runs");
  // the gradient of a sum is one element: a dense copy of it serves both factors
  const [a, b] = [leaf([4, 3], 3), leaf([3, 5], 4)];
  const loss = a.matmul(b).sum();
  const back = await rowsOf(() => loss.backward());
  assert.is(back.copies.length, 1, `${back.all}`);
});

test.run();
