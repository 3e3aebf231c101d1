// Gradients as values inside captured functions: differentiated there, read, dropped, set, added to; beside plain numbers.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { messageOf, program } from "./programs.ts";

const X = [1, -2, 0.5];
const point = (): w.Tensor => w.tensor(X).requiresGrad_();
const cubed = (x: w.Tensor): w.Tensor => x.mul(x).mul(x);
/** Σ k x³ has the gradient 3 k x². */
const slopes = (k: number): number[] => X.map((v) => 3 * k * v * v);

program("backward with createGraph inside: the gradient is differentiated there, and read outside", async (same) => {
  const x = point();
  const f = w.capture((k: w.Tensor) => {
    x.grad = null;
    cubed(x).mul(k).sum().backward(null, { createGraph: true });
    const penalty = x.grad!.mul(x.grad!).sum();
    penalty.backward();
    return penalty;
  });
  for (let k = 1; k <= 5; k++) {
    // Σ (3 k x²)², whose gradient 36 k² x³ adds to the first one.
    const sum = slopes(k).reduce((s, g) => s + g * g, 0);
    await same(await f(w.tensor(k)), sum, `penalty ${k}`);
    await same(
      x.grad,
      X.map((v, i) => slopes(k)[i]! + 36 * k * k * v ** 3),
      `gradient ${k}`,
    );
  }
  assert.is(f.stats.replays, 3);
  assert.not(x.grad!.requiresGrad);
});

program("backward with createGraph inside adds to the gradient of the call before", async (same) => {
  const x = point();
  const f = w.capture((k: w.Tensor) => {
    const loss = cubed(x).mul(k).sum();
    loss.backward(null, { createGraph: true });
    return loss;
  });
  let sum = 0;
  for (let k = 1; k <= 5; k++) {
    await f(w.tensor(k));
    sum += k;
    await same(x.grad, slopes(sum), `after call ${k}`);
    // Off the graph of the call that ran by itself.
    if (k === 1) x.grad = x.grad!.detach();
  }
});

program("second derivatives by grad() inside", async (same) => {
  const x = point();
  const f = w.capture((k: w.Tensor) => {
    const [g] = w.grad(cubed(x).mul(k).sum(), [x], { createGraph: true });
    const [h] = w.grad(g!.mul(g!).sum(), [x]);
    return [g!, h!];
  });
  for (let k = 1; k <= 5; k++) {
    const [g, h] = await f(w.tensor(k));
    await same(g!, slopes(k), `first ${k}`);
    await same(
      h!,
      X.map((v) => 36 * k * k * v ** 3),
      `second ${k}`,
    );
  }
  assert.is(x.grad, null);
});

program("a gradient that was read and dropped inside stays what it was", async (same) => {
  const x = point();
  const f = w.capture((k: w.Tensor) => {
    x.grad = null;
    x.mul(k).sum().backward();
    const first = x.grad!;
    x.grad = null;
    cubed(x).sum().backward();
    const second = x.grad!;
    x.grad = null;
    return [first, second, first.add(second)];
  });
  for (let k = 1; k <= 5; k++) {
    const [first, second, sum] = await f(w.tensor(k));
    await same(first!, [k, k, k], `first ${k}`);
    await same(second!, slopes(1), `second ${k}`);
    await same(
      sum!,
      slopes(1).map((g) => g + k),
      `sum ${k}`,
    );
    assert.is(x.grad, null);
  }
});

program("the gradient of the call before, read and dropped inside, beside the new one", async (same) => {
  const x = point();
  x.grad = w.zeros([3]);
  const f = w.capture((k: w.Tensor) => {
    const before = x.grad!;
    x.grad = null;
    x.mul(k).sum().backward();
    const difference = x.grad!.sub(before);
    return [before, before.slice(0, 1, null, 2), difference];
  });
  for (let k = 1; k <= 6; k++) {
    const [whole, part, difference] = await f(w.tensor(k * k));
    const old = (k - 1) ** 2;
    await same(whole!, [old, old, old], `before, call ${k}`);
    await same(part!, [old], `part of it, call ${k}`);
    await same(difference!, [2 * k - 1, 2 * k - 1, 2 * k - 1], `difference, call ${k}`);
    await same(x.grad, [k * k, k * k, k * k], `now, call ${k}`);
  }
});

program("gradients that are set inside: a result, a tensor from outside, another leaf's", async (same) => {
  const [x, y, z] = [point(), point(), point()];
  const outside = w.tensor([7, 8, 9]);
  const f = w.capture((k: w.Tensor) => {
    x.grad = y.grad = null;
    x.mul(k).sum().backward();
    cubed(y).mul(k).sum().backward();
    [x.grad, y.grad] = [y.grad, x.grad];
    z.grad = outside;
    return k.mul(1);
  });
  for (let k = 1; k <= 5; k++) {
    await f(w.tensor(k));
    await same(x.grad, slopes(k), `x, call ${k}`);
    await same(y.grad, [k, k, k], `y, call ${k}`);
    await same(z.grad, [7, 8, 9], `z, call ${k}`);
  }
  await same(outside, [7, 8, 9], "what was set is the caller's");
  const factors = w.tensor(X);
  const scaled = w.capture((k: w.Tensor) => {
    x.grad = k.mul(factors);
    return k.mul(1);
  });
  for (let k = 1; k <= 5; k++) {
    await scaled(w.tensor(k));
    await same(
      x.grad,
      X.map((v) => v * k),
      `set, call ${k}`,
    );
  }
});

program("a gradient that is set between calls is added to", async (same) => {
  const x = point();
  const f = w.capture((k: w.Tensor) => {
    x.mul(k).sum().backward();
    return k.mul(1);
  });
  let value = 0;
  for (let k = 1; k <= 9; k++) {
    if (k === 5) {
      x.grad = w.tensor([100, 100, 100]);
      value = 100;
    }
    await f(w.tensor(k));
    value += k;
    await same(x.grad, [value, value, value], `call ${k}`);
  }
});

program("a gradient that was set and is a view: added to, zeroed, as it was behind a throw", async (same) => {
  const views: ((flat: w.Tensor) => w.Tensor)[] = [
    (flat) => flat.narrow(0, 2, 4).view(2, 2).t(),
    (flat) => flat.narrow(0, 3, 4).view(2, 2),
    (flat) => flat.narrow(0, 0, 4).view(2, 2),
  ];
  for (const view of views)
    for (const zero of [false, true]) {
      const x = w.tensor([1, 2, 3, 4]).view(2, 2).requiresGrad_();
      const flat = w.tensor([0, 10, 20, 30, 40, 50, 60, 70]);
      x.grad = view(flat);
      const value = zero ? [0, 0, 0, 0] : Array.from(await x.grad.data());
      const f = w.capture((k: w.Tensor) => {
        if (zero) x.grad!.zero_();
        x.mul(k).sum().backward();
        return k.mul(1);
      });
      for (let k = 1; k <= 7; k++) {
        await f(w.tensor([k, 2, 3, 4]).view(2, 2));
        [k, 2, 3, 4].forEach((v, i) => {
          value[i] = zero ? v : value[i]! + v;
        });
        await same(x.grad, value, `call ${k}`);
      }
      // Where the function throws nothing has run.
      let calls = 0;
      const thrower = w.capture((k: w.Tensor) => {
        if (++calls === 2) {
          x.grad!.add_(k);
          x.grad = null;
          throw new Error("on the way");
        }
        return k.add(x.grad!);
      });
      x.grad = null;
      x.grad = view(flat);
      const before = Array.from(await x.grad.data());
      await thrower(w.ones([2, 2]));
      await thrower(w.ones([2, 2])).catch(({ message }) => assert.is(message, "on the way"));
      assert.is(calls, 2);
      await same(x.grad, before, "behind a throw");
    }
});

program("a gradient that was set is the caller's, also when it is dropped", async (same) => {
  const x = point();
  const own = w.tensor([1, 2, 3]);
  x.grad = own;
  x.grad = null;
  await same(own, [1, 2, 3], "dropped");
  x.grad = own;
  x.sum().backward();
  x.grad = null;
  await same(own, [2, 3, 4], "added to, and dropped");
});

program("a gradient that was disposed of is named by the next backward", async () => {
  const x = point();
  x.sum().backward();
  x.grad!.dispose();
  assert.match(await messageOf(() => x.sum().backward()), /^backward: the tensor .*\[3\] was released by dispose\(\)/);
});

test.run();
