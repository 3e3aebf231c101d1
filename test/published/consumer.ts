// A program as users write it, for the compiler alone: test/types.test.ts compiles it against the published types. Types are
// inferred where users would leave them out; lines behind @ts-expect-error must not compile.
import type { BatchTime, Calibration, Captured, Device, DeviceInfo, InitOptions, MemoryUse, Shape } from "wasmgrad";
import {
  arange,
  backward,
  calibrate,
  capture,
  conv2d,
  crossEntropy,
  type DType,
  defaultDevice,
  flush,
  grad,
  info,
  init,
  load,
  manualSeed,
  max,
  memory,
  nn,
  noGrad,
  ones,
  optim,
  randn,
  save,
  saveSafetensors,
  scope,
  Tensor,
  type TypedData,
  tensor,
  version,
  WasmgradError,
  zeros,
} from "wasmgrad";
import { autocast, GradScaler } from "wasmgrad/amp";
import { DataLoader, type Dataset, drawDigits, MNIST, TensorDataset, UnavailableError } from "wasmgrad/data";
import "wasmgrad/methods";
import { encodeSafetensors, parseSafetensors } from "wasmgrad/io";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles where the argument's type is T, no more and no less. */
const exactly =
  <T>() =>
  <U>(_: U, ..._same: Same<T, U> extends true ? [] : [never]): void => {};

// ------------------------------------------------------------------------------------------------- devices and tensors

const options: InitOptions = {
  device: "auto",
  threads: 2,
  simd: "relaxed",
  deterministic: true,
  maximumMemory: 2 ** 30,
};
const device = await init(options);
exactly<Device>()(device);
await init();
const { build, threads, why }: DeviceInfo = info();
const half: boolean = defaultDevice().float16;
const waits: boolean = device.canBlock;
const use: MemoryUse & { tensors: number } = memory();
const live: number = use.byOp.matmul?.bytes ?? 0;
manualSeed(1);

const x = tensor([
  [0, 0],
  [0, 1],
]);
exactly<Tensor>()(x);
const shape: Shape = x.shape;
const rows: number | undefined = shape[0];
const dtype: DType = x.dtype;
exactly<Float32Array | Int32Array>()(await x.data());
exactly<TypedData>()(x.dataSync());
const first: number = (await x.data())[0] ?? Number.NaN;
const value: number = await x.sum().item();
const now: number = x.sum().itemSync();
const labels = tensor([1, 0], { dtype: "int32" });
const big = tensor(new Float32Array(6), { shape: [2, 3], requiresGrad: true });
const counted = arange(0, 10, 2, { device });
const { values, indices } = big.max(1);
exactly<Tensor>()(
  values
    .add(1)
    .mul(indices.float())
    .sub(big.amax({ dim: [0, 1], keepdim: true })),
);
exactly<Tensor>()(max(big));
exactly<Tensor>()(
  big
    .view(3, 2)
    .reshape([2, -1])
    .permute(1, 0)
    .t()
    .matmul(ones([3, 3])),
);
exactly<Promise<Tensor>>()(big.to("wasm"));
exactly<Tensor>()(big.to("int32"));
const [dx, nothing] = grad(big.mul(big).sum(), [big, x], { createGraph: true });
const slope: Tensor | null | undefined = dx;
backward(big.sum(), null, { retainGraph: true });
const seen: Tensor | null = big.grad;
big.grad = null;
const kept: Tensor = big.keep().requiresGrad_(false);
exactly<{ a: Tensor; b: number }>()(scope(() => ({ a: zeros([2]), b: 2 })));
exactly<Tensor>()(noGrad(() => x.add_(1)));
const isTensor = (v: unknown): v is Tensor => v instanceof Tensor;
const undo: Disposable = x;
x[Symbol.dispose]();

// -------------------------------------------------------------------------------------------------- models and training

class Net extends nn.Module<[Tensor], Tensor> {
  conv = new nn.Conv2d(1, 8, 5, { padding: 2 });
  pool = new nn.MaxPool2d(2);
  layers = [new nn.Linear(8 * 14 * 14, 32), new nn.Linear(32, 10, { bias: false })];
  norm = new nn.LayerNorm([32]);
  drop = new nn.Dropout(0.25);
  scale = new nn.Parameter(ones([1]));

  override forward(images: Tensor): Tensor {
    let y = this.pool.forward(this.conv.forward(images).relu()).flatten(1);
    for (const layer of this.layers) y = layer.forward(y);
    return this.training ? this.drop.forward(y).mul(this.scale) : y;
  }

  protected override extraRepr(): string {
    return `bias=${this.layers[0]?.bias !== null}`;
  }
}
class TwoInputs extends nn.Module<[Tensor, Tensor], { sum: Tensor }> {
  forward(a: Tensor, b: Tensor): { sum: Tensor } {
    return { sum: a.add(b) };
  }
}

const model = new Net();
const net = new nn.Sequential(new nn.Linear(2, 8), new nn.Tanh(), new nn.Sequential([new nn.Identity()]));
const anyOf: nn.AnyModule[] = [model, net, new TwoInputs(), new nn.CrossEntropyLoss()];
const names: string[] = model.namedParameters().map(([name, p]) => `${name} ${p.shape}`);
exactly<nn.Parameter[]>()(model.parameters());
exactly<Net>()(await model.train().eval().to("wasm"));
exactly<Tensor>()(net.at(0) instanceof nn.Linear ? net.forward(x) : x);
model.apply((m) => m.train(false));
nn.init.kaimingUniform_(model.conv.weight, { nonlinearity: "relu" });
const { missingKeys } = model.loadStateDict(await load("net.safetensors"), { strict: false });
await save("net.safetensors", model.stateDict(), { epoch: "1" });
const bytes: Uint8Array = await saveSafetensors({ x });

const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
const adam = new optim.AdamW([{ params: model.conv.weight, lr: 1e-3 }, { params: model.layers[0]!.parameters() }]);
const schedule: optim.lrScheduler.LRScheduler = new optim.lrScheduler.LinearLR(adam, { totalIters: 10 });
const cosine = new optim.lrScheduler.CosineAnnealingLR(adam, { TMax: 10, etaMin: 0.1 });
const sequence = new optim.lrScheduler.SequentialLR(adam, [schedule, cosine], [10]);
new optim.lrScheduler.ChainedScheduler([sequence]).loadStateDict({ lastEpoch: 1, baseLrs: [1], _schedulers: [] });
const plateau = new optim.lrScheduler.ReduceLROnPlateau(adam, { mode: "max", minLr: [0.1] });
plateau.step(0.5);
const ema = new optim.swaUtils.AveragedModel(model, { multiAvgFn: optim.swaUtils.getEmaMultiAvgFn(0.99) });
ema.updateParameters(model);
exactly<Tensor>()(ema.forward(zeros([1, 1, 28, 28])));
const either: optim.Optimizer[] = [optimizer, adam, new optim.LBFGS(model.parameters())];
const beta: number | undefined = adam.paramGroups[0]?.betas[0];
for (const group of optimizer.paramGroups) group.lr *= 0.5;
adam.loadStateDict(adam.stateDict());

const digits = new TensorDataset(
  { data: new Uint8Array(8 * 784), shape: [8, 1, 28, 28], scale: 1 / 255 },
  new Int32Array(8),
);
const loader = new DataLoader(digits, { batchSize: 4, shuffle: true });
const criterion = new nn.CrossEntropyLoss({ reduction: "mean" });
const step = capture((images: Tensor, classes: Tensor) => {
  optimizer.zeroGrad();
  const loss = criterion.forward(model.forward(images), classes);
  loss.backward();
  optimizer.step();
  return { loss };
});
exactly<Captured<[images: Tensor, classes: Tensor], { loss: Tensor }>>()(step);
for await (const [images, classes] of loader) {
  exactly<Tensor>()(images);
  exactly<Tensor>()(classes);
  const { loss } = await step(images, classes);
  console.log(await loss.item(), step.stats.replays);
}
schedule.step();
await flush();
const rates: number[] = schedule.getLastLr();

const scaler = new GradScaler({ enabled: half });
const scaled = autocast(() => crossEntropy(model.forward(zeros([1, 1, 28, 28])), labels), { enabled: half });
scaler.scale(scaled).backward();
scaler.step(optimizer);
scaler.update();

const found: Calibration = await calibrate(model, zeros([4, 1, 28, 28]), { loss: (y) => y.mean(), batch: 64 });
const times: readonly BatchTime[] = found.times;
const counting: Dataset<[Tensor, Tensor]> = {
  length: 3,
  fields: [
    { shape: [2], dtype: "float32" },
    { shape: [], dtype: "int32" },
  ],
  gather(numbers, out) {
    for (const [i, n] of numbers.entries()) out[1]!.set([n], i);
  },
};
for await (const batch of new DataLoader(counting)) exactly<[Tensor, Tensor]>()(batch);
const pairs = new DataLoader(new TensorDataset(zeros([4, 2]), zeros([4])), { batchSize: 2 });
for await (const batch of pairs) exactly<[Tensor, Tensor]>()(batch);
const typed: DataLoader<[Tensor, Tensor]> = pairs;
class Halves implements Dataset<[Tensor, Tensor, Tensor]> {
  readonly length = 4;
  readonly fields = [counting.fields[0], counting.fields[1], { shape: [3], dtype: "float32" }] as const;
  gather(): void {}
}
for await (const batch of new DataLoader(new Halves())) exactly<[Tensor, Tensor, Tensor]>()(batch);
const drawn = drawDigits({ count: 10 });
try {
  const real = await MNIST.load({ train: false, onProgress: ({ received }) => console.log(received) });
  console.log(real.images.length, drawn.labels.length);
} catch (error) {
  if (!(error instanceof UnavailableError)) throw error;
  const message: string = error instanceof WasmgradError ? error.message : version;
  console.log(message);
}
const file = parseSafetensors(encodeSafetensors({ w: { dtype: "float32", shape: [1], data: new Float32Array(1) } }));
const weights: Float32Array | Int32Array | undefined = file.tensors.w?.data;
class Halving extends optim.lrScheduler.LRScheduler {
  protected rate(i: number): number {
    return this.baseLrs[i]! * 0.5 ** this.lastEpoch;
  }
}

// ------------------------------------------------------------------------------------------------------ wrong programs

// @ts-expect-error: a string is no tensor
tensor("a");
// @ts-expect-error: the shape is an array
zeros(2, 3);
// @ts-expect-error: no such dtype
zeros([2], { dtype: "float64" });
// @ts-expect-error: no such option
new optim.SGD(model.parameters(), { lrr: 1 });
// @ts-expect-error: one parameter is no list
new optim.Adam(model.conv.weight);
// @ts-expect-error: no such hyperparameter of a group
new optim.Adam([{ params: model.parameters(), momentum: 0.9 }]);
// @ts-expect-error: an option that must be given
new optim.lrScheduler.StepLR(adam, { gamma: 0.5 });
// @ts-expect-error: a metric is a number
plateau.step(zeros([]));
// @ts-expect-error: modules have fixed names
new nn.Linear(2, 3, { biass: true });
// @ts-expect-error: a layer of two inputs is no stage
new nn.Sequential(new TwoInputs());
// @ts-expect-error: a loss takes a target
criterion.forward(x);
// @ts-expect-error: no such reduction
new nn.MSELoss({ reduction: "avg" });
// @ts-expect-error: an image has two dims
conv2d(x, x, null, { stride: [1, 2, 3] });
// @ts-expect-error: functions make tensors
new Tensor();
// @ts-expect-error: what looks like a tensor is none
const likeness: Tensor = { ...x };
// @ts-expect-error: shapes do not change
x.shape = [1];
// @ts-expect-error: items are values, not promises of tensors
const wrong: Tensor = await x.item();
// @ts-expect-error: a captured function takes tensors
capture((n: number) => x.mul(n));
// @ts-expect-error: captured results come as promises
step(x, labels).loss;
// @ts-expect-error: no such device
await model.to("cuda");
// @ts-expect-error: no such option
await init({ thread: 2 });
// @ts-expect-error: internals are not there
const inside = x.storage;
// @ts-expect-error: internals are not there
device.alloc(4, "mine");
// @ts-expect-error: an abstract method is missing
class NoForward extends nn.Module {}

export {
  anyOf,
  beta,
  big,
  build,
  bytes,
  counted,
  counting,
  dtype,
  either,
  first,
  Halving,
  inside,
  isTensor,
  kept,
  likeness,
  live,
  missingKeys,
  NoForward,
  names,
  nothing,
  now,
  rates,
  rows,
  seen,
  slope,
  threads,
  times,
  typed,
  undo,
  value,
  waits,
  weights,
  why,
  wrong,
};
export const drawing = randn([2]);
