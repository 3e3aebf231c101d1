// Elementwise ops over views: which rows they launch, that the bits are those of a copy and the dense kernel, captured or not, on
// one thread and on several, in each build, and that nothing is left. What they compute the cases of family views hold.
import { suite, test } from "uvu";
import * as assert from "uvu/assert";
import type { Row } from "../src/core/device.ts";
import * as w from "../src/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { WasmProgram } from "../src/wasm/program.ts";
import { data } from "./programs.ts";
import { ready } from "./waiting.ts";

const bits = (x: w.Tensor): string => new Int32Array((x.dataSync() as Float32Array).buffer).join();

/** Rows of the last program that ran. */
let ran: readonly Row[] = [];
const run = WasmProgram.prototype.run;
WasmProgram.prototype.run = function (inputs, outputs) {
  ran = this.rows;
  run.call(this, inputs, outputs);
};

/** Kernels that `f` launches. */
function launched(device: WasmDevice, f: () => unknown): string[] {
  const names: string[] = [];
  const { launch } = device;
  device.launch = (name, ...rest) => {
    names.push(name);
    launch.call(device, name, ...rest);
  };
  try {
    f();
  } finally {
    device.launch = launch;
  }
  return names;
}

/** The gates of an LSTM: i, f, g, o side by side in x [batch, 4 hidden]. */
function gates(x: w.Tensor, c: w.Tensor): w.Tensor {
  const n = c.shape[1]!;
  const [i, f, g, o] = [0, 1, 2, 3].map((k) => x.narrow(1, k * n, n));
  const next = f!.sigmoid().mul(c).add(i!.sigmoid().mul(g!.tanh()));
  return o!.sigmoid().mul(next.tanh()).add(o!.mul(0.1));
}

const COPIES = /^(copy|permute|transpose)_/;

test("gates are read as they lie: no copy forward, and none of theirs back", async () => {
  const device = (await w.init({ threads: 1 })) as WasmDevice;
  const [x, c] = [data([5, 4 * 7], 1).requiresGrad_(), data([5, 7], 2)];
  let y!: w.Tensor;
  const forward = launched(device, () => {
    y = gates(x, c);
  });
  assert.equal(
    forward.filter((name) => COPIES.test(name)),
    [],
  );
  assert.is(forward.filter((name) => name === "walk:sigmoid_f32").length, 3);
  const back = launched(device, () => y.sum().backward());
  assert.equal(
    back.filter((name) => COPIES.test(name)),
    [],
  );
  const step = w.capture(gates);
  const input = x.detach();
  for (let k = 0; k < 4; k++) assert.is(bits(await step(input, c)), bits(y), `call ${k + 1}`);
  assert.equal(
    ran.map((r) => r.kernel).filter((name) => COPIES.test(name)),
    [],
  );
  await device.dispose();
});

test("a fault in a view is that of a copy: its element, op and shape, and nothing behind it runs", async () => {
  const [m, n] = [90, 100];
  /** Views of [m, n] whose element `at` alone is 3: of a transpose, of long lines, by steps, of short lines. */
  const views: Record<string, (at: number) => w.Tensor> = {
    turned: (at) =>
      place(m * n, (at % n) * m + Math.floor(at / n))
        .view(n, m)
        .t(),
    lines: (at) =>
      place(m * (n + 3), Math.floor(at / n) * (n + 3) + (at % n) + 2)
        .view(m, n + 3)
        .narrow(1, 2, n),
    steps: (at) =>
      place(m * n * 2, at * 2)
        .view(m, n * 2)
        .slice(1, 0, null, 2),
    short: (at) =>
      place(m * n * 2, Math.floor(at / 5) * 10 + (at % 5))
        .view(m, n / 5, 10)
        .narrow(2, 0, 5),
  };
  function place(size: number, at: number): w.Tensor {
    const values = new Float32Array(size).fill(0.5);
    values[at] = 3;
    return w.tensor(values);
  }
  const message = (f: () => Promise<unknown>): Promise<string> =>
    f().then(
      () => "none",
      (e: Error) => e.message,
    );
  for (const threads of [1, 3]) {
    const device = (await w.init({ threads })) as WasmDevice;
    const p = w.zeros([1]).requiresGrad_();
    const optimizer = new w.optim.SGD([p], { lr: 1 });
    const step = (x: w.Tensor): w.Tensor => {
      optimizer.zeroGrad();
      const loss = w.binaryCrossEntropy(x, w.full(x.shape, 0.5)).add(p.sum());
      loss.backward();
      optimizer.step();
      return loss;
    };
    for (const [name, view] of Object.entries(views))
      for (const at of [0, 4567, m * n - 1]) {
        const expected = `binaryCrossEntropy: input 3 at ${at} of [${m * n}] is outside [0, 1]`;
        assert.is(await message(async () => step(view(at)).data()), expected, `${name}, ${threads} threads`);
        assert.is(p.itemSync(), 0, "the parameter is whole");
      }
    const inside = w.capture((x: w.Tensor) => step(x.view(m, n + 3).narrow(1, 2, n)));
    const good = w.full([m * (n + 3)], 0.5);
    for (let k = 0; k < 4; k++) await inside(good);
    const bad = good.clone();
    bad.narrow(0, 7 * (n + 3) + 2, 1).fill_(3);
    const was = p.itemSync();
    assert.match(await message(async () => (await inside(bad)).data()), /input 3 at 700 of \[9000\]/);
    assert.is(p.itemSync(), was);
    await (await inside(good)).data();
    await device.dispose();
  }
});

test("dense operands have the rows that they had", async () => {
  const device = (await w.init({ threads: 1 })) as WasmDevice;
  const x = data([4, 6], 1);
  const names = launched(device, () => {
    x.sigmoid();
    x.mul(2);
    x.gt(0);
    w.where(x.gt(0), x, x);
    x.view([3, 8]).exp();
    x.narrow(0, 1, 2).neg();
    x.clone();
  });
  assert.equal(
    names.filter((name) => /^walk|^permute/.test(name)),
    [],
  );
  await device.dispose();
});

/** Seven dims of a shape, stored in another order. */
function stored(order: readonly number[]): w.Tensor {
  const sizes = [2, 3, 2, 2, 3, 2, 2];
  const x = data(
    order.map((d) => sizes[d]!),
    order[0]!,
  );
  return x.permute(order.map((_, d) => order.indexOf(d)));
}
/** Four dims each, where they are merged; together seven. */
const PAIRS = [
  [6, 4, 5, 2, 3, 0, 1],
  [5, 6, 3, 4, 1, 2, 0],
] as const;

test("more dims than one row walks take several", async () => {
  const device = (await w.init({ threads: 1 })) as WasmDevice;
  const [a, b] = PAIRS.map(stored) as [w.Tensor, w.Tensor];
  const c = a.gt(0);
  let y!: w.Tensor;
  const rows = launched(device, () => {
    y = w.where(c, a, b);
  });
  assert.ok(rows.length > 1 && rows.every((name) => name === "walk:where_f32"), `${rows}`);
  assert.is(bits(y), bits(w.where(c, a.contiguous(), b.contiguous())));
  // Nine dims are refused, as by every op over views.
  let odd = data([3, 3, 3, 3, 3, 3, 3, 3, 3], 1);
  for (let d = 0; d < 9; d++) odd = odd.slice(d, 0, null, 2);
  assert.throws(() => odd.exp(), /at most 8 dims that cannot be merged/);
  await device.dispose();
});

test("nothing is left", async () => {
  const device = (await w.init({ threads: 1 })) as WasmDevice;
  const [x, c] = [data([5, 4 * 7], 1).requiresGrad_(), data([5, 7], 2)];
  const [a, b] = PAIRS.map(stored) as [w.Tensor, w.Tensor];
  const once = (): void => {
    w.scope(() => {
      gates(x, c).sum().backward();
      x.grad = null;
      w.where(a.gt(0), a, 0.5).exp();
      w.where(a.gt(0), a, b);
    });
  };
  once();
  const before = { ...w.memory() };
  for (let i = 0; i < 5; i++) once();
  assert.is(w.memory().liveBytes, before.liveBytes);
  assert.is(w.memory().storages, before.storages);
  await device.dispose();
});

// A view, and the same elements as a dense tensor: the bits of what is computed from both are the same.
const n = 4099;
const LAID: [string, w.Tensor["shape"], (x: w.Tensor) => w.Tensor][] = [
  ["lines", [67, 200], (x) => x.narrow(1, 3, 131)],
  ["lines shared by threads", [7, n + 5], (x) => x.narrow(1, 3, n)],
  ["short lines", [n, 6], (x) => x.narrow(1, 1, 5)],
  ["every other", [n, 4], (x) => x.slice(1, 1, null, 2)],
  ["a column", [5 * n, 3], (x) => x.select(1, 1)],
  ["transpose", [1013, 37], (x) => x.t()],
  ["transpose, wide", [37, 1013], (x) => x.t()],
  ["transposes", [5, 67, 131], (x) => x.transpose(1, 2)],
  ["reversed dims", [19, 31, 37], (x) => x.permute(2, 1, 0)],
  ["heads", [4, 31, 8, 37], (x) => x.permute(0, 2, 1, 3)],
  ["one element a line", [n, 1], (x) => x.expand([n, 9])],
  ["repeated lines", [n], (x) => x.expand([9, n])],
];
const OPS: [string, (x: w.Tensor, dense: w.Tensor) => w.Tensor][] = [
  ["sigmoid", (x) => x.sigmoid()],
  ["tanh", (x) => x.tanh()],
  ["neg", (x) => x.neg()],
  ["times a number", (x) => x.mul(1.7)],
  ["gt", (x) => x.gt(0.25).float()],
  ["where", (x, dense) => w.where(x.gt(0), x, dense)],
  ["where not", (x, dense) => w.where(dense.gt(0), dense, x)],
  ["where a number", (x) => w.where(x.gt(0), x, -0.5)],
];
const one = new Map<string, string>();
for (const [simd, threads] of [
  ["simd", 1],
  ["simd", 2],
  ["relaxed", 1],
  ["relaxed", 3],
] as const) {
  const all = suite(`${simd}, ${threads} thread${threads === 1 ? "" : "s"}`);
  let device: WasmDevice;
  all.before(async () => {
    device = await ready((await w.init({ simd, threads })) as WasmDevice);
  });
  all.after(() => device.dispose());
  for (const [name, shape, lay] of LAID) {
    all(`${name}: the bits of a copy and the dense kernel: ${simd}, ${threads} threads`, async () => {
      const x = data(shape, 1);
      const dense = data(lay(x).shape, 2);
      const whole = lay(x).contiguous();
      const f = (v: w.Tensor, d: w.Tensor): w.Tensor[] => OPS.map(([, op]) => op(v, d));
      const expected = f(whole, dense).map(bits);
      const got = f(lay(x), dense).map(bits);
      OPS.forEach(([op], i) => {
        assert.ok(got[i] === expected[i], `${op}: eager`);
        const key = `${simd} ${name} ${op}`;
        assert.ok((one.get(key) ?? got[i]) === got[i], `${op}: as on one thread`);
        one.set(key, got[i]!);
      });
      // The gradient of a sum is one element, and of its transpose a view.
      const grads = (v: w.Tensor): string[] => {
        const leaf = v.clone().requiresGrad_();
        const back = (y: w.Tensor): string => bits(w.grad(y, [leaf])[0]!);
        return [back(leaf.sigmoid().sum()), back(leaf.tanh().sum({ dim: -1 }).exp().sum())];
      };
      assert.equal(grads(lay(x)), grads(whole));
      const step = w.capture((v: w.Tensor, d: w.Tensor) => f(lay(v), d));
      for (let k = 0; k < 4; k++) {
        const outs = await step(x, dense);
        outs.forEach((y, i) => {
          assert.ok(bits(y) === expected[i], `${OPS[i]![0]}: captured, call ${k + 1}`);
        });
      }
    });
  }
  all.run();
}
test.run();
