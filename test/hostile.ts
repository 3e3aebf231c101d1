// Every public function and method, called with values that it does not expect: what comes back is a result or an error of the
// package, soon, and tensors that were no argument stay whole. `npm run hostile -- --calls N --seed S`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import fc from "fast-check";
import * as amp from "../src/amp/index.ts";
import * as datasets from "../src/data/index.ts";
import * as w from "../src/index.ts";
import { nn, optim, type Tensor, WasmgradError } from "../src/index.ts";
import * as format from "../src/io/safetensors.ts";

// biome-ignore lint/suspicious/noExplicitAny: wrong programs
type Any = any;
await w.init({ threads: 1, maximumMemory: 2 ** 28 });

/** What the values throw themselves is theirs. */
class Theirs extends Error {}
const theirs = (): never => {
  throw new Theirs("theirs");
};
const nested = (depth: number): unknown => {
  let list: unknown = 1;
  for (let i = 0; i < depth; i++) list = [list];
  return list;
};
const endless = (): unknown => {
  const list: unknown[] = [];
  list.push(list);
  return list;
};
const leaf = (...shape: number[]): Tensor => w.ones(shape, { requiresGrad: true });
const gone = (): Tensor => {
  const x = w.ones([2, 3]);
  x.dispose();
  return x;
};

/** Tensors, made anew for each call: what is written into them is nobody else's. */
const TENSORS: Record<string, () => Tensor> = {
  matrix: () => w.rand([2, 3]),
  vector: () => w.ones([3]),
  scalar: () => w.ones([]),
  image: () => w.ones([1, 2, 4, 4]),
  labels: () => w.zeros([2], { dtype: "int32" }),
  mask: () => w.ones([2, 3], { dtype: "bool" }),
  turned: () => w.rand([3, 2]).t(),
  expanded: () => w.ones([3]).expand(2, 3),
  leaf: () => leaf(2, 3),
  result: () => leaf(2, 3).mul(2),
  loss: () => leaf(2, 3).sum(),
  nothing: () => w.zeros([0, 3]),
  released: gone,
  parameter: () => new nn.Parameter(w.ones([2, 3])),
};

const OTHERS: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  0: () => 0,
  "-0": () => -0,
  1: () => 1,
  "-1": () => -1,
  2: () => 2,
  0.5: () => 0.5,
  1e300: () => 1e300,
  "2^31": () => 2 ** 31,
  "2^53": () => 2 ** 53,
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  "-Infinity": () => Number.NEGATIVE_INFINITY,
  "1n": () => 1n,
  '""': () => "",
  '"a"': () => "a",
  '"float32"': () => "float32",
  '"wasm"': () => "wasm",
  '"mean"': () => "mean",
  "a long string": () => "x".repeat(100_000),
  symbol: () => Symbol("s"),
  function: () => () => 1,
  "async function": () => async () => 1,
  "throwing function": () => theirs,
  class: () => class A {},
  "[]": () => [],
  "[1]": () => [1],
  "[2,3]": () => [2, 3],
  "[0,1]": () => [0, 1],
  "[-1]": () => [-1],
  "[2^40]": () => [2 ** 40],
  "[1e300,1e300]": () => [1e300, 1e300],
  ragged: () => [[1, 2], [3]],
  "[undefined]": () => [undefined],
  holes: () => new Array(3),
  '["a"]': () => ["a"],
  "[NaN]": () => [Number.NaN],
  "[symbol]": () => [Symbol("s")],
  "[1n]": () => [1n],
  "[tensor]": () => [w.ones([2, 3])],
  "deep array": () => nested(20_000),
  "endless array": endless,
  "{}": () => ({}),
  "{ dim: 0 }": () => ({ dim: 0 }),
  "{ dtype: int32 }": () => ({ dtype: "int32" }),
  "{ zzz: 1 }": () => ({ zzz: 1 }),
  "{ lr: tensor }": () => ({ lr: w.ones([1]) }),
  "{ shape }": () => ({ shape: [1], dtype: "float32" }),
  "{ params }": () => ({ params: [leaf(2)], paramGroups: [5] }),
  "{ device: {} }": () => ({ device: {} }),
  "no prototype": () => Object.create(null),
  "{ toString: null }": () => ({ toString: null, valueOf: null }),
  "{ valueOf }": () => ({ valueOf: () => 1 }),
  "throwing getter": () => ({
    get dim() {
      return theirs();
    },
  }),
  date: () => new Date(0),
  regexp: () => /r/,
  map: () => new Map([[1, 2]]),
  set: () => new Set([w.ones([1])]),
  promise: () => Promise.resolve(1),
  Float32Array: () => new Float32Array(6),
  Int32Array: () => Int32Array.of(2, 3),
  Uint8Array: () => new Uint8Array(8),
  BigInt64Array: () => new BigInt64Array(2),
  ArrayBuffer: () => new ArrayBuffer(8),
  DataView: () => new DataView(new ArrayBuffer(8)),
  module: () => new nn.Linear(3, 2),
  optimizer: () => new optim.SGD([leaf(2)], { lr: 0.1 }),
  device: () => w.defaultDevice(),
};

export const VALUES: Record<string, () => unknown> = { ...TENSORS, ...OTHERS };
const NAMES = Object.keys(VALUES);
const TENSOR_NAMES = Object.keys(TENSORS);

/** A call: what it is made on, if anything, and how. */
type Target = (args: unknown[]) => unknown;

const isClass = (f: unknown): f is new (...args: Any[]) => Any =>
  typeof f === "function" && /^class\b/.test(Function.prototype.toString.call(f));

/** They change what all calls share, measure for seconds, or ask the network. */
const APART = new Set([
  "init",
  "setDefaultDevice",
  "calibrate",
  "WasmgradError",
  "UnavailableError",
  "Tensor",
  "Module",
  "Optimizer",
  "LRScheduler",
  "fans",
  "layerDefault",
]);

function methodsOf(make: () => Any): string[] {
  const names = new Set<string>();
  for (let o = Object.getPrototypeOf(make()); o !== Object.prototype && o !== null; o = Object.getPrototypeOf(o)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(o)))
      if (typeof value === "function" && name !== "constructor") names.add(name);
  }
  return [...names];
}

/** Insides that stand on the class. */
const INSIDE = new Set(
  (
    "release setGrad toNet unwatched releaseUnread describe bufferOptions namedNodes namedState forwardAll rate batches copy write " +
    "restart rewind saved expectState takeState attempt momentum"
  ).split(" "),
);

export const TARGETS: Record<string, Target> = {};
for (const [room, all] of Object.entries({
  "": w,
  init: nn.init,
  utils: nn.utils,
  nn,
  optim,
  lr: optim.lrScheduler,
  swa: optim.swaUtils,
  data: datasets,
  amp,
  io: format,
})) {
  for (const [name, f] of Object.entries(all as Record<string, Any>)) {
    if (typeof f !== "function" || APART.has(name)) continue;
    TARGETS[`${room}${room && "."}${name}`] = isClass(f) ? (args) => new f(...args) : (args) => f(...args);
  }
}
const OBJECTS: Record<string, () => Any> = {
  ...Object.fromEntries(TENSOR_NAMES.map((name) => [name, TENSORS[name]!])),
  Linear: () => new nn.Linear(3, 2),
  Sequential: () => new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU()),
  Conv2d: () => new nn.Conv2d(2, 2, 3),
  CrossEntropyLoss: () => new nn.CrossEntropyLoss(),
  SGD: () => new optim.SGD([leaf(2)], { lr: 0.1, momentum: 0.9 }),
  Adam: () => new optim.Adam([{ params: [leaf(2)] }]),
  LinearLR: () => new optim.lrScheduler.LinearLR(new optim.SGD([leaf(2)])),
  WarmRestarts: () => new optim.lrScheduler.CosineAnnealingWarmRestarts(new optim.SGD([leaf(2)]), { T0: 3 }),
  OneCycleLR: () => new optim.lrScheduler.OneCycleLR(new optim.Adam([leaf(2)]), { maxLr: 1, totalSteps: 9 }),
  Plateau: () => new optim.lrScheduler.ReduceLROnPlateau(new optim.SGD([leaf(2)])),
  Chained: () => new optim.lrScheduler.ChainedScheduler([OBJECTS.LinearLR!()]),
  AveragedModel: () => new optim.swaUtils.AveragedModel(new nn.Linear(3, 2)),
  GradScaler: () => new amp.GradScaler(),
  TensorDataset: () => new datasets.TensorDataset(new Float32Array(4)),
  DataLoader: () => new datasets.DataLoader(new datasets.TensorDataset(new Float32Array(4))),
};
for (const [name, make] of Object.entries(OBJECTS)) {
  for (const method of methodsOf(make)) {
    if (INSIDE.has(method)) continue;
    TARGETS[`${name}.${method}()`] = (args) => make()[method](...args);
  }
}
for (const key of ["grad", "requiresGrad", "name"]) {
  TARGETS[`leaf.${key} =`] = ([value]) => {
    const x = leaf(2, 3);
    (x as Any)[key] = value;
    return x.mul(2);
  };
}
const shared = w.defaultDevice();
for (const key of [
  "device",
  "threads",
  "simd",
  "maximumMemory",
  "deterministic",
  "debug",
  "integrity",
  "worker",
  "gpu",
]) {
  TARGETS[`init {${key}}`] = async ([value]) => {
    try {
      const device = await w.init({ [key]: value });
      if (device !== shared) await device.dispose();
    } finally {
      w.setDefaultDevice(shared);
    }
  };
}
TARGETS["captured ()"] = (args) => (w.capture((x?: Tensor) => w.mul(x as Tensor, 2)) as Any)(...args);
TARGETS["group.lr ="] = ([value]) => {
  const optimizer = new optim.SGD([leaf(2)]);
  optimizer.paramGroups[0]!.lr = value as number;
};
for (const key of ["momentum", "nesterov", "weightDecay", "maximize"]) {
  TARGETS[`group.${key} =`] = ([value]) => {
    const p = leaf(2);
    const optimizer = new optim.SGD([p]);
    (optimizer.paramGroups[0] as Any)[key] = value;
    p.sum().backward();
    optimizer.step();
  };
}

/** A class in the place of a function, which the host refuses to call. */
const CALLED = /^Class constructor A cannot be invoked without 'new'/;

/** Longest time that a call may take, in milliseconds: far more than any needs, on a machine that has other things to do. */
const LONGEST = 5000;

/** Names of options that some function has, with any value. */
const OPTIONS =
  "dim keepdim dtype device requiresGrad shape reduction weight ignoreIndex labelSmoothing stride padding dilation groups ceilMode " +
  "countIncludePad divisorOverride eps bias elementwiseAffine startDim endDim gain a mode nonlinearity lr momentum dampening weightDecay " +
  "nesterov maximize betas amsgrad setToNone startFactor endFactor totalIters stepSize gamma milestones TMax T0 TMult maxLr totalSteps baseLr swaLr lastEpoch retainGraph createGraph gradient alpha min max persistent " +
  "strict batchSize shuffle dropLast seed count train name dims items data scale shift initScale growthFactor growthInterval enabled params";
const option = (name: string): unknown => {
  const [, key, value] = /^\{(\w+)=(.*)\}$/.exec(name)!;
  return { [key!]: VALUES[value!]!() };
};

/** What a call must not do, in words; null where it is as it should be. */
export async function wrong(target: string, args: readonly string[]): Promise<string | null> {
  const given = args.map((name) => (name in VALUES ? VALUES[name]!() : option(name)));
  const start = performance.now();
  let trouble: string | null = null;
  try {
    let result = TARGETS[target]!(given);
    if (typeof result === "object" && result !== null) {
      if (typeof (result as Any).then === "function") result = await result;
      else if (typeof (result as Any).next === "function") for (let i = 0; i < 3; i++) await (result as Any).next();
    }
  } catch (error) {
    const fine = error instanceof WasmgradError || error instanceof Theirs || CALLED.test((error as Error)?.message);
    if (!fine) trouble = `${(error as Error)?.stack ?? String(error)}`.split("\n").slice(0, 7).join("\n");
    else if ((error as Error).message.length > 2000 && !/^(load|save)$/.test(target))
      trouble = `a message of ${(error as Error).message.length} characters`;
  }
  const took = performance.now() - start;
  if (trouble === null && took > LONGEST) trouble = `it took ${Math.round(took)} ms`;
  return trouble === null ? null : `${target} (${args.join(", ")}): ${trouble}`;
}

const [functions, others] = [/^[\w.]+$/, /\W[^.]*$/].map((form) =>
  Object.keys(TARGETS).filter((name) => form.test(name)),
);

const call = fc.record({
  target: fc.oneof(fc.constantFrom(...functions!), fc.constantFrom(...others!)),
  args: fc
    .tuple(
      fc.oneof(
        { weight: 2, arbitrary: fc.constantFrom(...TENSOR_NAMES) },
        { weight: 1, arbitrary: fc.constantFrom(...NAMES) },
      ),
      fc.array(
        fc.oneof(
          { weight: 1, arbitrary: fc.constantFrom(...TENSOR_NAMES) },
          { weight: 3, arbitrary: fc.constantFrom(...NAMES) },
          {
            weight: 2,
            arbitrary: fc
              .tuple(fc.constantFrom(...OPTIONS.split(" ")), fc.constantFrom(...NAMES))
              .map(([key, value]) => `{${key}=${value}}`),
          },
        ),
        { maxLength: 3 },
      ),
      fc.nat(9),
    )
    .map(([first, rest, some]) => (some === 0 ? rest : [first, ...rest])),
});

/** Calls, and says what was wrong, each kind of it once: by the function and the first line of the error. */
export async function hostile(calls: number, seed: number, most = 50): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "wasmgrad-hostile-"));
  const before = process.cwd();
  process.chdir(folder);
  const canaries = [w.rand([64]), w.randn([8, 8]), w.randint(0, 9, [16])].map((x) => x.keep());
  const values = await Promise.all(canaries.map((x) => x.data()));
  const lasting = new nn.Linear(3, 2);
  const weight = await lasting.weight.data();
  const found = new Map<string, string>();
  const whole = async (): Promise<void> => {
    await w.flush().catch(() => {}); // a label out of range, which comes at the next wait
    for (const [i, x] of canaries.entries())
      if (!(await x.data()).every((v, j) => v === values[i]![j]))
        found.set(`canary ${i}`, `canary ${i} has other values`);
    if (!(await lasting.weight.data()).every((v, i) => v === weight[i]))
      found.set("weight", "a weight has other values");
    const x = leaf(2);
    const y = x.mul(2);
    if (!y.requiresGrad) found.set("mode", "gradients are off");
    y.sum().backward();
    if ((await x.grad!.data())[0] !== 2) found.set("backward", "a gradient is wrong");
  };
  try {
    let done = 0;
    await fc.assert(
      fc.asyncProperty(call, async ({ target, args }) => {
        if (found.size >= most) return;
        const said = await wrong(target, args);
        if (said !== null) {
          const [line, , at] = said.slice(said.indexOf("): ")).split("\n");
          const key = `${target} ${line} ${at}`;
          if (!found.has(key)) found.set(key, said);
        }
        if (++done % 500 === 0) await whole();
      }),
      { numRuns: calls, seed },
    );
    await whole();
  } finally {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  }
  return [...found.values()];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { calls: { type: "string", default: "200000" }, seed: { type: "string" }, most: { type: "string" } },
  });
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  process.on("unhandledRejection", (error) => {
    console.log(`unhandled: ${(error as Error)?.stack ?? String(error)}`);
    process.exitCode = 1;
  });
  const found = await hostile(Number(values.calls), seed, Number(values.most ?? 50));
  for (const said of found) console.log(`${said}\n`);
  console.log(
    `${values.calls} calls of ${Object.keys(TARGETS).length} functions and methods with ${NAMES.length} values, seed ${seed}: ${found.length} wrong`,
  );
  if (found.length > 0) process.exitCode = 1;
}
