// The workloads of the benchmarks, as plain data: the bench, the guard and every peer build their work from it.
// W1 matrix products, W2 softmax regression, W3 an MLP, W4 the MNIST CNN, W5 a tiny net, W6 elementwise, W7 a
// convolution; CNN: the convolutions of W4 one by one; batch, width: how the cost of the MLP grows; views: products of what does
// not lie dense.

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

export type MapOp = "add" | "relu" | "exp" | "sigmoid" | "softmax" | "sum" | "layernorm";

export interface Conv {
  readonly n: number;
  readonly ci: number;
  readonly co: number;
  /** Height and width of the input, of the kernel, and zeros around the input. */
  readonly size: number;
  readonly kernel: number;
  readonly padding: number;
}

export type Task =
  /** c [m, n] = a b: b is stored [n, k] in nt, a is stored [k, m] in tn. */
  | { readonly kind: "matmul"; form: "nn" | "nt" | "tn"; m: number; n: number; k: number }
  | ({ readonly kind: "conv"; pass: "forward" | "dX" | "dW" | "forward+backward" } & Conv)
  /** Rows of 1024. */
  | { readonly kind: "map"; op: MapOp; rows: number }
  | { readonly kind: "forward" | "train"; model: Model; batch: number }
  /** Attention's products over heads side by side, `[b, t, h, d]` seen as `[b, h, t, d]`; linear over each of t steps of `[b, t, d]`. */
  | {
      readonly kind: "view";
      of: "q kT" | "p v" | "select";
      train: boolean;
      b: number;
      t: number;
      h: number;
      d: number;
    }
  /** Ops over parts of one tensor. */
  | { readonly kind: "views"; op: ViewsOp; shape: readonly number[]; backward: boolean };

export type ViewsOp = "gates";

export type Section = "gemm" | "conv" | "elementwise" | "step" | "growth" | "views";
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

const ROW = 1024;

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

const convFlops = (c: Conv): number =>
  2 * c.n * c.co * c.ci * c.kernel ** 2 * (c.size + 2 * c.padding - c.kernel + 1) ** 2;

function matmul(form: "nn" | "nt" | "tn", m: number, n: number, k: number, modes: Mode[], guard = false): Case {
  const shape = m === n && n === k ? `${n}` : `${m}x${n}x${k}`;
  const task = { kind: "matmul", form, m, n, k } as const;
  return {
    ...{ name: `W1 ${form} ${shape}`, workload: "W1", section: "gemm", unit: "GFLOP/s", work: 2 * m * n * k },
    ...{ task, modes, peak: "arithmetic", guard },
  };
}

function conv(name: string, workload: string, pass: "forward" | "dX" | "dW" | "forward+backward", c: Conv): Case {
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

function net(name: string, workload: string, kind: "forward" | "train", model: Model, batch: number): Case {
  const section = workload.startsWith("W") ? "step" : "growth";
  return {
    ...{ name, workload, section, unit: "GFLOP/s", work: batch * modelFlops(model, kind === "train") },
    ...{ task: { kind, model, batch }, modes: ["captured", "eager"], peak: "arithmetic" },
    guard: section === "step" && kind === "train",
  };
}

/** Select has h outputs. */
function view(of: "q kT" | "p v" | "select", train: boolean, b: number, t: number, h: number, d: number): Case {
  const flops = 2 * b * t * h * d * (of === "select" ? 1 : t);
  return {
    ...{ name: `${of}${train ? " train" : ""}`, workload: "views", section: "views", unit: "GFLOP/s" },
    // select's steps have no gradient of the input
    work: flops * (train ? (of === "select" ? 2 : 3) : 1),
    ...{
      task: { kind: "view", of, train, b, t, h, d },
      modes: ["captured", "eager"],
      peak: "arithmetic",
      guard: false,
    },
  };
}

/** Bytes are those of the tensor and the results; gradients make it three times as many. */
function views(op: ViewsOp, shape: readonly number[], backward: boolean): Case {
  const bytes = 8 * shape.reduce((a, b) => a * b, 1);
  return {
    ...{ name: `${op} ${backward ? "forward+backward" : "forward"}`, workload: "views", section: "views" },
    ...{ unit: "GB/s", work: (backward ? 3 : 1) * bytes, task: { kind: "views", op, shape, backward } },
    ...{ modes: ["captured", "eager"], peak: "copy", guard: false },
  };
}

const { softmax, cnn, tiny } = models;
const w7: Conv = { n: 32, ci: 64, co: 64, size: 28, kernel: 3, padding: 1 };
const conv1: Conv = { n: 64, ci: 1, co: 10, size: 28, kernel: 5, padding: 0 };
const conv2: Conv = { n: 64, ci: 10, co: 20, size: 12, kernel: 5, padding: 0 };

export const cases: readonly Case[] = [
  ...[64, 128, 256, 512, 1024, 2048].flatMap((n) =>
    (["nn", "nt", "tn"] as const).map((form) =>
      matmul(form, n, n, n, n <= 256 && form === "nn" ? ["captured", "eager"] : ["captured"], n <= 512),
    ),
  ),
  matmul("nn", 64, 10, 784, ["captured"], true),
  matmul("nn", 785, 17, 333, ["captured"], true),
  matmul("nn", 10, 25, 36864, ["captured"]),
  matmul("nt", 64, 520, 784, ["captured"]),
  matmul("tn", 520, 784, 64, ["captured"]),
  matmul("nn", 1, 1024, 1024, ["captured"]),

  conv("W7", "W7", "forward", w7),
  conv("W7", "W7", "dX", w7),
  conv("W7", "W7", "dW", w7),
  conv("W7", "W7", "forward+backward", w7),
  conv("conv1", "CNN", "forward", conv1),
  conv("conv1", "CNN", "dW", conv1),
  conv("conv2", "CNN", "forward", conv2),
  conv("conv2", "CNN", "dX", conv2),
  conv("conv2", "CNN", "dW", conv2),

  ...[ROW, 16 * ROW].flatMap((rows) =>
    (["add", "relu", "exp", "sigmoid", "softmax", "sum", "layernorm"] as const).map((op) => map(op, rows)),
  ),

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

  ...[false, true].map((backward) => views("gates", [64, 4 * 256], backward)),

  ...[1, 4, 16, 64, 256, 1024, 4096].map((n) => net(`batch ${n}`, "batch", "train", models.mlp, n)),
  ...[32, 64, 128, 256, 512, 1024, 2048].map((n) => net(`width ${n}`, "width", "train", mlp(784, n, n, 10), 64)),

  ...[false, true].flatMap((train) => [
    view("q kT", train, 8, 128, 8, 64),
    view("p v", train, 8, 128, 8, 64),
    view("select", train, 32, 64, 64, 64),
  ]),
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
