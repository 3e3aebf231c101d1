// What once went wrong around tensors: captured steps and what is held over them, sizes that no kernel can take, what stays
// in memory, how many rows a backward takes, faults on several threads, passes at parts of tensors.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import { data, labels, messageOf, program } from "./programs.ts";
import { ready } from "./waiting.ts";

const { tensor, zeros, ones } = w;
const bits = (x: w.Tensor): string => new Int32Array((x.dataSync() as Float32Array).buffer).join();

program("a captured function that writes an input takes it as it lies, or says which it cannot", async (same) => {
  const f = w.capture((x: w.Tensor, y: w.Tensor) => {
    x.add_(y);
    return x.sum();
  });
  const [x, y] = [zeros([2, 3]), ones([2, 3])];
  for (let i = 0; i < 4; i++) await f(x, y);
  await same(x, [4, 4, 4, 4, 4, 4], "dense: the input is written");
  const [wide, other] = [zeros([3, 2]), ones([2, 3])];
  assert.match(await messageOf(() => f(wide.t(), other)), /^capture: argument 1 \(.*does not lie dense/);
  await same(wide, [0, 0, 0, 0, 0, 0], "nothing was written");
  await f(zeros([2, 3]), ones([3, 2]).t()); // what is only read may lie as it likes
  const fresh = w.capture((a: w.Tensor) => void a.mul_(2));
  assert.match(await messageOf(() => fresh(ones([2, 4]).slice(1, 0, null, 2))), /argument 1/, "in the first call too");
  const whole = ones([4, 2]);
  for (let i = 0; i < 4; i++) await fresh(whole.narrow(0, 1, 2));
  await same(whole, [1, 1, 16, 16, 16, 16, 1, 1], "a dense part is written");
});

program("what is held of a captured gradient is refused after the next call", async (same) => {
  const p = tensor([1, 2, 3, 4], { shape: [2, 2] }).requiresGrad_();
  const f = w.capture((x: w.Tensor) => {
    p.grad = null;
    p.mul(x).sum().backward();
  });
  for (let i = 1; i < 5; i++) await f(zeros([2, 2]).add(i));
  const held = [p.grad!, p.grad!.view(4), p.grad!.detach(), p.grad!.t(), p.grad!.select(0, 1)];
  const copy = p.grad!.clone();
  await f(zeros([2, 2]).add(9));
  for (const [i, g] of held.entries())
    assert.match(
      await messageOf(() => g.data()),
      /was released by a captured step, which writes this gradient/,
      `${i}`,
    );
  await same(copy, [4, 4, 4, 4], "a copy stays");
  await same(p.grad, [9, 9, 9, 9], "and the gradient is the last call's");
});

program("sizes that no kernel can take are refused, and the device goes on", async (same) => {
  const x = ones([1, 1, 4, 4]);
  const k = ones([1, 1, 2, 2]);
  for (const [what, f] of Object.entries({
    "a kernel without rows": () => w.conv2d(x, ones([1, 1, 0, 2])),
    "a kernel without columns": () => w.conv2d(x, ones([1, 1, 2, 0])),
    "padding 2^31": () => w.conv2d(x, k, null, { padding: 2 ** 31 }),
    "padding 2^32": () => w.conv2d(x, k, null, { padding: [0, 2 ** 32] }),
    "dilation 2^32": () => w.conv2d(x, k, null, { dilation: 2 ** 32 }),
    "dilation 2^31 + 1": () => w.conv2d(x, k, null, { dilation: [1, 2 ** 31 + 1] }),
    "stride 2^32": () => w.conv2d(x, k, null, { stride: 2 ** 32 }),
    "a pool of 2^32": () => w.maxPool2d(x, 2 ** 32),
    "a pool's stride": () => w.avgPool2d(x, 2, { stride: 2 ** 32 }),
    "a pool's dilation": () => w.maxPool2d(x, 2, { dilation: 2 ** 32 }),
  }))
    assert.match(await messageOf(f), /^(conv2d|maxPool2d|avgPool2d): .*expected|kernel|larger/, what);
  await same(w.conv2d(x, k), [4, 4, 4, 4, 4, 4, 4, 4, 4], "afterwards");
});

program("whatever is done with a released tensor says what released it", async () => {
  const gone = (): w.Tensor => {
    const x = ones([2, 3]);
    x.dispose();
    return x;
  };
  const other = ones([2, 3]);
  for (const [what, f] of Object.entries({
    detach: () => gone().detach(),
    view: () => gone().view(6),
    t: () => gone().t(),
    clone: () => gone().clone(),
    add_: () => gone().add_(1),
    "add_ of it": () => other.add_(gone()),
    "copy_ of it": () => other.copy_(gone()),
    fill_: () => gone().fill_(1),
    where: () => w.where(other.gt(0), gone(), 0),
    unbind: () => gone().unbind(),
  }))
    assert.match(await messageOf(f), /the tensor ones \[2,3\] was released by dispose\(\)/, what);
});

program("writes in place leave nothing behind", async () => {
  const [x, row, turned] = [zeros([4, 3]), ones([3]), ones([3, 4])];
  const [column, one] = [x.select(1, 1), ones([])];
  const writes: Record<string, () => unknown> = {
    "copy_ of a row": () => x.copy_(row),
    "copy_ of a transposed view": () => w.noGrad(() => x.copy_(turned.t())),
    "add_ of a row": () => x.add_(row),
    "mul_ by a number": () => x.mul_(0.5),
    "add_ to a column": () => column.add_(1),
    "copy_ to a column": () => column.copy_(one),
    "fill_ a column": () => column.fill_(2),
    "div_ a column": () => column.div_(2),
  };
  for (const [what, write] of Object.entries(writes)) {
    write();
    const before = w.memory().tensors;
    w.scope(() => {
      for (let i = 0; i < 100; i++) write();
      // A transposed view of the loop's own is all that may be there until the scope ends.
      assert.ok(w.memory().tensors - before <= (what.includes("transposed") ? 100 : 0), `${what}: inside`);
    });
    assert.is(w.memory().tensors, before, what);
  }
});

program("rows of a backward", async () => {
  const device = w.defaultDevice();
  const rows: string[] = [];
  const { launch } = device;
  device.launch = (kernel, ...rest) => {
    rows.push(kernel);
    launch.call(device, kernel, ...rest);
  };
  const count = (f: () => w.Tensor): string[] => {
    const y = f();
    rows.length = 0;
    y.backward();
    return [...rows];
  };
  const [a, b] = [data([3, 4], 1).requiresGrad_(), data([3, 4], 2).requiresGrad_()];
  const few = (f: () => w.Tensor, most: number, what: string): void => {
    for (const x of [a, b]) x.grad = null;
    const found = count(f);
    assert.ok(found.length <= most, `${what}: ${found.length} rows: ${found}`);
  };
  few(() => w.maximum(a, b).sum(), 3, "maximum");
  few(() => w.maximum(a, b.detach()).sum(), 3, "maximum with a constant");
  few(() => a.relu().sum(), 3, "relu");
  few(() => a.sum(), 2, "sum");
  device.launch = launch;
});

program("the gradient of parts costs what they hold, not each time the whole", async () => {
  const device = w.defaultDevice();
  const { launch } = device;
  let elements = 0;
  const cost = (steps: number, parts: (x: w.Tensor) => w.Tensor[]): number => {
    const x = data([steps, 8], 1).requiresGrad_();
    const y = parts(x)
      .map((v) => v.mul(2))
      .reduce((p, q) => p.add(q))
      .sum();
    elements = 0;
    y.backward();
    assert.equal(Array.from(x.grad!.dataSync()), Array(8 * steps).fill(2));
    return elements;
  };
  device.launch = (kernel, buffers, outputs, extents, ...rest) => {
    elements += extents.reduce((n, size) => n * size, 1);
    launch.call(device, kernel, buffers, outputs, extents, ...rest);
  };
  for (const parts of [
    (x: w.Tensor) => x.unbind(0),
    (x: w.Tensor) => x.split(2),
    (x: w.Tensor) => Array.from({ length: x.shape[0]! }, (_, i) => x.select(0, i)),
    (x: w.Tensor) => x.mul(1).unbind(0),
    (x: w.Tensor) => x.t().unbind(1),
  ]) {
    const [few, many] = [cost(16, parts), cost(64, parts)];
    assert.ok(many < 5 * few, `${many} elements for 64 parts, ${few} for 16`);
  }
  device.launch = launch;
});

/** A step of a net whose rows are shared by threads, on its own device. */
async function trainer(threads: number, captured: boolean) {
  const device = await ready(await w.init({ threads }));
  w.manualSeed(3);
  const model = new nn.Sequential(new nn.Linear(64, 256), new nn.ReLU(), new nn.Linear(256, 8));
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 });
  const plain = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const xs = w.randn([6, 128, 64]);
  const good = labels(Array.from({ length: 128 }, (_, i) => i % 8));
  const bad = labels(Array.from({ length: 128 }, (_, i) => (i === 77 ? 8 : i % 8)));
  const state = (): string[] => [
    ...[...model.parameters()].map(bits),
    ...Object.values(optimizer.stateDict().state).flatMap((s) =>
      Object.values(s as object).flatMap((v) => (v instanceof w.Tensor ? [bits(v)] : [])),
    ),
  ];
  const step = captured ? w.capture(plain) : async (x: w.Tensor, y: w.Tensor) => plain(x, y);
  return { device, step, state, good, bad, x: (i: number) => xs.select(0, i % 6) };
}

for (const threads of [1, 2, 3]) {
  for (const captured of [true, false]) {
    const how = `${captured ? "captured" : "eager"}, ${threads} threads`;
    test(`a bad label changes no weight, and the next step goes on: ${how}`, async () => {
      const t = await trainer(threads, captured);
      for (let i = 0; i < 4; i++) await (await t.step(t.x(i), t.good)).item();
      for (let round = 0; round < 5; round++) {
        const before = t.state();
        const message = await messageOf(async () => (await t.step(t.x(round), t.bad)).item());
        assert.match(message, /crossEntropy: label 8 in row 77 is outside \[0, 8\)/);
        assert.equal(t.state(), before, "the bad step");
        await (await t.step(t.x(round), t.good)).item();
        assert.ok(
          t.state().every((s, i) => s !== before[i]),
          "the good step",
        );
      }
      await t.device.dispose();
    });
  }
}

test("a bad label changes no weight where only rows of one thread follow it", async () => {
  const device = await ready(await w.init({ threads: 2 }));
  const [big, small] = [data([64, 256], 1), new nn.Linear(4, 3)];
  const optimizer = new optim.SGD(small.parameters(), { lr: 0.5 });
  const step = w.capture((x: w.Tensor, y: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const few = x.matmul(big).narrow(0, 0, 5).narrow(1, 0, 4).clone();
    const loss = w.crossEntropy(small.forward(few), y);
    loss.backward();
    optimizer.step();
    return loss;
  });
  const x = data([128, 64], 2);
  for (let i = 0; i < 4; i++) await (await step(x, labels([0, 1, 2, 1, 0]))).item();
  for (let i = 0; i < 20; i++) {
    const before = small.parameters().map(bits);
    assert.match(await messageOf(async () => (await step(x, labels([0, 1, 2, 3, 0]))).item()), /label 3 in row 3/);
    assert.equal(small.parameters().map(bits), before);
  }
  await device.dispose();
});

program("passes leave a product alone of which a part is read", async (same) => {
  const [x, weight, bias] = [data([4, 6], 1), data([8, 6], 2), data([8], 3)];
  const full = w.linear(x, weight, bias);
  const programs: Record<string, () => w.Tensor> = {
    "relu of rows": () => w.linear(x, weight, bias).narrow(0, 1, 2).relu(),
    "relu of the first rows": () => w.linear(x, weight, bias).narrow(0, 0, 3).relu(),
    "relu of columns": () => w.linear(x, weight, bias).narrow(1, 0, 4).relu(),
    "relu of every other": () => w.linear(x, weight, bias).slice(1, 0, null, 2).relu(),
    "relu of a transposed one": () => w.linear(x, weight, bias).t().relu(),
    "relu of a row": () => w.linear(x, weight, bias).select(0, 2).relu(),
    "relu of a view of all": () => w.linear(x, weight, bias).view(2, 16).relu(),
    "relu of conv2d's first": () =>
      w
        .conv2d(x.view(1, 1, 4, 6), weight.view(8, 1, 2, 3), bias)
        .narrow(1, 2, 3)
        .relu(),
    "relu of conv2d's images": () =>
      w
        .conv2d(x.view(2, 1, 2, 6), weight.view(8, 1, 2, 3), bias)
        .narrow(0, 1, 1)
        .relu(),
  };
  for (const [what, f] of Object.entries(programs)) {
    const expected = [...(await f().data())];
    const captured = w.capture((one: w.Tensor) => f().mul(one));
    for (let i = 0; i < 4; i++) await same(await captured(ones([])), expected, what);
  }
  await same(
    programs["relu of rows"]!(),
    [...(await full.data())].slice(8, 24).map((v) => Math.max(0, v)),
    "by hand",
  );
});

program("the mask of relu's gradient stays where a part of the product is masked", async (same) => {
  const [x, weight] = [data([4, 6], 1), data([6, 8], 2)];
  const run = (): w.Tensor => {
    const p = x.clone().requiresGrad_();
    const h = p.mul(2).relu();
    const y = h
      .narrow(0, 0, 2)
      .matmul(weight)
      .sum()
      .add(h.narrow(1, 1, 2).mul(3).sum());
    return w.grad(y, [p])[0]!;
  };
  const dense = weight.t().clone();
  const embedded = (at: number) => (): w.Tensor => {
    const p = x.narrow(0, 0, 2).clone().requiresGrad_();
    const wide = zeros([4, 6]);
    wide.narrow(0, at, 2).copy_(p.mul(2).relu());
    return w.grad(w.linear(wide, dense).mul(3).sum(), [p])[0]!;
  };
  for (const f of [run, embedded(0), embedded(1)]) {
    const expected = [...(await f().data())];
    const captured = w.capture((one: w.Tensor) => f().mul(one));
    for (let i = 0; i < 4; i++) await same(await captured(ones([])), expected, "captured");
  }
});

test.run();
