// Cases recorded from PyTorch (../shared/goldens, or GOLDENS_DIR): ops with their gradients, optimizers, schedules, training,
// as checks that a device is given to. Tolerances are those of the recordings' README.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as wasmgrad from "../src/index.ts";
import { type Device, grad, nn, optim, scope, setDefaultDevice, type Tensor, type TypedData } from "../src/index.ts";
import * as ops from "../src/ops/index.ts";

export const folder = resolve(
  process.env.GOLDENS_DIR ?? fileURLToPath(new URL("../../shared/goldens", import.meta.url)),
);

type Value = number | "inf" | "-inf" | "nan" | boolean;
interface Data {
  readonly shape: readonly number[];
  readonly dtype: "f32" | "i32" | "bool";
  readonly data: readonly Value[];
}
type Kwargs = Readonly<Record<string, unknown>>;
interface Recorded {
  readonly name: string;
  readonly fn: string;
  readonly kwargs: Kwargs;
  readonly inputs: readonly Data[];
  readonly outputs: readonly Data[];
  readonly gradOutput?: Data;
  readonly grads?: readonly (Data | null)[];
}
interface OptimRun {
  readonly name: string;
  readonly fn: string;
  readonly kwargs: Kwargs;
  readonly x0: Data;
  readonly M: Data;
  readonly v: Data;
  readonly losses: readonly number[];
  readonly trajectory: readonly (readonly number[])[];
}
interface ScheduleRun {
  readonly name: string;
  readonly fn: string;
  readonly kwargs: Kwargs;
  readonly baseLr: number;
  readonly lrs: readonly number[];
}
interface TrainingRun {
  readonly name: string;
  readonly net: readonly string[];
  readonly optimizer: "SGD" | "Adam";
  readonly kwargs: Kwargs;
  readonly loss: "binary_cross_entropy" | "cross_entropy";
  readonly x: Data;
  readonly y: Data;
  readonly stateDict: Readonly<Record<string, Data>>;
  readonly losses: readonly number[];
  readonly finalStateDict: Readonly<Record<string, Data>>;
}

function recorded<T>(file: string): T[] {
  const path = join(folder, `${file}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as T[]) : [];
}

const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const number = (v: Value): number =>
  typeof v === "number" ? v : v === "nan" ? Number.NaN : v === "inf" ? Infinity : v === "-inf" ? -Infinity : Number(v);

const isData = (v: unknown): v is Data => typeof v === "object" && v !== null && "data" in v && "shape" in v;
const DTYPES = { f32: "float32", i32: "int32", bool: "bool" } as const;

function tensorOf({ shape, dtype, data }: Data): Tensor {
  const values = data.map(number);
  const typed = dtype === "f32" ? Float32Array.from(values) : Int32Array.from(values);
  return dtype === "bool"
    ? ops.tensor(Uint8Array.from(values), { shape, dtype: "bool" })
    : ops.tensor(typed, { shape, dtype: DTYPES[dtype] });
}

/** kwargs in camelCase, tensors made. */
function options(kwargs: Kwargs): Record<string, unknown> {
  return Object.fromEntries(Object.entries(kwargs).map(([key, v]) => [camel(key), isData(v) ? tensorOf(v) : v]));
}

// --------------------------------------------------------------------------------------------------------- signatures

type Call = (inputs: readonly Tensor[], options: Record<string, unknown>) => Tensor | readonly Tensor[];
// biome-ignore lint/suspicious/noExplicitAny: kwargs of a recording are checked by running it
type Any = any;

/** Where the inputs and some kwargs are positional here. The rest: all inputs, then the options when there are any. */
const CALLS: Record<string, Call> = {
  argmax: ([x], o) => ops.argmax(x!, o.dim as number),
  argmin: ([x], o) => ops.argmin(x!, o.dim as number),
  max: ([x], o) => both(ops.max(x!, o.dim as number)),
  min: ([x], o) => both(ops.min(x!, o.dim as number)),
  softmax: ([x], o) => ops.softmax(x!, o.dim as number),
  logSoftmax: ([x], o) => ops.logSoftmax(x!, o.dim as number),
  layerNorm: ([x, w, b], { normalizedShape, ...o }) => ops.layerNorm(x!, normalizedShape as number[], w, b, o as Any),
  view: ([x], o) => ops.view(x!, o.shape as number[]),
  expand: ([x], o) => ops.expand(x!, o.shape as number[]),
  permute: ([x], o) => ops.permute(x!, o.dims as number[]),
  squeeze: ([x], o) => ops.squeeze(x!, o.dim as number),
  unsqueeze: ([x], o) => ops.unsqueeze(x!, o.dim as number),
  flatten: ([x], o) => ops.flatten(x!, o.startDim as number),
  narrow: ([x], o) => ops.narrow(x!, o.dim as number, o.start as number, o.length as number),
  select: ([x], o) => ops.select(x!, o.dim as number, o.index as number),
  transposeReshape: ([x], o) => ops.reshape(ops.transpose(x!, o.dim0 as number, o.dim1 as number), o.shape as number[]),
  matmulTn: ([a, b]) => ops.matmul(ops.t(a!), b!),
  matmulNt: ([a, b]) => ops.matmul(a!, ops.t(b!)),
  conv2d: ([x, w, b], o) => ops.conv2d(x!, w!, b ?? null, o as Any),
  maxPool2d: ([x], { kernelSize, ...o }) => ops.maxPool2d(x!, kernelSize as ops.Pair, o as Any),
  avgPool2d: ([x], { kernelSize, ...o }) => ops.avgPool2d(x!, kernelSize as ops.Pair, o as Any),
  mseLoss: ([x], { target, ...o }) => ops.mseLoss(x!, target as Tensor, o as Any),
  crossEntropy: ([x], { target, ...o }) => ops.crossEntropy(x!, target as Tensor, o as Any),
  nllLoss: ([x], { target, ...o }) => ops.nllLoss(x!, target as Tensor, o as Any),
  binaryCrossEntropy: ([x], { target, ...o }) => ops.binaryCrossEntropy(x!, target as Tensor, o as Any),
};
const both = ({ values, indices }: { values: Tensor; indices: Tensor }): Tensor[] => [values, indices];

function callOf(fn: string): Call | null {
  const name = camel(fn);
  if (CALLS[name] !== undefined) return CALLS[name];
  const f = (wasmgrad as unknown as Record<string, unknown>)[name];
  if (typeof f !== "function") return null;
  return (inputs, o) => (Object.keys(o).length === 0 ? f(...inputs) : f(...inputs, o));
}

// ---------------------------------------------------------------------------------------------------------- comparing

interface Near {
  readonly rtol: number;
  readonly atol: number;
}
const ELEMENTWISE: Near = { rtol: 1e-6, atol: 1e-6 };
const SUMS: Near = { rtol: 2e-5, atol: 2e-5 };
const RUNS: Near = { rtol: 1e-3, atol: 1e-5 };
/** What only moves or maps elements; everything else adds. */
const ADDS = new Set(["sum", "mean", "softmax", "log_softmax", "logsumexp", "norm", "var", "std", "cumsum", "prod"]);

function close(what: string, got: ArrayLike<number>, ref: readonly Value[], { rtol, atol }: Near): void {
  if (got.length !== ref.length) throw new Error(`${what}: ${got.length} values, ${ref.length} are recorded`);
  for (let i = 0; i < ref.length; i++) {
    const [x, y] = [got[i]!, number(ref[i]!)];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    if (Math.abs(x - y) <= atol + rtol * Math.abs(y)) continue;
    throw new Error(
      `${what}: at ${i} got ${x}, PyTorch has ${y}: off by ${Math.abs(x - y)} (rtol ${rtol}, atol ${atol})`,
    );
  }
}

/** What is asked for in order and compared when it has come, so that a device that cannot block is given all work at once. */
type Later = (() => Promise<void>)[];

function ask(later: Later, what: string, x: Tensor, ref: readonly Value[], near: Near): void {
  const values: Promise<TypedData> = x.device.canBlock ? Promise.resolve(x.dataSync()) : x.data();
  values.catch(() => {}); // awaited in its turn
  later.push(async () => close(what, await values, ref, near));
}

async function settle(later: Later): Promise<void> {
  for (const f of later) await f();
}

function sameSizes(what: string, x: Tensor, shape: readonly number[]): void {
  if (x.shape.join() !== shape.join()) throw new Error(`${what}: shape [${x.shape}], PyTorch has [${shape}]`);
}

async function checkOp(c: Recorded, call: Call, device: Device, near: Near): Promise<void> {
  setDefaultDevice(device);
  const later: Later = [];
  scope(() => {
    const inputs = c.inputs.map(tensorOf);
    if (c.grads) c.grads.forEach((g, i) => void (g !== null && inputs[i]!.requiresGrad_()));
    const result = call(inputs, options(c.kwargs));
    const outputs = Array.isArray(result) ? result : [result as Tensor];
    if (outputs.length !== c.outputs.length) throw new Error(`${c.name}: ${outputs.length} results`);
    c.outputs.forEach((ref, i) => {
      sameSizes(c.name, outputs[i]!, ref.shape);
      if (outputs[i]!.dtype !== DTYPES[ref.dtype]) throw new Error(`${c.name}: dtype ${outputs[i]!.dtype}`);
      ask(later, c.name, outputs[i]!, ref.data, near);
    });
    if (!c.grads || !c.gradOutput) return;
    const leaves = inputs.filter((_, i) => c.grads![i] !== null);
    // The gradient of an input that was broadcast is a sum.
    const adds = leaves.some((leaf) => leaf.numel < outputs[0]!.numel);
    const gradNear = adds ? SUMS : near;
    const found = grad(outputs[0]!, leaves, { gradient: tensorOf(c.gradOutput) });
    leaves.forEach((leaf, i) => {
      const k = inputs.indexOf(leaf);
      const ref = c.grads![k]!;
      const g = found[i] ?? ops.zerosLike(leaf);
      sameSizes(`${c.name}: gradient ${k}`, g, ref.shape);
      ask(later, `${c.name}: gradient ${k}`, g, ref.data, gradNear);
    });
  });
  await settle(later);
}

const Optimizers = optim as unknown as Record<
  string,
  new (
    params: Tensor[],
    o: object,
  ) => { step(): void; zeroGrad(): void; paramGroups: { lr: number }[] }
>;

async function checkOptim(c: OptimRun, device: Device): Promise<void> {
  setDefaultDevice(device);
  const later: Later = [];
  const [M, v] = [tensorOf(c.M), tensorOf(c.v)];
  const p = new nn.Parameter(tensorOf(c.x0));
  const optimizer = new Optimizers[c.fn]!([p], options(c.kwargs));
  c.trajectory.forEach((expected, i) => {
    optimizer.zeroGrad();
    const loss = p.matmul(M).matmul(p).mul(0.5).sub(v.matmul(p)).add(p.sin().sum().mul(0.3));
    loss.backward();
    optimizer.step();
    ask(later, `${c.name}: loss ${i}`, loss, [c.losses[i]!], RUNS);
    ask(later, `${c.name}: parameter after step ${i + 1}`, p, expected, RUNS);
  });
  await settle(later);
}

/** `(0): Conv2d(1, 4, kernel_size=(5, 5), stride=(1, 1))` as a module: positional values, then options. */
function moduleOf(line: string): nn.Module {
  const [, type, text] = /^\s*\(\d+\): (\w+)\((.*)\)$/.exec(line)!;
  const positional: unknown[] = [];
  const named: Record<string, unknown> = {};
  for (const [, key, value] of text!.matchAll(/(?:(\w+)=)?(\([^)]*\)|[^,\s]+)/g)) {
    const js = value!.startsWith("(")
      ? [...value!.matchAll(/\d+/g)].map(Number)
      : value === "True" || value === "False"
        ? value === "True"
        : Number(value);
    if (key === undefined) positional.push(js);
    else named[key] = js;
  }
  if (type === "Linear") return new nn.Linear(named.in_features as number, named.out_features as number);
  if (type === "Conv2d") {
    return new nn.Conv2d(positional[0] as number, positional[1] as number, named.kernel_size as [number, number]);
  }
  if (type === "MaxPool2d") return new nn.MaxPool2d(named.kernel_size as number);
  if (type === "Flatten") return new nn.Flatten();
  if (type === "ReLU") return new nn.ReLU();
  if (type === "Sigmoid") return new nn.Sigmoid();
  throw new Error(`a network with ${type}`);
}

async function checkTraining(c: TrainingRun, device: Device): Promise<void> {
  setDefaultDevice(device);
  const later: Later = [];
  const model = new nn.Sequential(...c.net.slice(1, -1).map(moduleOf));
  const dict = (d: TrainingRun["stateDict"]) => Object.fromEntries(Object.entries(d).map(([k, v]) => [k, tensorOf(v)]));
  model.loadStateDict(dict(c.stateDict) as Any);
  const optimizer = new Optimizers[c.optimizer]!([...model.parameters()], options(c.kwargs));
  const lossOf = c.loss === "cross_entropy" ? ops.crossEntropy : ops.binaryCrossEntropy;
  const [x, y] = [tensorOf(c.x), tensorOf(c.y)];
  c.losses.forEach((expected, i) => {
    optimizer.zeroGrad();
    const loss = lossOf(model.forward(x), y);
    loss.backward();
    optimizer.step();
    ask(later, `${c.name}: loss ${i}`, loss, [expected], RUNS);
  });
  const last = model.stateDict() as unknown as Map<string, Tensor> | Record<string, Tensor>;
  const entries = last instanceof Map ? [...last] : Object.entries(last);
  if (entries.map(([key]) => key).join() !== Object.keys(c.finalStateDict).join()) {
    throw new Error(`${c.name}: keys ${entries.map(([key]) => key)}`);
  }
  for (const [key, value] of entries) ask(later, `${c.name}: ${key}`, value, c.finalStateDict[key]!.data, RUNS);
  await settle(later);
}

async function checkSchedule(c: ScheduleRun, device: Device): Promise<void> {
  setDefaultDevice(device);
  const p = new nn.Parameter(ops.zeros([1]));
  const optimizer = new optim.SGD([p], { lr: c.baseLr });
  const Scheduler = (optim.lrScheduler as unknown as Record<string, new (o: object, k: object) => { step(): void }>)[
    c.fn
  ]!;
  const schedule = new Scheduler(optimizer, options(c.kwargs));
  close(c.name, [optimizer.paramGroups[0]!.lr], c.lrs.slice(0, 1), { rtol: 1e-12, atol: 0 });
  for (const expected of c.lrs.slice(1)) {
    schedule.step();
    close(c.name, [optimizer.paramGroups[0]!.lr], [expected], { rtol: 1e-12, atol: 0 });
  }
}

// --------------------------------------------------------------------------------------------------------------- list

const OP_FILES = ["unary", "binary", "reduce", "shape", "matmul", "conv", "norm", "loss", "recurrent"];
const plain = new Set(["unary", "binary", "shape", "reduce"]);

export interface Golden {
  readonly name: string;
  readonly check: (device: Device) => Promise<void>;
}

/** What can be checked, and the names of what does not exist here yet; null when the folder is not there. */
export function goldens(): { checks: Golden[]; skipped: string[] } | null {
  if (!existsSync(folder)) return null;
  const skipped: string[] = [];
  const checks: Golden[] = [];
  for (const file of OP_FILES) {
    for (const c of recorded<Recorded>(file)) {
      const name = `${file}: ${c.name}`;
      const call = callOf(c.fn);
      const near = plain.has(file) && !ADDS.has(c.fn) ? ELEMENTWISE : SUMS;
      if (call === null) skipped.push(name);
      else checks.push({ name, check: (device) => checkOp(c, call, device, near) });
    }
  }
  for (const c of recorded<OptimRun>("optim")) {
    const name = `optim: ${c.name}`;
    if (c.fn in optim) checks.push({ name, check: (device) => checkOptim(c, device) });
    else skipped.push(name);
  }
  for (const c of recorded<TrainingRun>("training")) {
    checks.push({ name: `training: ${c.name}`, check: (device) => checkTraining(c, device) });
  }
  for (const c of recorded<ScheduleRun>("schedule")) {
    const name = `schedule: ${c.name}`;
    if (c.fn in optim.lrScheduler) checks.push({ name, check: (device) => checkSchedule(c, device) });
    else skipped.push(name);
  }
  return { checks, skipped };
}
