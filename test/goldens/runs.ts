// Runs of the second set: optimizers with groups and their state dicts, schedules, small networks in training.
import { type Device, nn, optim, scope, setDefaultDevice, type Tensor } from "../../src/index.ts";
import * as ops from "../../src/ops/index.ts";
import { callOf } from "./calls.ts";
import { ask, close, type Later, type Near, RUNS, settle } from "./compare.ts";
import { camel, type Data, isData, type Kwargs, named, options, tensorOf } from "./recorded.ts";

// biome-ignore lint/suspicious/noExplicitAny: constructors of many signatures, some still to come
type Any = any;

interface StateDict {
  readonly state: Readonly<Record<string, Kwargs>>;
  readonly param_groups: readonly Kwargs[];
}
export interface OptimRun {
  readonly name: string;
  readonly fn: string;
  readonly kwargs: Kwargs;
  readonly groups?: readonly ({ readonly size: number } & Kwargs)[];
  readonly objective: string;
  readonly x0: Data;
  readonly M: Data;
  readonly v: Data;
  readonly losses: readonly number[];
  readonly trajectory: readonly (readonly number[])[];
  readonly stateDict: StateDict;
}
/** A run of SparseAdam, in both sets. */
export interface SparseRun extends Pick<OptimRun, "name" | "fn" | "kwargs" | "trajectory"> {
  readonly objective: "sum(embedding(indices)**2)";
  readonly embedding: Data;
  /** The rows that each step names. */
  readonly indices: readonly (readonly number[])[];
  readonly stateDict?: StateDict;
}
export interface ScheduleRun {
  readonly name: string;
  readonly fn: string;
  readonly kwargs: Kwargs;
  readonly optimizer: "SGD" | "Adam";
  readonly baseLr: number | readonly number[];
  readonly metrics?: readonly number[];
  readonly lrs: readonly (number | readonly number[])[];
  readonly momenta?: readonly number[];
  readonly betas?: readonly (readonly number[])[];
}
export interface TrainingRun {
  readonly name: string;
  readonly net: readonly string[];
  readonly arguments: Kwargs;
  readonly optimizer: string;
  readonly kwargs: Kwargs;
  readonly loss: string;
  readonly clip_grad_norm?: number;
  readonly x: Data;
  readonly lengths?: readonly number[];
  readonly y: Data;
  readonly stateDict: Readonly<Record<string, Data>>;
  readonly losses: readonly number[];
  readonly finalStateDict: Readonly<Record<string, Data>>;
}

const Optimizers = optim as unknown as Record<string, new (params: Any, o: object) => Any>;

/** Keys of PyTorch's groups that are about its implementations. */
const IGNORED = new Set(["params", "foreach", "capturable", "differentiable", "fused", "initial_lr"]);

const listed = (x: unknown): number[] => [x].flat(9) as number[];

/** The objective is sum(embedding(indices)²), so the gradient of each row that is named is twice that row. */
export async function checkSparse(c: SparseRun, device: Device): Promise<void> {
  setDefaultDevice(device);
  const later: Later = [];
  const p = new nn.Parameter(tensorOf(c.embedding));
  const width = p.shape[1]!;
  const optimizer = new Optimizers[c.fn]!([p], options(c.kwargs));
  for (const [i, expected] of c.trajectory.entries()) {
    const named = c.indices[i]!;
    const weights = await p.data();
    const rows = named.flatMap((row) => [...weights.subarray(row * width, (row + 1) * width)]);
    optimizer.zeroGrad();
    ops.setSparseGrad(p, {
      indices: ops.tensor(named, { dtype: "int32" }),
      values: ops.tensor(
        rows.map((v) => 2 * v),
        { shape: [named.length, width] },
      ),
      size: p.shape,
    });
    optimizer.step();
    ask(later, `${c.name}: parameter after step ${i + 1}`, p, expected, RUNS);
  }
  if (c.stateDict !== undefined) checkState(later, c.name, c.stateDict, optimizer.stateDict());
  await settle(later);
}

export const isSparse = (c: { readonly objective: string }): c is SparseRun => c.objective.includes("embedding");

export async function checkOptim(c: OptimRun | SparseRun, device: Device): Promise<void> {
  if (isSparse(c)) return checkSparse(c, device);
  if (!c.objective.startsWith("0.5*p@M@p"))
    throw new Error(`${c.objective}: goldens/runs.ts does not say how this runs`);
  setDefaultDevice(device);
  const later: Later = [];
  const { data } = c.x0;
  const [M, v] = [tensorOf(c.M), tensorOf(c.v)];
  let begin = 0;
  const parts = (c.groups ?? [{ size: data.length }]).map(({ size, ...own }) => {
    const part = { shape: [size], dtype: "f32", data: data.slice(begin, begin + size) } as const;
    // Its place in the whole as a matrix.
    const place = ops.tensor(
      Float32Array.from({ length: size * data.length }, (_, k) =>
        Number(k % data.length === begin + Math.floor(k / data.length)),
      ),
      { shape: [size, data.length] },
    );
    begin += size;
    return { p: new nn.Parameter(tensorOf(part)), place, own: options(own) };
  });
  const whole = (): Tensor =>
    parts.length === 1 ? parts[0]!.p : parts.map(({ p, place }) => p.matmul(place)).reduce((a, b) => a.add(b));
  const params = c.groups === undefined ? [parts[0]!.p] : parts.map(({ p, own }) => ({ params: [p], ...own }));
  const optimizer = new Optimizers[c.fn]!(params, options(c.kwargs));
  const forward = (): Tensor => {
    optimizer.zeroGrad();
    const p = whole();
    const loss = p.matmul(M).matmul(p).mul(0.5).sub(v.matmul(p)).add(p.sin().sum().mul(0.3));
    loss.backward();
    return loss;
  };
  for (const [i, expected] of c.trajectory.entries()) {
    const loss: Tensor = c.fn === "LBFGS" ? await optimizer.step(forward) : forward();
    if (c.fn !== "LBFGS") optimizer.step();
    ask(later, `${c.name}: loss ${i}`, loss, [c.losses[i]!], RUNS);
    let from = 0;
    for (const { p } of parts) {
      ask(later, `${c.name}: parameter after step ${i + 1}`, p, expected.slice(from, from + p.numel), RUNS);
      from += p.numel;
    }
  }
  checkState(later, c.name, c.stateDict, optimizer.stateDict());
  await settle(later);
}

function checkState(
  later: Later,
  name: string,
  theirs: StateDict,
  mine: { state: Record<string, Kwargs>; paramGroups: Kwargs[] },
): void {
  for (const [i, state] of Object.entries(theirs.state)) {
    for (const [key, ref] of Object.entries(state)) {
      if (ref === null) continue;
      const what = `${name}: state ${i}.${camel(key)}`;
      const held = mine.state[i]?.[camel(key)];
      if (held === undefined) throw new Error(`${what}: it is missing`);
      if (typeof held === "number") close(what, [held], [ref as number], RUNS);
      else if (Array.isArray(held)) {
        if (held.length !== (ref as unknown[]).length) throw new Error(`${what}: ${held.length} are there`);
        held.forEach((x: Tensor | number, k) => {
          const expected = (ref as (number | Data)[])[k]!;
          if (typeof x === "number") close(`${what}[${k}]`, [x], [expected as number], RUNS);
          else ask(later, `${what}[${k}]`, x, isData(expected) ? expected.data : [expected], RUNS);
        });
      } else if (typeof held === "object") ask(later, what, held as Tensor, isData(ref) ? ref.data : listed(ref), RUNS);
    }
  }
  theirs.param_groups.forEach((group, i) => {
    for (const [key, ref] of Object.entries(group)) {
      if (IGNORED.has(key)) continue;
      const held = mine.paramGroups[i]?.[camel(key)];
      if (JSON.stringify(held) !== JSON.stringify(named(ref))) {
        throw new Error(`${name}: group ${i} has ${camel(key)} ${String(held)}, PyTorch has ${String(ref)}`);
      }
    }
  });
}

// ----------------------------------------------------------------------------------------------------------- schedules

const RATES: Near = { rtol: 1e-6, atol: 1e-8 };
const Schedulers = optim.lrScheduler as unknown as Record<string, new (...args: Any[]) => Any>;

/** The classes that a schedule needs. */
export const schedulersOf = ({ fn, kwargs }: ScheduleRun): string[] => [
  fn,
  ...((kwargs.schedulers as { fn: string }[] | undefined) ?? []).map((s) => s.fn),
];

function schedulerOf(fn: string, kwargs: Kwargs, optimizer: unknown): Any {
  const { lr_lambda: table, schedulers, ...rest } = kwargs;
  if (table !== undefined) {
    const read = (t: number[]) => (epoch: number) => t[epoch]!;
    const f = Array.isArray((table as unknown[])[0]) ? (table as number[][]).map(read) : read(table as number[]);
    return new Schedulers[fn]!(optimizer, f);
  }
  if (schedulers !== undefined) {
    const made = (schedulers as { fn: string; kwargs: Kwargs }[]).map((s) => schedulerOf(s.fn, s.kwargs, optimizer));
    if (fn === "ChainedScheduler") return new Schedulers[fn]!(made);
    return new Schedulers[fn]!(optimizer, made, options(rest));
  }
  return new Schedulers[fn]!(optimizer, options(rest));
}

export async function checkSchedule(c: ScheduleRun, device: Device): Promise<void> {
  setDefaultDevice(device);
  const groups = listed(c.baseLr).map((lr) => ({ params: [new nn.Parameter(ops.zeros([1]))], lr }));
  const optimizer = new Optimizers[c.optimizer]!(groups, c.optimizer === "SGD" ? { lr: 0.1, momentum: 0.9 } : {});
  const schedule = schedulerOf(c.fn, c.kwargs, optimizer);
  const look = (i: number): void => {
    const held = optimizer.paramGroups as { lr: number; momentum: number; betas: number[] }[];
    close(
      `${c.name}: rate ${i}`,
      held.map((g) => g.lr),
      listed(c.lrs[i]),
      RATES,
    );
    if (c.momenta) close(`${c.name}: momentum ${i}`, [held[0]!.momentum], [c.momenta[i]!], RATES);
    if (c.betas) close(`${c.name}: betas ${i}`, held[0]!.betas, c.betas[i]!, RATES);
  };
  if (c.metrics === undefined) look(0);
  for (let i = c.metrics === undefined ? 1 : 0; i < c.lrs.length; i++) {
    schedule.step(...(c.metrics === undefined ? [] : [c.metrics[i]]));
    look(i);
  }
}

// ------------------------------------------------------------------------------------------------------------ training

/** Modules, functions and the optimizer that a network names and that are not here yet. */
export function lackingOf(c: TrainingRun): string[] {
  const modules = [...c.net.join(" ").matchAll(/nn\.([A-Z]\w+)/g)]
    .map((m) => m[1]!)
    .filter((name) => name !== "Module");
  const functions = [...c.net.join(" ").matchAll(/(?:F|torch)\.([a-z]\w+)/g)]
    .map((m) => m[1]!)
    .filter((name) => name !== "bool");
  return [
    ...modules.filter((name) => !(name in nn)),
    ...[...functions, c.loss].filter((name) => callOf(name) === null),
    ...(c.optimizer in optim ? [] : [c.optimizer]),
  ];
}

/** The networks by the names of their classes: to be written here when their modules come. */
const NETS: Record<string, (o: Kwargs) => nn.Module> = {
  MLP: ({ inputs, hidden }) => {
    class MLP extends nn.Module {
      a = new nn.Linear(inputs as number, hidden as number);
      b = new nn.Linear(hidden as number, 1);
      forward(x: Tensor): Tensor {
        return this.b.forward(ops.tanh(this.a.forward(x)));
      }
    }
    return new MLP();
  },
};

export async function checkTraining(c: TrainingRun, device: Device): Promise<void> {
  const [, type] = /^class (\w+)/.exec(c.net[0]!)!;
  const make = NETS[type!];
  if (make === undefined) throw new Error(`${type}: goldens/runs.ts does not have this network yet`);
  setDefaultDevice(device);
  const later: Later = [];
  const model = make(c.arguments);
  const dict = Object.entries(c.stateDict).map(([key, data]) => [key, tensorOf(data)]);
  model.loadStateDict(Object.fromEntries(dict) as never);
  const optimizer = new Optimizers[c.optimizer]!([...model.parameters()], options(c.kwargs));
  const lossOf = callOf(c.loss)!;
  const [x, y] = [tensorOf(c.x), tensorOf(c.y)];
  const forward = (): Tensor => {
    optimizer.zeroGrad();
    const loss = lossOf([model.forward(x)], { target: y }) as Tensor;
    loss.backward();
    if (c.clip_grad_norm !== undefined) nn.utils.clipGradNorm_(model.parameters(), c.clip_grad_norm);
    return loss;
  };
  for (const [i, expected] of c.losses.entries()) {
    const loss: Tensor = c.optimizer === "LBFGS" ? await optimizer.step(forward) : forward();
    if (c.optimizer !== "LBFGS") optimizer.step();
    ask(later, `${c.name}: loss ${i}`, loss, [expected], RUNS);
  }
  scope(() => {
    const last = Object.entries(model.stateDict()) as [string, Tensor][];
    if (last.map(([key]) => key).join() !== Object.keys(c.finalStateDict).join()) {
      throw new Error(`${c.name}: keys ${last.map(([key]) => key)}`);
    }
    for (const [key, value] of last) ask(later, `${c.name}: ${key}`, value, c.finalStateDict[key]!.data, RUNS);
  });
  await settle(later);
}
