// The workloads of the benchmarks, as plain data: the bench, the guard and every peer build their work from it. Those of single
// kernels are cases of the tests (test/cases/measured.ts).
// W1 matrix products, W2 softmax regression, W3 an MLP, W4 the MNIST CNN, W5 a tiny net, W6 elementwise, W7 a
// convolution; CNN: the convolutions of W4 one by one; batch, width: how the cost of the MLP grows; views: products of what does
// not lie dense; functions, optimizers: activations and losses, and steps of optimizers, which are mostly made of several ops.
import {
  type Conv,
  convFlops,
  convs,
  type MapOp,
  mapRows,
  maps,
  type Product,
  products,
  ROW,
} from "../test/cases/measured.ts";

export type Layer =
  | readonly ["linear", number, number]
  | readonly ["conv", number, number, number]
  | readonly ["maxPool", number]
  | readonly ["relu" | "sigmoid" | "flatten"];

export interface Model {
  readonly layers: readonly Layer[];
  /** Shape of one input. */
  readonly input: readonly number[];
  /** Ten classes, or one probability. */
  readonly loss: "crossEntropy" | "binaryCrossEntropy";
  readonly lr: number;
  readonly momentum: number;
}

export type Task =
  /** c [m, n] = a b: b is stored [n, k] in nt, a is stored [k, m] in tn. */
  | ({ readonly kind: "matmul" } & Product)
  | ({ readonly kind: "conv"; pass: "forward" | "dX" | "dW" | "forward+backward" } & Conv)
  /** Rows of 1024. */
  | { readonly kind: "map"; op: MapOp; rows: number }
  | { readonly kind: "forward" | "train"; model: Model; batch: number }
  /**
   * What does not lie dense. Attention's products over heads side by side, `[b, t, h, d]` seen as `[b, h, t, d]`; linear over each of
   * t steps of `[b, t, d]`, with h outputs; the gates of an LSTM, quarters of each row of `[b, 4 n]`.
   */
  | { readonly kind: "views"; of: ViewsOf; train: boolean; sizes: readonly number[] }
  /** The mean of a function of random numbers, and its gradient by the first of them; a loss has a target of their shape, or labels. */
  | { readonly kind: "function"; of: FunctionOf; shape: readonly number[] }
  /** A step over so many floats in one parameter, whose gradient stays. */
  | { readonly kind: "optimizer"; of: OptimizerOf; floats: number; options?: Readonly<Record<string, number>> };

export type ViewsOf = "q kT" | "p v" | "select" | "gates";
export type FunctionOf = "gelu" | "silu" | "mish" | "huber" | "BCE with logits" | "smoothed cross entropy";
export type OptimizerOf = "SGD" | "RMSprop" | "Adagrad" | "NAdam" | "Adam" | "AdamW";

export type Section = "gemm" | "conv" | "elementwise" | "step" | "growth" | "views" | "functions" | "optimizers";
/** `captured`: one program, for what is short holding the work several times. `eager`: op by op. */
export type Mode = "captured" | "eager";

export interface Case {
  readonly name: string;
  readonly workload: string;
  readonly section: Section;
  readonly unit: "GFLOP/s" | "GB/s";
  /** Floating-point operations as of the dense algorithm, or bytes: inputs and outputs once. */
  readonly work: number;
  readonly task: Task;
  readonly modes: readonly Mode[];
  /** The bench's kernel that the share is of: arithmetic alone, or the same streams. */
  readonly peak: "arithmetic" | "copy" | "add" | "sum";
  /** Its share is held to the committed one. */
  readonly guard: boolean;
}

const chain = (sizes: readonly number[]): Layer[] =>
  sizes
    .slice(1)
    .flatMap((n, i): Layer[] =>
      i < sizes.length - 2 ? [["linear", sizes[i]!, n], ["relu"]] : [["linear", sizes[i]!, n]],
    );

const mlp = (...sizes: number[]): Model => ({
  layers: chain(sizes),
  input: [sizes[0]!],
  loss: "crossEntropy",
  lr: 0.01,
  momentum: 0.5,
});

export const models = {
  softmax: { ...mlp(784, 10), lr: 0.1, momentum: 0 },
  mlp: mlp(784, 520, 320, 240, 120, 10),
  cnn: {
    layers: [
      ["conv", 1, 10, 5],
      ["maxPool", 2],
      ["relu"],
      ["conv", 10, 20, 5],
      ["maxPool", 2],
      ["relu"],
      ["flatten"],
      ["linear", 320, 10],
    ],
    input: [1, 28, 28],
    loss: "crossEntropy",
    lr: 0.01,
    momentum: 0.5,
  },
  tiny: {
    layers: [...chain([5, 8, 4, 1]), ["sigmoid"]],
    input: [5],
    loss: "binaryCrossEntropy",
    lr: 0.1,
    momentum: 0,
  },
} satisfies Record<string, Model>;

/** Operations of one input's way through the model; with training also those of both gradients. */
export function modelFlops(model: Model, train: boolean): number {
  let [, , size] = model.input as [number, number?, number?];
  let flops = 0;
  let first = true;
  for (const layer of model.layers) {
    let own = 0;
    if (layer[0] === "linear") own = 2 * layer[1] * layer[2];
    else if (layer[0] === "conv") {
      size = size! - layer[3] + 1;
      own = 2 * size * size * layer[1] * layer[2] * layer[3] ** 2;
    } else if (layer[0] === "maxPool") size = size! / layer[1];
    if (own === 0) continue;
    // The input of the first layer wants no gradient.
    flops += own * (train ? (first ? 2 : 3) : 1);
    first = false;
  }
  return flops;
}

/** Products whose shares are held, besides the square ones. */
const HELD = ["64x10x784", "785x17x333"];

function matmul(product: Product): Case {
  const { form, m, n, k } = product;
  const square = m === n && n === k;
  const shape = square ? `${n}` : `${m}x${n}x${k}`;
  return {
    ...{ name: `W1 ${form} ${shape}`, workload: "W1", section: "gemm", unit: "GFLOP/s", work: 2 * m * n * k },
    ...{ task: { kind: "matmul", ...product }, peak: "arithmetic" },
    modes: square && n <= 256 && form === "nn" ? ["captured", "eager"] : ["captured"],
    guard: square ? n <= 512 : HELD.includes(shape),
  };
}

function conv(name: keyof typeof convs, pass: "forward" | "dX" | "dW" | "forward+backward"): Case {
  const c = convs[name];
  const workload = name === "W7" ? "W7" : "CNN";
  return {
    ...{ name: `${name} ${pass}`, workload, section: "conv", unit: "GFLOP/s" },
    work: convFlops(c) * (pass === "forward+backward" ? 3 : 1),
    ...{ task: { kind: "conv", pass, ...c }, modes: ["eager"], peak: "arithmetic" },
    guard: pass !== "forward+backward",
  };
}

function map(op: MapOp, rows: number): Case {
  const streams = op === "add" ? 3 : op === "sum" ? 1 : 2;
  return {
    ...{ name: `W6 ${op} ${rows / ROW}M`, workload: "W6", section: "elementwise", unit: "GB/s" },
    ...{ work: streams * 4 * rows * ROW, task: { kind: "map", op, rows }, modes: ["captured"] },
    ...{ peak: op === "add" || op === "sum" ? op : "copy", guard: rows === ROW },
  };
}

export function net(name: string, workload: string, kind: "forward" | "train", model: Model, batch: number): Case {
  const section = workload.startsWith("W") ? "step" : "growth";
  return {
    ...{ name, workload, section, unit: "GFLOP/s", work: batch * modelFlops(model, kind === "train") },
    ...{ task: { kind, model, batch }, modes: ["captured", "eager"], peak: "arithmetic" },
    guard: section === "step" && kind === "train",
  };
}

/** Bytes of the gates are those of the tensor and the results; gradients make it three times as many. */
function views(of: ViewsOf, train: boolean, ...sizes: number[]): Case {
  const [b, t, h, d] = sizes as [number, number, number, number];
  const gates = of === "gates";
  const once = gates ? 8 * b * t : 2 * b * t * h * d * (of === "select" ? 1 : t);
  return {
    name: gates ? `${of} ${train ? "forward+backward" : "forward"}` : `${of}${train ? " train" : ""}`,
    ...{ workload: "views", section: "views", unit: gates ? "GB/s" : "GFLOP/s" },
    // select's steps have no gradient of the input
    work: once * (train ? (of === "select" ? 2 : 3) : 1),
    ...{ task: { kind: "views", of, train, sizes }, modes: ["captured", "eager"] },
    ...{ peak: gates ? "copy" : "arithmetic", guard: false },
  };
}

/** Bytes of the inputs and of the gradient, once. */
function mean(of: FunctionOf, ...shape: number[]): Case {
  const floats = shape.reduce((a, b) => a * b, 1);
  const streams = of === "huber" || of === "BCE with logits" ? 3 : 2;
  return {
    ...{ name: `${of} ${shape.length > 1 ? shape.join("x") : `${floats / 2 ** 20}M`}`, workload: "functions" },
    ...{ section: "functions", unit: "GB/s", work: 4 * streams * floats, task: { kind: "function", of, shape } },
    ...{ modes: ["captured"], peak: streams === 3 ? "add" : "copy", guard: false },
  };
}

/** Bytes of the gradient, read, and of the parameter and its state, read and written. */
function update(of: OptimizerOf, floats: number): Case {
  const streams = of === "RMSprop" || of === "Adagrad" ? 5 : 7;
  return {
    ...{ name: `${of} ${floats / 2 ** 20}M`, workload: "optimizers", section: "optimizers", unit: "GB/s" },
    ...{ work: 4 * streams * floats, task: { kind: "optimizer", of, floats }, modes: ["captured"] },
    ...{ peak: "add", guard: false },
  };
}

const { softmax, cnn, tiny } = models;

export const cases: readonly Case[] = [
  ...products.map(matmul),

  ...(["forward", "dX", "dW", "forward+backward"] as const).map((pass) => conv("W7", pass)),
  ...(["forward", "dW"] as const).map((pass) => conv("conv1", pass)),
  ...(["forward", "dX", "dW"] as const).map((pass) => conv("conv2", pass)),

  ...mapRows.flatMap((rows) => maps.map((op) => map(op, rows))),

  net("W2 train 64", "W2", "train", softmax, 64),
  net("W2 train 1024", "W2", "train", softmax, 1024),
  net("W3 train 64", "W3", "train", models.mlp, 64),
  net("W3 forward 64", "W3", "forward", models.mlp, 64),
  net("W4 train 64", "W4", "train", cnn, 64),
  net("W4 train 512", "W4", "train", cnn, 512),
  net("W4 forward 64", "W4", "forward", cnn, 64),
  net("W4 forward 512", "W4", "forward", cnn, 512),
  net("W5 train 32", "W5", "train", tiny, 32),
  net("W5 train 1000", "W5", "train", tiny, 1000),

  ...[false, true].map((train) => views("gates", train, 64, 4 * 256)),

  ...[1, 4, 16, 64, 256, 1024, 4096].map((n) => net(`batch ${n}`, "batch", "train", models.mlp, n)),
  ...[32, 64, 128, 256, 512, 1024, 2048].map((n) => net(`width ${n}`, "width", "train", mlp(784, n, n, 10), 64)),

  ...[false, true].flatMap((train) => [
    views("q kT", train, 8, 128, 8, 64),
    views("p v", train, 8, 128, 8, 64),
    views("select", train, 32, 64, 64, 64),
  ]),

  ...(["gelu", "silu", "mish", "huber", "BCE with logits"] as const).map((of) => mean(of, 2 ** 20)),
  mean("smoothed cross entropy", 8192, 128),
  ...(["RMSprop", "Adagrad", "NAdam", "Adam", "AdamW"] as const).map((of) => update(of, 2 ** 20)),
];

/** What the names of the workloads stand for, for headings. */
export const titles: Record<string, string> = {
  W1: "Matrix products",
  W2: "Softmax regression 784-10, one SGD step",
  W3: "MLP 784-520-320-240-120-10, batch 64",
  W4: "MNIST CNN (conv 1-10 k5, pool, relu, conv 10-20 k5, pool, relu, linear 320-10)",
  W5: "Tiny net 5-8-4-1, one SGD step",
  W6: "Elementwise and rows of 1024",
  W7: "Convolution 32x64x28x28, 64 channels, k3, padding 1",
  CNN: "The convolutions of the MNIST CNN, batch 64",
  batch: "How the cost grows: the step of the MLP of W3 over the batch size",
  views: "What does not lie dense: the gates of an LSTM, heads of 8 x 128 x 8 x 64, 64 steps of 32 x 64 into linear",
  width: "How the cost grows: the step of the MLP 784-n-n-10 at batch 64 over its width n",
  functions: "Activations and losses with their mean, forward and backward",
  optimizers: "One step over 1 Mi floats in one parameter",
};

/** Cases by workload or by a name's beginning; everything when nothing is asked for. Throws on what is unknown. */
export function select(wanted: readonly string[]): Case[] {
  for (const w of wanted) {
    if (!cases.some((c) => chosen(c, w))) {
      throw new Error(`no case ${w}: a workload (${Object.keys(titles).join(", ")}) or the beginning of a case's name`);
    }
  }
  return cases.filter((c) => wanted.length === 0 || wanted.some((w) => chosen(c, w)));
}

const chosen = (c: Case, wanted: string): boolean =>
  c.workload === wanted || c.name === wanted || c.name.startsWith(`${wanted} `);
