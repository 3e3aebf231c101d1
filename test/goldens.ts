// Cases recorded from PyTorch (../shared/goldens, or GOLDENS_DIR): ops with their gradients, optimizers, schedules, training,
// as checks that a device is given to. Tolerances are those of the recordings' README.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Device, nn, optim, setDefaultDevice, type Tensor } from "../src/index.ts";
import * as ops from "../src/ops/index.ts";
import { callOf } from "./goldens/calls.ts";
import {
  ask,
  checkOp,
  close,
  ELEMENTWISE,
  type Golden,
  type Goldens,
  type Later,
  type Recorded,
  RUNS,
  SUMS,
  settle,
} from "./goldens/compare.ts";
import { type Data, type Kwargs, options, recorded as recordedIn, tensorOf } from "./goldens/recorded.ts";
import { checkSparse, isSparse, type SparseRun } from "./goldens/runs.ts";

export const folder = resolve(
  process.env.GOLDENS_DIR ?? fileURLToPath(new URL("../../shared/goldens", import.meta.url)),
);

interface OptimRun {
  readonly name: string;
  readonly fn: string;
  readonly kwargs: Kwargs;
  readonly x0: Data;
  readonly M: Data;
  readonly v: Data;
  readonly objective: string;
  readonly losses: readonly number[];
  readonly trajectory: readonly (readonly number[])[];
}
interface ScheduleRun {
  readonly name: string;
  readonly fn: string;
  readonly kwargs: Kwargs;
  readonly baseLr: number;
  readonly metrics?: readonly number[];
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

const recorded = <T>(file: string): T[] => recordedIn<T>(folder, file);
/** What only moves or maps elements; everything else adds. */
const ADDS = new Set(["sum", "mean", "softmax", "log_softmax", "logsumexp", "norm", "var", "std", "cumsum", "prod"]);

export const Optimizers = optim as unknown as Record<
  string,
  new (
    params: Tensor[],
    o: object,
  ) => {
    step(): void;
    step(closure: () => Tensor): Promise<Tensor>;
    zeroGrad(): void;
    paramGroups: { lr: number }[];
  }
>;

async function checkOptim(c: OptimRun | SparseRun, device: Device): Promise<void> {
  if (isSparse(c)) return checkSparse(c, device);
  setDefaultDevice(device);
  const later: Later = [];
  const [M, v] = [tensorOf(c.M), tensorOf(c.v)];
  const p = new nn.Parameter(tensorOf(c.x0));
  const optimizer = new Optimizers[c.fn]!([p], options(c.kwargs));
  const forward = (): Tensor => {
    optimizer.zeroGrad();
    const loss = p.matmul(M).matmul(p).mul(0.5).sub(v.matmul(p)).add(p.sin().sum().mul(0.3));
    loss.backward();
    return loss;
  };
  for (const [i, expected] of c.trajectory.entries()) {
    const loss = c.fn === "LBFGS" ? await optimizer.step(forward) : forward();
    if (c.fn !== "LBFGS") optimizer.step();
    ask(later, `${c.name}: loss ${i}`, loss, [c.losses[i]!], RUNS);
    ask(later, `${c.name}: parameter after step ${i + 1}`, p, expected, RUNS);
  }
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
  model.loadStateDict(dict(c.stateDict) as never);
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
  const Scheduler = (
    optim.lrScheduler as unknown as Record<string, new (o: object, k: object) => { step(metric?: number): void }>
  )[c.fn]!;
  const schedule = new Scheduler(optimizer, options(c.kwargs));
  const look = (lr: number): void => close(c.name, [optimizer.paramGroups[0]!.lr], [lr], { rtol: 1e-12, atol: 0 });
  const { metrics } = c;
  if (metrics === undefined) look(c.lrs[0]!);
  for (let i = metrics === undefined ? 1 : 0; i < c.lrs.length; i++) {
    schedule.step(...(metrics === undefined ? [] : [metrics[i]!]));
    look(c.lrs[i]!);
  }
}

// --------------------------------------------------------------------------------------------------------------- list

const OP_FILES = ["unary", "binary", "reduce", "shape", "matmul", "conv", "norm", "loss", "recurrent"];
const plain = new Set(["unary", "binary", "shape", "reduce"]);

/** What can be checked, and the names of what does not exist here yet; null when the folder is not there. */
export function goldens(): Goldens | null {
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
