// Views inside captured steps: what eager gives, bit for bit, on one thread and on two. A sample of the pairs of views.test.ts,
// read, written through and differentiated in one step.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { data } from "./programs.ts";
import { doubled, type Pair, pairs } from "./strided.ts";
import { ready } from "./waiting.ts";

const bits = (x: w.Tensor): string => new Int32Array((x.dataSync() as Float32Array).buffer).join();

/** Every seventh, so that each op stands first and last, on every base. */
const SAMPLE = pairs().filter((p, i) => i % 7 === 3 && p.shown !== null);

/** The step of a pair: what it returns is all that it computes. */
function stepOf(p: Pair): (x: w.Tensor, q: w.Tensor) => w.Tensor[] {
  const writable = p.second === null || !(p.several || doubled(p.second));
  return (x, q) => {
    const [leaf, factor] = [x.clone().requiresGrad_(), q.clone().requiresGrad_()];
    const base = leaf.mul(2);
    const first = p.a.ours(base);
    const second = p.b.ours(first);
    const before = second.mul(3).sum();
    if (writable) {
      second.mul_(factor).add_(0.5);
      if (!p.several && !doubled(p.first)) first.add_(first);
    }
    // PyTorch refuses to read one of several once its base was written.
    if (!p.several) base.sub_(0.25);
    const all = before.add(second.mul(factor).sum()).add(base.exp().sum()).add(first.sum());
    const gradients = w.grad(all, [leaf, factor]).map((g, i) => g ?? w.zerosLike(i === 0 ? leaf : factor));
    return [base.clone(), second.detach().clone(), ...gradients];
  };
}

for (const threads of [1, 2]) {
  const all = suite(`views in captured steps, ${threads} thread${threads === 1 ? "" : "s"}`);
  let device: w.Device;
  all.before(async () => {
    device = await ready(await w.init({ threads }));
  });
  all.after(() => device.dispose());
  all("the sample has every op in both places", () => {
    assert.is(new Set(SAMPLE.map((p) => p.a.name)).size, 16);
    assert.is(new Set(SAMPLE.map((p) => p.b.name)).size, 16);
  });
  for (const p of SAMPLE) {
    all(p.name, async () => {
      w.setDefaultDevice(device);
      const plain = stepOf(p);
      const step = w.capture(plain);
      for (let i = 0; i < 5; i++) {
        const [x, q] = [data(p.base, i), data(p.shown!.shape, 10 + i)];
        const expected = plain(x, q).map(bits);
        assert.equal((await step(x, q)).map(bits), expected, `call ${i + 1}`);
      }
      assert.is(step.stats.replays, 3);
    });
  }
  all.run();
}
