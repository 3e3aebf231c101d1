// Our own work, built from the cases: what a sample runs on the built package.
import type * as wasmgrad from "../src/index.ts";
import type { Case, FunctionOf, Mode, Model, Task, ViewsOf } from "./cases.ts";
import type { Work } from "./timing.ts";

export type Library = typeof wasmgrad;
type Tensor = wasmgrad.Tensor;
type Device = wasmgrad.Device;

/** Steps cycle through so many batches. */
const BATCHES = 8;
/** A program of products or maps holds so many operations or bytes at least, so that the call does not count. */
const PROGRAM_WORK = 1e7;
const MOST_COPIES = 64;

/** The published bundle. */
export const library = async (): Promise<Library> =>
  (await import(new URL("../dist/index.js", import.meta.url).href)) as Library;

/** Workers that wait for programs count; those that have not started yet do not. */
export async function ready(device: Device): Promise<void> {
  const walking = device as Device & { ready: number };
  for (let i = 0; i < 500 && walking.ready < device.info.threads; i++) await new Promise((r) => setTimeout(r, 10));
  if (walking.ready < device.info.threads) throw new Error("the workers did not start within 5 s");
}

/** Makes the tensors of a case on `device`, and what a sample runs. Null where the library has no such op yet. */
export function prepare(w: Library, device: Device, { task, work }: Case, mode: Mode): Work | null {
  w.setDefaultDevice(device);
  if (task.kind === "train") return train(w, device, task.model, task.batch, mode);
  if (task.kind === "conv") return conv(w, device, task);
  if (task.kind === "views") return views(w, device, task, mode);
  if (task.kind === "function") return mean(w, device, task, mode);
  if (task.kind === "optimizer") return update(w, device, task, mode);
  const found = operation(w, task);
  if (found === null) return null;
  const { f, inputs } = found;
  const dispose = (): void => {
    for (const x of inputs) x.dispose();
  };
  if (mode === "eager") {
    const once = (): void => {
      f(...inputs);
    };
    const run = (times: number): void => {
      w.noGrad(() => {
        for (let i = 0; i < times; i++) w.scope(once);
      });
      device.flushSync();
    };
    return { unit: 1, run, dispose };
  }
  const copies = task.kind === "forward" ? 1 : Math.min(MOST_COPIES, Math.ceil(PROGRAM_WORK / work));
  const program = w.capture((...xs: Tensor[]) =>
    w.noGrad(() => {
      for (let i = 0; i < copies; i++) f(...xs).dispose();
    }),
  );
  return {
    unit: copies,
    async run(times) {
      for (let i = 0; i < times; i++) await program(...inputs);
      device.flushSync();
    },
    dispose() {
      program.dispose();
      dispose();
    },
  };
}

/** A function of tensors that gives a new one. */
function operation(w: Library, task: Task): { f: (...xs: Tensor[]) => Tensor; inputs: Tensor[] } | null {
  if (task.kind === "matmul") {
    const { form, m, n, k } = task;
    const a = w.rand(form === "tn" ? [k, m] : [m, k]);
    const b = w.rand(form === "nt" ? [n, k] : [k, n]);
    if (form === "tn") return { f: (x, y) => w.matmul(w.t(x!), y!), inputs: [a, b] };
    if (form === "nt") return { f: (x, y) => w.matmul(x!, w.t(y!)), inputs: [a, b] };
    return { f: (x, y) => w.matmul(x!, y!), inputs: [a, b] };
  }
  if (task.kind === "map") {
    const x = w.randn([task.rows, 1024]);
    if (task.op === "add") return { f: (a, b) => w.add(a!, b!), inputs: [x, w.randn([task.rows, 1024])] };
    if (task.op === "softmax") return { f: (a) => w.softmax(a!, 1), inputs: [x] };
    if (task.op === "layernorm") {
      const layerNorm = (w as unknown as Record<string, ((x: Tensor, shape: number[]) => Tensor) | undefined>)
        .layerNorm;
      return layerNorm === undefined ? null : { f: (a) => layerNorm(a!, [1024]), inputs: [x] };
    }
    const f = w[task.op];
    return { f: (a) => f(a!), inputs: [x] };
  }
  if (task.kind !== "forward") return null;
  const model = build(w, task.model);
  return { f: (x) => model.forward(x!), inputs: [w.rand([task.batch, ...task.model.input])] };
}

/** The layers of a model, on the default device. */
export function build(w: Library, model: Model): wasmgrad.nn.Sequential {
  const { nn } = w;
  return new nn.Sequential(
    ...model.layers.map((layer) => {
      if (layer[0] === "linear") return new nn.Linear(layer[1], layer[2]);
      if (layer[0] === "conv") return new nn.Conv2d(layer[1], layer[2], layer[3]);
      if (layer[0] === "maxPool") return new nn.MaxPool2d(layer[1]);
      if (layer[0] === "relu") return new nn.ReLU();
      if (layer[0] === "sigmoid") return new nn.Sigmoid();
      return new nn.Flatten();
    }),
  );
}

/** A training step in PyTorch's five lines, with another batch each time. */
function train(w: Library, device: Device, net: Model, batch: number, mode: Mode): Work {
  const model = build(w, net);
  const optimizer = new w.optim.SGD(model.parameters(), { lr: net.lr, momentum: net.momentum });
  const batches = Array.from({ length: BATCHES }, (): [Tensor, Tensor] => [
    w.rand([batch, ...net.input]),
    net.loss === "crossEntropy" ? w.randint(0, 10, [batch]) : w.gt(w.rand([batch, 1]), 0.5).float(),
  ]);
  const loss = w[net.loss];
  const step = (x: Tensor, y: Tensor): Tensor => {
    optimizer.zeroGrad();
    const value = loss(model.forward(x), y);
    value.backward();
    optimizer.step();
    return value;
  };
  const captured = w.capture(step);
  let at = 0;
  const next = (): [Tensor, Tensor] => batches[at++ % BATCHES]!;
  return {
    unit: 1,
    async run(times) {
      if (mode === "captured") for (let i = 0; i < times; i++) (await captured(...next())).dispose();
      else for (let i = 0; i < times; i++) step(...next()).dispose();
      device.flushSync();
    },
    dispose() {
      captured.dispose();
      for (const [x, y] of batches) {
        x.dispose();
        y.dispose();
      }
      for (const p of model.parameters()) p.dispose();
    },
  };
}

/** What is made of views: inputs, of which the leaves want gradients, results, and the shape of the gradient that comes to each. */
type Viewing = (
  w: Library,
  sizes: readonly number[],
) => { data: Tensor[]; leaves: Tensor[]; results: () => Tensor[]; gradient: readonly number[] | null };

const VIEWS: Record<ViewsOf, Viewing> = {
  "q kT"(w, [b, t, h, d]) {
    const [q, k] = [w.randn([b!, t!, h!, d!]), w.randn([b!, t!, h!, d!])];
    const results = (): Tensor[] => [w.matmul(q.transpose(1, 2), k.transpose(1, 2).transpose(-2, -1))];
    return { data: [], leaves: [q, k], results, gradient: [b!, h!, t!, t!] };
  },
  "p v"(w, [b, t, h, d]) {
    const [p, v] = [w.randn([b!, h!, t!, t!]), w.randn([b!, t!, h!, d!])];
    return { data: [], leaves: [p, v], results: () => [w.matmul(p, v.transpose(1, 2))], gradient: [b!, h!, t!, d!] };
  },
  select(w, [b, t, h, d]) {
    const [x, weight, bias] = [w.randn([b!, t!, d!]), w.randn([h!, d!]), w.randn([h!])];
    const results = (): Tensor[] => Array.from({ length: t! }, (_, i) => w.linear(x.select(1, i), weight, bias));
    return { data: [x], leaves: [weight, bias], results, gradient: [b!, h!] };
  },
  gates(w, [b, n]) {
    const x = w.randn([b!, n!]);
    const functions = [w.sigmoid, w.sigmoid, w.tanh, w.sigmoid];
    const results = (): Tensor[] => functions.map((f, k) => f(x.narrow(1, (k * n!) / 4, n! / 4)));
    return { data: [], leaves: [x], results, gradient: null };
  },
};

/** The results alone, or with gradients: of one of each result where it has a shape, else of the sum of all. */
function views(w: Library, device: Device, task: Extract<Task, { kind: "views" }>, mode: Mode): Work {
  const { of, train, sizes } = task;
  const { data, leaves, results, gradient: shape } = VIEWS[of](w, sizes);
  if (train) for (const leaf of leaves) leaf.requiresGrad = true;
  const gradient = train && shape !== null ? w.randn([...shape]) : null;
  const once = (): void => {
    for (const leaf of leaves) leaf.grad = null;
    const made = results();
    if (shape !== null) {
      for (const y of made) {
        if (gradient !== null) y.backward(gradient);
        y.dispose();
      }
    } else if (train) {
      made
        .map((y) => y.sum())
        .reduce((x, y) => x.add(y))
        .backward();
    }
  };
  return repeated(w, device, once, mode, [...data, ...leaves, ...(gradient === null ? [] : [gradient])]);
}

/** What takes and gives nothing, over tensors that it holds. */
function repeated(w: Library, device: Device, once: () => void, mode: Mode, held: readonly Tensor[]): Work {
  const program = w.capture(once);
  return {
    unit: 1,
    async run(times) {
      for (let i = 0; i < times; i++) {
        if (mode === "captured") await program();
        else w.scope(once);
      }
      device.flushSync();
    },
    dispose() {
      program.dispose();
      for (const x of held) x.dispose();
    },
  };
}

const FUNCTIONS: Record<FunctionOf, (w: Library, x: Tensor, target: Tensor) => Tensor> = {
  gelu: (w, x) => w.gelu(x).mean(),
  silu: (w, x) => w.silu(x).mean(),
  mish: (w, x) => w.mish(x).mean(),
  huber: (w, x, target) => w.huberLoss(x, target),
  "BCE with logits": (w, x, target) => w.binaryCrossEntropyWithLogits(x, target),
  "smoothed cross entropy": (w, x, target) => w.crossEntropy(x, target, { labelSmoothing: 0.1 }),
};

/** The mean of a function, forward and backward. */
function mean(w: Library, device: Device, task: Extract<Task, { kind: "function" }>, mode: Mode): Work {
  const { of, shape } = task;
  const x = w.randn([...shape]);
  x.requiresGrad = true;
  const classes = of === "smoothed cross entropy";
  const target = classes ? w.randint(0, shape[1]!, [shape[0]!]) : w.rand([...shape]);
  const once = (): void => {
    x.grad = null;
    FUNCTIONS[of](w, x, target).backward();
  };
  return repeated(w, device, once, mode, [x, target]);
}

/** A step of an optimizer alone. */
export function update(w: Library, device: Device, task: Extract<Task, { kind: "optimizer" }>, mode: Mode): Work {
  const p = new w.nn.Parameter(w.randn([task.floats]));
  p.grad = w.randn([task.floats]);
  const optimizer = new w.optim[task.of]([p], { lr: 1e-3, ...task.options });
  return repeated(w, device, () => optimizer.step(), mode, [p]);
}

/** One of the products of a convolution; a gradient alone is that of a graph that is kept. */
function conv(w: Library, device: Device, c: Extract<Task, { kind: "conv" }>): Work {
  const { padding, pass } = c;
  const x = w.rand([c.n, c.ci, c.size, c.size]);
  const weight = w.randn([c.co, c.ci, c.kernel, c.kernel]);
  const bias = pass === "dX" || pass === "dW" ? null : w.randn([c.co]);
  const out = c.size + 2 * padding - c.kernel + 1;
  const gradient = w.randn([c.n, c.co, out, out]);
  const made = [x, weight, gradient, ...(bias === null ? [] : [bias])];
  const dispose = (): void => {
    for (const t of made) t.dispose();
  };
  const forward = (): Tensor => w.conv2d(x, weight, bias, { padding });
  let once: () => void;
  if (pass === "forward") once = () => w.noGrad(() => forward().dispose());
  else if (pass === "forward+backward") {
    const leaves = [x, weight, bias!];
    for (const leaf of leaves) leaf.requiresGrad = true;
    once = () => {
      for (const leaf of leaves) leaf.grad = null;
      const y = forward();
      y.backward(gradient);
      y.dispose();
    };
  } else {
    const leaf = pass === "dX" ? x : weight;
    leaf.requiresGrad = true;
    const y = forward();
    made.push(y);
    once = () => w.grad(y, [leaf], { gradient, retainGraph: true })[0]!.dispose();
  }
  const run = (times: number): void => {
    for (let i = 0; i < times; i++) once();
    device.flushSync();
  };
  return { unit: 1, run, dispose };
}
