// jax-js with its wasm backend (one thread in Node). What is short is compiled by `jit`; networks with convolutions run
// eagerly, which is faster there. `.ref` follows the library's rule that an operation consumes its operands.
import { readFileSync } from "node:fs";
import { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import type { Model, Task } from "../cases.ts";
import type { Work } from "../timing.ts";
import { BATCHES, product, random, serve } from "./adapter.ts";

type A = np.Array;
const rand = (shape: readonly number[], scale = 1): A =>
  np.array(random(product(shape)).map((v) => v * scale)).reshape([...shape]);

function evaluated(f: () => A): (times: number) => Promise<void> {
  return async (times) => {
    for (let i = 0; i < times; i++) {
      const y = f();
      await blockUntilReady(y);
      y.dispose();
    }
  };
}

/** Parameters of a model, and its forward pass, which consumes them. */
function build(model: Model, batch: number): { parameters: A[]; forward: (p: A[], x: A) => A } {
  const parameters: A[] = [];
  const add = (bound: number, ...shape: number[]): number => parameters.push(rand(shape, 1 / Math.sqrt(bound))) - 1;
  const stages = model.layers.map((layer): ((p: A[], x: A) => A) => {
    if (layer[0] === "linear") {
      const [, inputs, outputs] = layer;
      const [w, b] = [add(inputs, inputs, outputs), add(inputs, outputs)];
      return (p, x) => np.matmul(x, p[w]!).add(p[b]!);
    }
    if (layer[0] === "conv") {
      const [, ci, co, k] = layer;
      const [w, b] = [add(ci * k * k, co, ci, k, k), add(ci * k * k, 1, co, 1, 1)];
      return (p, x) => lax.conv(x, p[w]!, [1, 1], "VALID").add(p[b]!);
    }
    if (layer[0] === "maxPool") {
      const window = [layer[1], layer[1]];
      return (_, x) => lax.reduceWindow(x, (z: A) => np.max(z), window, window);
    }
    if (layer[0] === "flatten") return (_, x) => x.reshape([batch, -1]);
    const f = layer[0] === "relu" ? nn.relu : nn.sigmoid;
    return (_, x) => f(x) as A;
  });
  return { parameters, forward: (p, x) => stages.reduce((h, f) => f(p, h), x) };
}

const convolves = (model: Model): boolean => model.layers.some((l) => l[0] === "conv");

function train(model: Model, batch: number): (times: number) => Promise<void> {
  const { parameters, forward } = build(model, batch);
  const classes = model.loss === "crossEntropy";
  const loss = (p: A[], x: A, y: A): A => {
    const out = forward(p, x);
    if (classes) return np.sum(nn.logSoftmax(out, -1).mul(y)).mul(-1 / batch);
    const one = y.ref.mul(np.log(out.ref.add(1e-7)));
    const zero = np
      .array(1)
      .sub(y)
      .mul(np.log(np.array(1 + 1e-7).sub(out)));
    return np.mean(one.add(zero)).mul(-1);
  };
  const plain = (p: A[], v: A[], x: A, y: A): [A[], A[], A] => {
    const [value, g] = valueAndGrad(loss)(tree.ref(p) as A[], x, y) as [A, A[]];
    const step = g.map((gi, i) => (model.momentum > 0 ? v[i]!.mul(model.momentum).add(gi) : gi));
    const next = p.map((pi, i) => pi.sub(step[i]!.ref.mul(model.lr)));
    if (model.momentum > 0) return [next, step, value];
    tree.dispose(step);
    return [next, v, value];
  };
  const step = convolves(model) ? plain : (jit(plain as never) as unknown as typeof plain);
  const labels = (): A => {
    const data = new Float32Array(batch * (classes ? 10 : 1));
    for (let i = 0; i < batch; i++) {
      if (classes) data[i * 10 + Math.floor(Math.random() * 10)] = 1;
      else data[i] = Number(Math.random() > 0.5);
    }
    return np.array(data).reshape([batch, classes ? 10 : 1]);
  };
  const batches = Array.from({ length: BATCHES }, (): [A, A] => [rand([batch, ...model.input]), labels()]);
  let p = parameters;
  let v = model.momentum > 0 ? parameters.map((a) => np.zeros(a.shape)) : [np.zeros([1])];
  let at = 0;
  return async (times) => {
    for (let i = 0; i < times; i++) {
      const [x, y] = batches[at++ % BATCHES]!;
      let value: A;
      [p, v, value] = step(p, v, x.ref, y.ref);
      await blockUntilReady([p, v, value]);
      value.dispose();
    }
  };
}

function work(task: Task): (times: number) => Promise<void> {
  if (task.kind === "train") return train(task.model, task.batch);
  if (task.kind === "forward") {
    const { parameters, forward } = build(task.model, task.batch);
    const f = jit(forward as never) as unknown as typeof forward;
    const x = rand([task.batch, ...task.model.input]);
    return evaluated(() => f(tree.ref(parameters) as A[], x.ref));
  }
  if (task.kind === "matmul") {
    const { form, m, n, k } = task;
    const [a, b] = [rand(form === "tn" ? [k, m] : [m, k]), rand(form === "nt" ? [n, k] : [k, n])];
    return evaluated(() =>
      np.matmul(form === "tn" ? np.transpose(a.ref) : a.ref, form === "nt" ? np.transpose(b.ref) : b.ref),
    );
  }
  if (task.kind === "map") {
    const [a, b] = [rand([task.rows, 1024]), rand([task.rows, 1024])];
    if (task.op === "add") {
      const f = jit((x: A, y: A) => x.add(y));
      return evaluated(() => f(a.ref, b.ref) as A);
    }
    const ops: Record<string, (x: A) => A> = {
      ...{ relu: (x) => nn.relu(x) as A, exp: (x) => np.exp(x), sigmoid: (x) => nn.sigmoid(x) as A },
      ...{
        softmax: (x) => nn.softmax(x, -1) as A,
        sum: (x) => np.sum(x),
        layernorm: (x) => nn.standardize(x, -1) as A,
      },
    };
    const f = jit(ops[task.op]!);
    return evaluated(() => f(a.ref) as A);
  }
  if (task.kind !== "conv") throw new Error(`no work for ${task.kind}`);
  const { n, ci, co, size, kernel, padding, pass } = task;
  if (pass !== "forward") throw new Error("left out: a backward pass of this size does not end in time");
  const [x, w] = [rand([n, ci, size, size]), rand([co, ci, kernel, kernel])];
  return evaluated(() => lax.conv(x.ref, w.ref, [1, 1], padding > 0 ? "SAME" : "VALID"));
}

await init("wasm");
defaultDevice("wasm");
const about = new URL("node_modules/@jax-js/jax/package.json", import.meta.url);
const { version } = JSON.parse(readFileSync(about, "utf8")) as { version: string };
await serve({ "@jax-js/jax": version }, ({ task }): Work => ({ unit: 1, run: work(task) }));
