// Waits, each as the only one of a loop that leaves its results to the collector.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import * as data from "../src/data/index.ts";
import * as w from "../src/index.ts";

const MB = 1 << 20;
const ROUNDS = 60;

type Wait = (round: number) => Promise<unknown>;

/** Rounds that drop 4 MiB each on a device, which only `wait` awaits something in: the most that lived, in MiB. */
export async function most(device: w.Device, wait: Wait, rounds = ROUNDS, drops = 1): Promise<number> {
  let most = 0;
  for (let i = 0; i < rounds; i++) {
    for (let k = 0; k < drops; k++) w.zeros([MB], { device });
    await wait(i);
    most = Math.max(most, device.liveBytes);
  }
  return most / MB;
}

/** The waits of a device that are not by themselves long; each makes what it needs once. */
export async function waits(device: w.Device, other: w.Device, folder: string): Promise<Record<string, Wait>> {
  const x = w.ones([4], { device });
  const model = new w.nn.Linear(4, 4);
  await model.to(device);
  const step = w.capture((t: w.Tensor) => t.add(1));
  const refused = w.capture((t: w.Tensor) => t.matmul(t.view(2, 2).narrow(0, 0, 1)));
  const weights = w.ones([4], { device }).requiresGrad_().keep();
  const [sgd, lbfgs] = [new w.optim.SGD([weights], { lr: 0.1 }), new w.optim.LBFGS([weights], { maxIter: 2 })];
  const closure = (): w.Tensor => {
    sgd.zeroGrad();
    const loss = weights.mul(weights).sum();
    loss.backward();
    return loss;
  };
  const bytes = await w.saveSafetensors({ x });
  const file = join(folder, "x.safetensors");
  await w.save(file, { x });
  const set = new data.TensorDataset(new Float32Array(4000), new Int32Array(4000));
  const loader = new data.DataLoader(set, { device });
  let batches = loader[Symbol.asyncIterator]();
  return {
    "flush()": () => w.flush(device),
    "device.flush()": () => device.flush(),
    "data()": () => x.data(),
    "item()": () => x.sum().item(),
    "to(device), where it is": () => x.to(device),
    "to(device), from another": () => w.ones([4], { device: other }).to(device),
    "to(device), to another": () => x.to(other),
    "Module.to(device)": (i) => model.to(i % 2 === 0 ? other : device),
    "Module.to(device), where it is": () => model.to(device),
    "save()": () => w.save(file, { x }),
    "saveSafetensors()": () => w.saveSafetensors({ x }),
    "load(), of bytes": () => w.load(bytes, { device }),
    "load(), of a file": () => w.load(file, { device }),
    "a captured call": async () => void (await step(x)),
    "a captured call that throws": () =>
      refused(x).then(
        () => assert.unreachable(),
        (e: Error) => assert.match(e.message, /^matmul/),
      ),
    "SGD.step(closure)": () => sgd.step(closure),
    "LBFGS.step(closure)": () => lbfgs.step(closure),
    "a wait that throws": async () => {
      w.noGrad(() => w.crossEntropy(w.zeros([1, 2], { device }), w.tensor([7], { dtype: "int32", device })));
      assert.match(
        await w.flush(device).then(
          () => "nothing",
          (e: Error) => e.message,
        ),
        /7/,
      );
    },
    "the loader": async () => {
      if ((await batches.next()).done) batches = loader[Symbol.asyncIterator]();
    },
    "GradScaler.getScale()": async () => void (await x.mul(2).data()),
  };
}

/** Every wait on `device`, with `other` to move to and from. */
export async function flat(device: w.Device, other: w.Device): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "wasmgrad-waits-"));
  try {
    for (const [name, wait] of Object.entries(await waits(device, other, folder))) {
      const megabytes = await most(device, wait);
      assert.ok(megabytes < 110, `${name}: ${megabytes} MiB lived`);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}
