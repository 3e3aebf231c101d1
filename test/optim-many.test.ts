// Optimizers made by the thousand over the same parameters, as searches do: the thousandth costs what the first did.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { followersOf } from "../src/ops/follow.ts";

test("state of optimizers that are gone is not looked through again and again", async () => {
  w.setDefaultDevice(await w.init({ threads: 1 }));
  const model = new w.nn.Linear(2, 2);
  const [weight] = model.parameters();
  let looks = 0;
  const { deref } = WeakRef.prototype;
  WeakRef.prototype.deref = function (this: WeakRef<WeakKey>) {
    looks++;
    return deref.call(this);
  } as typeof deref;
  try {
    for (let i = 0; i < 1000; i++) {
      const optimizer = new w.optim.Adam(model.parameters());
      for (const p of model.parameters()) p.grad = w.ones(p.shape);
      optimizer.step();
      await w.flush();
    }
  } finally {
    WeakRef.prototype.deref = deref;
  }
  // Three tensors for each of two parameters: a few looks at each, not at each of those before.
  assert.ok(looks < 40_000, `${looks} looks`);
  const last = new w.optim.Adam(model.parameters());
  for (const p of model.parameters()) p.grad = w.ones(p.shape);
  last.step();
  for (const x of Object.values(last.stateDict().state[0]!)) assert.ok(followersOf(weight!).includes(x as w.Tensor));
});

test.run();
