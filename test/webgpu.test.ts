// What the WebGPU device promises: captured steps make nothing and submit once, eager and captured agree bit for bit,
// training agrees with wasm, faults and lost devices are errors and no more than that.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { launch } from "../src/core/op.ts";
import { findGpu } from "../src/host/gpu.ts";
import * as w from "../src/index.ts";
import * as nn from "../src/nn/index.ts";
import { Adam, SGD } from "../src/optim/index.ts";
import type { WebGpuDevice } from "../src/webgpu/device.ts";
import { one, type Registry } from "../src/webgpu/kernel.ts";
import { registry } from "../src/webgpu/kernels/index.ts";
import { Net, run, sameRun } from "./captured-run.ts";
import { messageOf } from "./programs.ts";
import { gpuTest } from "./webgpu-adapter.ts";

/** A device with a GPUDevice of its own. */
const make = async (options: w.InitOptions = {}): Promise<WebGpuDevice> =>
  (await w.init({ fresh: true, ...options, device: "webgpu" })) as WebGpuDevice;

/** A device on the GPUDevice that the tests with the CNN share, which keeps pipelines: compiling is most of their time. */
let shared: ReturnType<typeof counted> | undefined;
async function share(options: w.InitOptions = {}): Promise<{ device: WebGpuDevice; counts: Record<string, number> }> {
  shared ??= counted();
  const { gpu, counts } = await shared;
  return { device: await make({ ...options, gpu }), counts };
}

const COUNTED = [
  "createBuffer",
  "createBindGroup",
  "createBindGroupLayout",
  "createPipelineLayout",
  "createComputePipeline",
  "createComputePipelineAsync",
  "createShaderModule",
] as const;

/** A device whose calls are counted. */
async function counted(): Promise<{ gpu: GPUDevice; counts: Record<string, number> }> {
  const { gpu } = await findGpu(undefined, "high-performance");
  const counts: Record<string, number> = {};
  const count = (target: object, name: string): void => {
    const f = (target as Record<string, (...args: unknown[]) => unknown>)[name]!;
    counts[name] = 0;
    const value = (...args: unknown[]): unknown => {
      counts[name]!++;
      return f.apply(target, args);
    };
    Object.defineProperty(target, name, { value });
  };
  for (const name of COUNTED) count(gpu, name);
  const { queue } = gpu;
  count(queue, "submit");
  Object.defineProperty(gpu, "queue", { value: queue });
  return { gpu, counts };
}

interface Trained {
  readonly model: Net;
  readonly plain: (x: w.Tensor, y: w.Tensor) => w.Tensor;
}

function training(kind: "SGD" | "Adam" = "SGD", dropout = 0.4): Trained {
  const model = new Net();
  model.dropout = new nn.Dropout(dropout);
  const optimizer =
    kind === "SGD"
      ? new SGD(model.parameters(), { lr: 0.02, momentum: 0.9 })
      : new Adam(model.parameters(), { lr: 0.002 });
  const plain = (x: w.Tensor, y: w.Tensor): w.Tensor => {
    optimizer.zeroGrad();
    const loss = w.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    return loss;
  };
  return { model, plain };
}

for (const kind of ["SGD", "Adam"] as const) {
  gpuTest(`a captured CNN step with ${kind} submits once and makes nothing`, async () => {
    const { device, counts } = await share();
    const { plain } = training(kind);
    const step = w.capture(plain);
    const x = w.rand([4, 1, 28, 28]);
    const y = w.randint(0, 10, [4]);
    for (let i = 0; i < 4; i++) (await step(x, y)).dispose();
    await device.flush();
    const made = (): object => ({ ...device.pipelines.made, buffers: device.memoryOf.made });
    const [before, madeBefore, { submits }] = [{ ...counts }, made(), { ...device.counters }];
    assert.ok(before.createBuffer! > 0 && before.createBindGroup! > 0 && before.createComputePipelineAsync! > 0);
    for (let i = 0; i < 10; i++) (await step(x, y)).dispose();
    assert.equal(counts, { ...before, submit: before.submit! + 10 });
    assert.equal(made(), madeBefore);
    assert.is(device.counters.submits, submits + 10);
    assert.ok(Number.isFinite(await (await step(x, y)).item()));
  });

  gpuTest(`60 captured calls equal eager bit for bit with ${kind}, whatever happens in between`, async () => {
    const { device } = await share({ deterministic: true });
    const untouched = (): object => ({ pipelines: device.pipelines.made.pipelines });
    const extent = { batch: 4, calls: 60, untouched };
    const eager = await run(kind, false, extent);
    const captured = await run(kind, true, extent);
    sameRun(captured, eager);
  });

  gpuTest(`20 training steps of the CNN agree with wasm to 1e-3 with ${kind}`, async () => {
    const outcomes: Float32Array[][] = [];
    for (const name of ["wasm", "webgpu"] as const) {
      if (name === "wasm") await w.init();
      else await share();
      w.manualSeed(5);
      const { model, plain } = training(kind);
      const step = w.capture(plain);
      const images = w.rand([4, 8, 1, 28, 28]);
      const labels = w.randint(0, 10, [4, 8]);
      const losses: w.Tensor[] = [];
      for (let i = 0; i < 20; i++) losses.push(await step(images.select(0, i % 4), labels.select(0, i % 4)));
      const values = [...losses, ...model.parameters()].map((t) => t.data() as Promise<Float32Array>);
      outcomes.push(await Promise.all(values));
      if (name === "wasm") await w.defaultDevice().dispose();
    }
    const [ours, theirs] = outcomes as [Float32Array[], Float32Array[]];
    ours.forEach((a, i) => {
      const b = theirs[i]!;
      const at = a.findIndex((v, k) => !(Math.abs(v - b[k]!) <= 1e-3 * Math.max(1, Math.abs(v))));
      const what = i < 20 ? `loss ${i}` : `parameter ${i - 20}`;
      assert.is(at, -1, `${what} at ${at}: wasm ${a[at]}, webgpu ${b[at]}`);
    });
  });
}

for (const captured of [false, true]) {
  gpuTest(
    `a label out of range is thrown at the next wait, and the step did not run${captured ? ", captured" : ""}`,
    async () => {
      const device = await make();
      const model = new nn.Linear(3, 4);
      const optimizer = new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
      const plain = (x: w.Tensor, y: w.Tensor): w.Tensor => {
        optimizer.zeroGrad();
        const loss = w.crossEntropy(model.forward(x), y);
        loss.backward();
        optimizer.step();
        return loss;
      };
      const step = captured ? w.capture(plain) : async (x: w.Tensor, y: w.Tensor) => plain(x, y);
      const x = w.rand([5, 3]);
      const labels = (...list: number[]): w.Tensor => w.tensor(list, { dtype: "int32" });
      for (let i = 0; i < 4; i++) await step(x, labels(0, 1, 2, 3, 0));
      const values = async (): Promise<number[]> => [...(await model.weight.data()), ...(await model.bias!.data())];
      const before = await values();
      const state = async (): Promise<number[]> => {
        const held = Object.values(optimizer.stateDict().state).flatMap((s) => Object.values(s));
        return (await Promise.all(held.map((t) => t.data()))).flatMap((d) => [...d]);
      };
      const stateBefore = await state();
      await step(x, labels(0, 9, 2, 3, 0));
      const message = await messageOf(() => device.flush());
      assert.match(message, /^crossEntropy: label 9 in row 1 is outside \[0, 4\): input \[5,4\], target \[5\]$/);
      assert.equal(await values(), before);
      assert.equal(await state(), stateBefore);
      await step(x, labels(0, 1, 2, 3, 0));
      assert.not.equal(await values(), before);
      assert.is(device.failed, null);
      await device.dispose();
    },
  );
}

gpuTest("a device destroyed in the middle of a run: an error, then another device and ten steps", async () => {
  const wasm = await w.init();
  const kept = w.tensor([1, 2, 3]);
  const lost = await make();
  const ten = async (): Promise<number> => {
    const model = new nn.Sequential(new nn.Linear(6, 16), new nn.ReLU(), new nn.Linear(16, 4));
    const optimizer = new Adam(model.parameters(), { lr: 0.01 });
    const step = w.capture((x: w.Tensor, y: w.Tensor) => {
      optimizer.zeroGrad();
      const loss = w.crossEntropy(model.forward(x), y);
      loss.backward();
      optimizer.step();
      return loss;
    });
    let loss = Number.NaN;
    for (let i = 0; i < 10; i++) {
      loss = await (await step(w.rand([5, 6]), w.randint(0, 4, [5]))).item();
      if (i === 5 && w.defaultDevice() === lost) lost.gpu.destroy();
    }
    return loss;
  };
  const message = await messageOf(ten);
  assert.is(
    message,
    "webgpu device: the GPU device was lost (destroyed): it takes no more work, `await init()` makes a new one",
  );
  assert.is(await messageOf(() => w.ones([2])), message);
  assert.is(await messageOf(() => lost.flush()), message);
  const next = await make();
  assert.ok(Number.isFinite(await ten()));
  assert.equal([...(await kept.data())], [1, 2, 3]);
  await next.dispose();
  await wasm.dispose();
});

gpuTest("a tensor larger than a buffer may be, and memory that runs out, are refused by name", async () => {
  const device = await make({ maximumMemory: 4 << 20 });
  const { maxBufferSize, maxStorageBufferBindingSize } = device.gpu.limits;
  const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  assert.match(
    await messageOf(() => w.zeros([most / 4 + 1])),
    /^zeros: [\d.]+ MiB asked for: a buffer of this GPU device holds at most [\d.]+ MiB; use smaller batches, or wasm$/,
  );
  const held: w.Tensor[] = [];
  const message = await messageOf(() => {
    for (let i = 0; i < 8; i++) held.push(w.ones([1 << 18]));
  });
  assert.match(
    message,
    /^ones: 1\.0 MiB asked for, .* of 4\.0 MiB in use: GPU memory has run out; most is held by ones /,
  );
  for (const t of held) t.dispose();
  assert.equal([...(await w.ones([2]).data())], [1, 1]);
  await device.dispose();
});

gpuTest("more than 65,535 workgroups: laid out in two dimensions, or refused by name", async () => {
  const device = await make();
  const n = 65536 * 256 + 300;
  const x = w.arange(n, { dtype: "int32" });
  const y = x.add(x).narrow(0, n - 4, 4);
  assert.equal(
    [...(await y.data())],
    [n - 4, n - 3, n - 2, n - 1].map((v) => 2 * v),
  );
  const entries = registry as Record<string, Registry[string]>;
  entries.tall_f32 = one({ buffers: "y", extents: "n", groups: ([n]) => [1, 1, n!], body: "y[0] = 1.0;" });
  const z = w.zeros([1]);
  launch("tall_f32", [z], [], [65535]);
  assert.is(
    await messageOf(() => launch("tall_f32", [z], [], [65536])),
    "tall_f32: tall_f32 over [65536] would be 1 x 1 x 65536 workgroups: this GPU device allows 65535 in a dimension; use smaller batches",
  );
  assert.is(await z.item(), 1);
  delete entries.tall_f32;
  await device.dispose();
});

gpuTest("a kernel that does not compile is an error with its name at the next wait", async () => {
  const device = await make();
  const entries = registry as Record<string, Registry[string]>;
  entries.broken_f32 = one({ buffers: "y", extents: "n", body: "y[i] = nonsense;" });
  launch("broken_f32", [w.zeros([4])], [], [4]);
  delete entries.broken_f32;
  const message = await messageOf(() => device.flush());
  assert.match(message, /kernel broken_f32 does not compile: /);
  assert.match(message, /unresolved value 'nonsense'/);
  await device.dispose();
});

gpuTest("tensors of two devices do not mix, and values cannot be waited for", async () => {
  const wasm = await w.init();
  const a = w.ones([2]);
  const device = await make();
  const b = w.ones([2]);
  assert.match(await messageOf(() => b.add(a)), /webgpu.*wasm|wasm.*webgpu/);
  assert.match(await messageOf(() => b.dataSync()), /^dataSync: \[2\]: this thread may not wait; use await data\(\)$/);
  assert.equal([...(await b.add(await a.to("webgpu")).data())], [2, 2]);
  assert.equal([...(await a.add(await b.to("wasm")).data())], [2, 2]);
  await device.dispose();
  assert.match(await messageOf(() => b.add(1)), /^webgpu device: it was disposed of/);
  await wasm.dispose();
});

test("without an adapter init says so, and wasm works", () => {
  const program = `
    import * as w from "./src/index.ts";
    try { await w.init({ device: "webgpu" }); } catch (error) { console.log(error.name, error.message); }
    await w.init();
    console.log(w.ones([2]).add(1).dataSync().join());
    process.exit(0);`;
  const nowhere = "/nonexistent/icd.json";
  const text = execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    env: { ...process.env, VK_ICD_FILENAMES: nowhere, VK_DRIVER_FILES: nowhere },
    stdio: ["ignore", "pipe", "ignore"],
    encoding: "utf8",
  });
  assert.match(
    text,
    /^WasmgradError init: .*WebGPU|^WasmgradError init: .*has no adapter: .*`init\(\{ device: "wasm" \}\)` works/,
  );
  assert.match(text, /\n2,2\n$/);
});

test.run();
