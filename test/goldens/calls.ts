// How a function that PyTorch names is called here: `callOf` finds the public function, or else the method, of its name in
// camelCase; null where there is none yet. Recorded cases and drawn programs (fuzz/) both go through it.
import * as wasmgrad from "../../src/index.ts";
import { nn, Tensor, tensor } from "../../src/index.ts";
import * as ops from "../../src/ops/index.ts";
import { camel } from "./recorded.ts";

// biome-ignore lint/suspicious/noExplicitAny: kwargs of a recording are checked by running it
type Any = any;
type Options = Record<string, Any>;
export type Call = (inputs: readonly Tensor[], options: Options) => Tensor | readonly Tensor[];
type F = (...args: Any[]) => Any;
type Adapter = (f: F, inputs: readonly Tensor[], options: Options) => Any;

/** These keywords are positional here, behind the inputs; others follow as options when there are any. */
function positional(...names: string[]): Adapter {
  return (f, inputs, given) => {
    const rest = { ...given };
    const args = names.map((name) => rest[name]);
    for (const name of names) delete rest[name];
    if (Object.keys(rest).length > 0) return f(...inputs, ...args, rest);
    while (args.length > 0 && args[args.length - 1] === undefined) args.pop();
    return f(...inputs, ...args);
  };
}

/** A second operand that is a tensor, or the number `other`. */
const operand: Adapter = (f, inputs, { other, ...rest }) => {
  const args = other === undefined ? inputs : [...inputs, other];
  return Object.keys(rest).length === 0 ? f(...args) : f(...args, rest);
};
const loss: Adapter = (f, inputs, { target, ...rest }) => f(...inputs, ...(target === undefined ? [] : [target]), rest);
const conv: Adapter = (f, [x, weight, bias], rest) => f(x, weight, bias ?? null, rest);
/** Without the indices, which PyTorch returns where it is asked to. */
const pool: Adapter = (f, [x], { kernelSize, returnIndices: _, ...rest }) => f(x, kernelSize, rest);

const clamp: Adapter = (f, [x, low, high], o) => f(x, { min: low ?? o.min ?? null, max: high ?? o.max ?? null });

/** Losses of inputs, which come first, and a target. */
const LOSSES = [
  ..."mseLoss l1Loss smoothL1Loss huberLoss crossEntropy nllLoss binaryCrossEntropy binaryCrossEntropyWithLogits".split(
    " ",
  ),
  ..."klDiv poissonNllLoss multiMarginLoss multilabelMarginLoss multilabelSoftMarginLoss marginRankingLoss".split(" "),
  ..."hingeEmbeddingLoss softMarginLoss cosineEmbeddingLoss".split(" "),
];

/** The rest takes all inputs, then the options when there are any. */
const ADAPTERS: Record<string, Adapter> = {
  ...Object.fromEntries(
    ["add", "sub", "mul", "div", "floorDivide", "fmod", "remainder", "add_", "sub_", "mul_", "div_"].map((name) => [
      name,
      operand,
    ]),
  ),
  ...Object.fromEntries(["eq", "ne", "lt", "le", "gt", "ge"].map((name) => [name, operand])),
  ...Object.fromEntries(["argmax", "argmin", "max", "min"].map((name) => [name, positional("dim", "keepdim")])),
  ...Object.fromEntries(["softmax", "logSoftmax", "softmin", "glu"].map((name) => [name, positional("dim")])),
  ...Object.fromEntries(["view", "expand", "reshape"].map((name) => [name, positional("shape")])),
  ...Object.fromEntries(["squeeze", "unsqueeze", "unbind"].map((name) => [name, positional("dim")])),
  ...Object.fromEntries(LOSSES.map((name) => [name, loss])),
  ...Object.fromEntries(["maxPool2d", "avgPool2d"].map((name) => [name, pool])),
  ...Object.fromEntries(["pow", "floatPower"].map((name) => [name, positional("exponent")])),
  lerp: positional("weight"),
  permute: positional("dims"),
  transpose: positional("dim0", "dim1"),
  flatten: positional("startDim", "endDim"),
  narrow: positional("dim", "start", "length"),
  select: positional("dim", "index"),
  slice: positional("dim", "start", "end", "step"),
  diagonal: positional("offset", "dim1", "dim2"),
  movedim: positional("source", "destination"),
  chunk: positional("chunks", "dim"),
  split: (f, [x], { splitSize, splitSizeOrSections, dim }) => f(x, splitSize ?? splitSizeOrSections, dim),
  unfold: positional("dimension", "size", "step"),
  gaussianNllLoss: (f, [x, ...others], { target, ...rest }) =>
    f(x, ...(target === undefined ? [] : [target]), ...others, rest),
  ctcLoss: positional("inputLengths", "targetLengths"),
  leakyRelu: positional("negativeSlope"),
  ...Object.fromEntries(["elu", "celu"].map((name) => [name, positional("alpha")])),
  ...Object.fromEntries(["hardshrink", "softshrink"].map((name) => [name, positional("lambd")])),
  hardtanh: positional("minVal", "maxVal"),
  softplus: positional("beta", "threshold"),
  threshold: positional("threshold", "value"),
  rrelu: positional("lower", "upper", "training"),
  fill_: positional("value"),
  where: (f, inputs, { condition }) => (condition === undefined ? f(...inputs) : f(condition, ...inputs)),
  maskedFill: (f, [x, mask], o) => f(x, mask ?? o.mask, o.value),
  maskedFill_: (f, [x, mask], o) => f(x, mask ?? o.mask, o.value),
  clamp,
  heaviside: (f, [x, values], o) => f(x, values ?? o.values ?? tensor([o.value]).view([])),
  layerNorm: (f, [x, weight, bias], { normalizedShape, ...o }) => f(x, normalizedShape, weight, bias, o),
  conv2d: conv,
};

/** Compositions that recordings have under a name of their own. */
const COMPOSED: Record<string, Call> = {
  isfiniteIsinfIsnan: ([x]) => [ops.isfinite(x!), ops.isinf(x!), ops.isnan(x!)],
  powScalarBase: ([x], o) => ops.pow(o.self, x!),
  transposeReshape: ([x], o) => ops.reshape(ops.transpose(x!, o.dim0, o.dim1), o.shape),
  matmulTn: ([a, b]) => ops.matmul(ops.t(a!), b!),
  tripletMarginWithDistanceLoss: ([a, p, n], { distanceFunction: _, ...o }) =>
    ops.tripletMarginWithDistanceLoss(a!, p!, n!, {
      ...o,
      distanceFunction: (x, y) => ops.sub(1, ops.cosineSimilarity(x, y)),
    }),
  ctcLossOfLogits: ([x], { targets, inputLengths, targetLengths, ...o }) =>
    ops.ctcLoss(ops.logSoftmax(x!, -1), targets, inputLengths, targetLengths, o),
  matmulNt: ([a, b]) => ops.matmul(a!, ops.t(b!)),
};

/** The public function of a name, `linalg.solve` too, or the method as a function. */
function found(path: string): F | null {
  const parts = path.split(".");
  const name = parts[parts.length - 1]!;
  const room = parts.length === 1 ? wasmgrad : parts[0] === "Tensor" ? {} : (wasmgrad as Any)[parts[0]!];
  const f = (room as Options | undefined)?.[name];
  if (typeof f === "function") return f;
  const method = (Tensor.prototype as Any)[name];
  const known = parts.length === 1 || parts[0] === "Tensor";
  return known && typeof method === "function" ? (x: Tensor, ...rest: Any[]) => method.apply(x, rest) : null;
}

export function callOf(fn: string): Call | null {
  const name = camel(fn);
  if (COMPOSED[name] !== undefined) return COMPOSED[name];
  if (/^[A-Z]\w*$/.test(fn)) return moduleOf(fn);
  const f = found(name);
  if (f === null) return null;
  const adapter = ADAPTERS[name.replace(/^.*\./, "")];
  if (adapter !== undefined) return (inputs, o) => listed(adapter(f, inputs, o));
  return (inputs, o) => listed(Object.keys(o).length === 0 ? f(...inputs) : f(...inputs, o));
}

/** `{ values, indices }` as a list of the two, and so on. */
export function listed(result: unknown): Tensor | Tensor[] {
  if (result instanceof Tensor || Array.isArray(result)) return result as Tensor | Tensor[];
  return Object.values(result as Record<string, Tensor>);
}

/** A module of `nn`. How its inputs and parameters are given is to be written here with the module. */
function moduleOf(fn: string): Call | null {
  if (!(fn in nn)) return null;
  return () => {
    throw new Error(`${fn}: goldens/calls.ts does not say yet how this module is called`);
  };
}
