// What `npm run bench -- sweep` goes over: ops at the shapes that ResNets, MobileNets, transformers, recurrent nets and MLPs give them,
// each in our words and in PyTorch's, with a, b, .. for the inputs. The sweep holds the two to the same result.
import type * as wasmgrad from "../src/index.ts";
import type { Task } from "./cases.ts";
import type { Library } from "./work.ts";

type Tensor = wasmgrad.Tensor;

export interface Input {
  readonly shape: readonly number[];
  /** Numbers from -1 to 1, from 1/1009 to 1, or integers below `classes`. */
  readonly of: "signed" | "positive" | "labels";
  readonly classes?: number;
}

export interface SweepOp {
  readonly name: string;
  readonly inputs: readonly Input[];
  ours(w: Library, ...inputs: Tensor[]): Tensor;
  /** An expression in Python. */
  readonly torch: string;
  /** Which inputs want gradients, such as `ab`; without any there is no backward to measure. */
  readonly grads: string;
  /** Of the forward; the backward has as many for each gradient. Only products count: other ops are bound by their bytes. */
  readonly flops: number;
  /** The gradients are made of the inputs too, not of the result's alone. */
  readonly reads: boolean;
  /** Results differ from call to call. */
  readonly random: boolean;
}

/** A step of an optimizer: a task of cases.ts, with the bytes that must come and go. */
export interface SweepStep {
  readonly name: string;
  readonly task: Extract<Task, { kind: "optimizer" }>;
  readonly bytes: number;
}

type Shape = readonly number[];
type Options = Partial<Pick<SweepOp, "flops" | "reads" | "random" | "grads">>;

const signed = (...shape: number[]): Input => ({ shape, of: "signed" });
const positive = (...shape: number[]): Input => ({ shape, of: "positive" });
const labels = (n: number, classes: number): Input => ({ shape: [n], of: "labels", classes });

const op = (
  name: string,
  inputs: readonly Input[],
  ours: SweepOp["ours"],
  torch: string,
  options: Options = {},
): SweepOp => ({ name, inputs, ours, torch, grads: "", flops: 0, reads: true, random: false, ...options });

/** Images of a convolution: few, so that the deepest stages of a net are there as when it is asked for a handful of answers. */
const IMAGES = 4;

interface ConvShape {
  readonly kernel?: number;
  readonly stride?: number;
  readonly groups?: number;
  /** The first layer's input wants no gradient. */
  readonly grads?: string;
}

/** A convolution over images of size² with zeros around that keep it, but for the stride. */
function conv(ci: number, co: number, size: number, shape: ConvShape = {}): SweepOp {
  const { kernel = 3, stride = 1, groups = 1, grads = "ab" } = shape;
  const padding = kernel >> 1;
  const out = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const kind = groups === ci ? "depthwise " : groups > 1 ? `groups ${groups} ` : "";
  return op(
    `conv ${kind}${kernel}x${kernel} ${ci}-${co} ${size}²${stride > 1 ? ` stride ${stride}` : ""}`,
    [signed(IMAGES, ci, size, size), signed(co, ci / groups, kernel, kernel)],
    (w, x, weight) => w.conv2d(x!, weight!, null, { stride, padding, groups }),
    `F.conv2d(a, b, None, ${stride}, ${padding}, 1, ${groups})`,
    { grads, flops: 2 * IMAGES * co * out * out * (ci / groups) * kernel * kernel },
  );
}

/** So many rows into so many outputs. */
const linear = (name: string, rows: number, inputs: number, outputs: number): SweepOp =>
  op(
    `linear ${name}${rows}x${inputs}-${outputs}`,
    [signed(rows, inputs), signed(outputs, inputs), signed(outputs)],
    (w, x, weight, bias) => w.linear(x!, weight!, bias!),
    "F.linear(a, b, c)",
    { grads: "abc", flops: 2 * rows * inputs * outputs },
  );

/** A function element by element of so many floats. */
const FLOATS = 2 ** 20;
const map = (name: string, ours: (w: Library, x: Tensor) => Tensor, torch: string, input = signed(FLOATS)): SweepOp =>
  op(`${name} 1M`, [input], (w, x) => ours(w, x!), torch, { grads: "a" });

const CUBE = [64, 128, 256];
const IMAGE = [IMAGES, 64, 56, 56];

const over = (dims: string, shape: Shape, ours: (w: Library, x: Tensor) => Tensor, torch: string): SweepOp =>
  op(`${dims} of ${shape.join("x")}`, [signed(...shape)], (w, x) => ours(w, x!), torch);

/** a + b over what b lacks: b's gradient is a sum over it. */
const added = (shape: Shape, b: Shape): SweepOp =>
  op(`add ${shape.join("x")} + ${b.join("x")}`, [signed(...shape), signed(...b)], (w, x, y) => w.add(x!, y!), "a + b", {
    ...{ grads: "b", reads: false },
  });

const moved = (name: string, shape: Shape, order: readonly number[]): SweepOp =>
  op(
    `permute ${name} ${shape.join("x")}`,
    [signed(...shape)],
    (w, x) => w.permute(x!, order).contiguous(),
    `a.permute(${order.join(", ")}).contiguous()`,
  );

const softmax = (shape: Shape, dim: number): SweepOp =>
  op(`softmax ${shape.join("x")} dim ${dim}`, [signed(...shape)], (w, x) => w.softmax(x!, dim), `a.softmax(${dim})`, {
    grads: "a",
  });

const crossEntropy = (rows: number, classes: number): SweepOp =>
  op(
    `cross entropy ${rows}x${classes}`,
    [signed(rows, classes), labels(rows, classes)],
    (w, x, target) => w.crossEntropy(x!, target!),
    "F.cross_entropy(a, b)",
    { grads: "a" },
  );

const loss = (name: string, ours: (w: Library, x: Tensor, y: Tensor) => Tensor, torch: string): SweepOp =>
  op(`${name} 1M`, [signed(FLOATS), positive(FLOATS)], (w, x, y) => ours(w, x!, y!), torch, { grads: "a" });

export const sweepOps: readonly SweepOp[] = [
  // ResNet
  conv(3, 64, 224, { kernel: 7, stride: 2, grads: "b" }),
  ...[64, 128, 256, 512].map((c, i) => conv(c, c, 56 >> i)),
  ...[64, 128, 256].map((c, i) => conv(c, 2 * c, 56 >> i, { stride: 2 })),
  conv(64, 256, 56, { kernel: 1 }),
  conv(256, 64, 56, { kernel: 1 }),
  conv(512, 128, 28, { kernel: 1 }),
  conv(1024, 256, 14, { kernel: 1 }),
  conv(256, 512, 56, { kernel: 1, stride: 2 }),
  conv(128, 128, 56, { groups: 32 }),
  // MobileNet
  conv(3, 32, 224, { stride: 2, grads: "b" }),
  conv(32, 32, 112, { groups: 32 }),
  conv(64, 64, 112, { groups: 64, stride: 2 }),
  conv(128, 128, 56, { groups: 128 }),
  conv(256, 256, 28, { groups: 256, stride: 2 }),
  conv(512, 512, 14, { groups: 512 }),
  conv(32, 64, 112, { kernel: 1 }),
  op(
    "max pool 3x3 64 112² stride 2",
    [signed(IMAGES, 64, 112, 112)],
    (w, x) => w.maxPool2d(x!, 3, { stride: 2, padding: 1 }),
    "F.max_pool2d(a, 3, 2, 1)",
    { grads: "a", reads: false },
  ),
  op(
    "average pool 2x2 64 56²",
    [signed(...IMAGE)],
    (w, x) => w.avgPool2d(x!, 2, { stride: 2 }),
    "F.avg_pool2d(a, 2, 2)",
    { grads: "a", reads: false },
  ),
  op("mean over pixels 512 7²", [signed(IMAGES, 512, 7, 7)], (w, x) => w.mean(x!, [2, 3]), "a.mean((2, 3))", {
    ...{ grads: "a", reads: false },
  }),

  // transformers: 512 tokens, 12 heads of 64
  linear("qkv ", 512, 768, 2304),
  linear("mlp up ", 512, 768, 3072),
  linear("mlp down ", 512, 3072, 768),
  op(
    "scores 48x128x64",
    [signed(48, 128, 64), signed(48, 128, 64)],
    (w, q, k) => w.matmul(q!, w.transpose(k!, -2, -1)),
    "a @ b.transpose(-2, -1)",
    { grads: "ab", flops: 2 * 48 * 128 * 128 * 64 },
  ),
  op(
    "scores by values 48x128x64",
    [signed(48, 128, 128), signed(48, 128, 64)],
    (w, p, v) => w.matmul(p!, v!),
    "a @ b",
    { grads: "ab", flops: 2 * 48 * 128 * 128 * 64 },
  ),
  linear("", 32, 1024, 1024),
  linear("", 1, 1024, 1024),
  // an LSTM of 512 at batch 64: gates from the inputs beside the state, then the cell
  linear("LSTM gates ", 64, 1024, 2048),
  op(
    "LSTM cell 64x512",
    [signed(64, 512), signed(64, 512), signed(64, 512), signed(64, 512)],
    (w, i, f, g, c) => w.add(w.mul(w.sigmoid(f!), c!), w.mul(w.sigmoid(i!), w.tanh(g!))),
    "torch.sigmoid(b) * d + torch.sigmoid(a) * torch.tanh(c)",
    { grads: "abcd" },
  ),

  ...[0, 1, 2].map((dim) => over(`sum dim ${dim}`, CUBE, (w, x) => w.sum(x, dim), `a.sum(${dim})`)),
  over("sum", CUBE, (w, x) => w.sum(x), "a.sum()"),
  over("sum but channels", IMAGE, (w, x) => w.sum(x, [0, 2, 3]), "a.sum((0, 2, 3))"),
  over("mean dim 2", CUBE, (w, x) => w.mean(x, 2), "a.mean(2)"),
  over("amax dim 0", CUBE, (w, x) => w.amax(x, 0), "a.amax(0)"),
  over("argmax dim 1", CUBE, (w, x) => w.argmax(x, 1), "a.argmax(1)"),
  op("max dim 2 of 64x128x256", [signed(...CUBE)], (w, x) => w.max(x!, 2).values, "a.max(2).values", {
    ...{ grads: "a", reads: false },
  }),

  softmax([8192, 128], 1),
  softmax([48, 128, 128], 2),
  softmax(CUBE, 1),
  softmax(CUBE, 0),
  op("log softmax 512x8192", [signed(512, 8192)], (w, x) => w.logSoftmax(x!, 1), "a.log_softmax(1)", { grads: "a" }),
  op(
    "layer norm 512x768",
    [signed(512, 768), signed(768), signed(768)],
    (w, x, weight, bias) => w.layerNorm(x!, 768, weight!, bias!),
    "F.layer_norm(a, (768,), b, c)",
    { grads: "abc" },
  ),
  crossEntropy(512, 8192),
  crossEntropy(1024, 10),
  loss("MSE", (w, x, y) => w.mseLoss(x, y), "F.mse_loss(a, b)"),
  loss(
    "BCE with logits",
    (w, x, y) => w.binaryCrossEntropyWithLogits(x, y),
    "F.binary_cross_entropy_with_logits(a, b)",
  ),

  moved("turned", [1024, 1024], [1, 0]),
  moved("heads", [4, 128, 12, 64], [0, 2, 1, 3]),
  moved("channels last", IMAGE, [0, 2, 3, 1]),
  moved("channels first", [IMAGES, 56, 56, 64], [0, 3, 1, 2]),
  moved("rolled", CUBE, [2, 0, 1]),
  op(
    "narrow of rows 2048x1024",
    [signed(2048, 1024)],
    (w, x) => w.narrow(x!, 1, 256, 512).contiguous(),
    "a.narrow(1, 256, 512).contiguous()",
  ),

  added(CUBE, [256]),
  added(CUBE, [128, 1]),
  added(CUBE, [64, 1, 1]),
  added(IMAGE, [64, 1, 1]),
  op("mul 64x128x256 * 256", [signed(...CUBE), signed(256)], (w, x, y) => w.mul(x!, y!), "a * b", { grads: "ab" }),
  op("outer add 1024x1 + 1x1024", [signed(1024, 1), signed(1, 1024)], (w, x, y) => w.add(x!, y!), "a + b", {
    ...{ grads: "ab", reads: false },
  }),

  map("exp", (w, x) => w.exp(x), "a.exp()"),
  map("log", (w, x) => w.log(x), "a.log()", positive(FLOATS)),
  map("tanh", (w, x) => w.tanh(x), "a.tanh()"),
  map("sigmoid", (w, x) => w.sigmoid(x), "a.sigmoid()"),
  map("relu", (w, x) => w.relu(x), "a.relu()"),
  map("gelu", (w, x) => w.gelu(x), "F.gelu(a)"),
  map("gelu by tanh", (w, x) => w.gelu(x, { approximate: "tanh" }), 'F.gelu(a, approximate="tanh")'),
  map("silu", (w, x) => w.silu(x), "F.silu(a)"),
  map("hardswish", (w, x) => w.hardswish(x), "F.hardswish(a)"),
  map("leaky relu", (w, x) => w.leakyRelu(x, 0.1), "F.leaky_relu(a, 0.1)"),
  map("sqrt", (w, x) => w.sqrt(x), "a.sqrt()", positive(FLOATS)),
  map("pow 2", (w, x) => w.pow(x, 2), "a.pow(2)"),
  map("pow 2.5", (w, x) => w.pow(x, 2.5), "a.pow(2.5)", positive(FLOATS)),
  map("clamp", (w, x) => w.clamp(x, { min: -0.5, max: 0.5 }), "a.clamp(-0.5, 0.5)"),
  op("div 1M", [signed(FLOATS), positive(FLOATS)], (w, x, y) => w.div(x!, y!), "a / b", { grads: "ab" }),
  op(
    "where 1M",
    [signed(FLOATS), signed(FLOATS)],
    (w, x, y) => w.where(w.gt(x!, y!), x!, y!),
    "torch.where(a > b, a, b)",
    {
      ...{ grads: "ab", reads: false },
    },
  ),

  op("randn 1M", [], (w) => w.randn([FLOATS]), `torch.randn(${FLOATS})`, { random: true }),
  op("rand 1M", [], (w) => w.rand([FLOATS]), `torch.rand(${FLOATS})`, { random: true }),
  op("dropout 1M", [signed(FLOATS)], (w, x) => w.dropout(x!, 0.5), "F.dropout(a, 0.5)", {
    ...{ grads: "a", random: true },
  }),
];

/** The gradient is read, the parameter and its state are read and written. */
const step = (
  name: string,
  of: SweepStep["task"]["of"],
  states: number,
  options?: Record<string, number>,
): SweepStep => ({
  name: `${name} step 1M`,
  task: { kind: "optimizer", of, floats: FLOATS, ...(options && { options }) },
  bytes: 4 * FLOATS * (3 + 2 * states),
});

export const sweepSteps: readonly SweepStep[] = [
  step("SGD", "SGD", 0),
  step("SGD with momentum", "SGD", 1, { momentum: 0.9 }),
  step("RMSprop", "RMSprop", 1),
  step("Adam", "Adam", 2),
  step("AdamW", "AdamW", 2),
];
