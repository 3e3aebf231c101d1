// After a fault, nothing lies, on wasm: see behind.ts; webgpu-behind.test.ts has the GPU.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DataLoader, TensorDataset } from "../src/data/index.ts";
import * as w from "../src/index.ts";
import { behind, failing, messageOf, RULE } from "./behind.ts";

for (const threads of [1, 2]) {
  behind(`${threads} threads`, test, () => w.init({ threads }), true);

  test(`several faults, ${threads} threads`, async () => {
    const device = await w.init({ threads });
    const [a, b] = [failing(), failing()];
    assert.match(await messageOf(() => w.flush()), /^crossEntropy: label 9 .*\(and 1 more since\)$/);
    for (const { loss } of [a, b]) assert.match(await messageOf(() => loss.item()), /target \[1\]$/);
    const f = w.capture((x: w.Tensor) => w.crossEntropy(w.zeros([1, 3]).add(1), x));
    const [good, bad] = [w.tensor([1], { dtype: "int32" }), w.tensor([9], { dtype: "int32" })];
    for (let i = 0; i < 4; i++) await f(good);
    const eager = failing();
    const result = await f(good);
    assert.ok(
      (await messageOf(() => result.item())).startsWith("crossEntropy: label 9"),
      "the wait throws what came before",
    );
    assert.ok(Math.abs((await result.item()) - Math.log(3)) < 1e-6, "the captured call has run");
    failing();
    assert.match(await messageOf(() => f(bad)), /^crossEntropy: label 9 .*\(and 1 more since\)$/);
    assert.match(await messageOf(() => eager.loss.item()), RULE);
    assert.is(await messageOf(() => w.flush()), "");
    const g = w.capture((x: w.Tensor) => x.mul(2));
    for (let i = 0; i < 4; i++) await g(w.ones([]));
    assert.match(await messageOf(() => g(failing().loss.detach())), RULE, "a captured call of what fails throws it");
    assert.is(await messageOf(() => w.flush()), "", "once");
    await device.dispose();
  });
}

test("a loop over a loader that skips what throws goes on", async () => {
  await w.init({ threads: 1 });
  const labels = [0, 9, 1, 2, 1, 0];
  const loader = new DataLoader(new TensorDataset(w.randn([6, 3]), w.tensor(labels, { dtype: "int32" })), {
    batchSize: 1,
  });
  for (const waits of [true, false]) {
    let [batches, failures] = [0, 0];
    const all = async (): Promise<void> => {
      for await (const [x, y] of loader) {
        batches++;
        try {
          const loss = w.crossEntropy(x!, y!);
          if (waits) await loss.item();
        } catch {
          failures++;
        }
      }
    };
    const message = await messageOf(all);
    assert.equal([batches, failures], [6, waits ? 1 : 0]);
    assert.ok(waits ? message === "" : RULE.test(message), "the epoch's end throws what nobody waited for");
  }
});

test("nothing is held of what failed", async () => {
  const device = await w.init({ threads: 1, fresh: true });
  for (let i = 0; i < 50; i++) {
    const { p, loss } = failing();
    loss.backward();
    await messageOf(() => loss.item());
    for (const x of [p, loss]) x.dispose();
    p.grad?.dispose();
  }
  await w.flush();
  assert.is((device as unknown as { losses: Map<number, unknown> }).losses.size, 0);
});

test.run();
