// tfjs with its wasm backend (one thread in Node): eager, as it has no other way. Convolutions are channels-last, its own
// layout. Training a convolution fails for want of a kernel; the error is the result.
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { version_wasm } from "@tensorflow/tfjs-backend-wasm";
import type { Model, Task } from "../cases.ts";
import type { Work } from "../timing.ts";
import { BATCHES, product, random, serve } from "./adapter.ts";

type T = tf.Tensor;
console.warn = () => {};
const rand = (...shape: number[]): T => tf.tensor(random(product(shape)), shape);

function evaluated(f: () => T): (times: number) => void {
  return (times) => {
    for (let i = 0; i < times; i++) tf.tidy(f).dispose();
  };
}

/** Parameters of a model, and its forward pass. */
function build(model: Model): { parameters: tf.Variable[]; forward: (x: T) => T } {
  const parameters: tf.Variable[] = [];
  const variable = (bound: number, ...shape: number[]): tf.Variable => {
    const v = tf.variable(rand(...shape).mul(1 / Math.sqrt(bound)));
    parameters.push(v);
    return v;
  };
  const stages = model.layers.map((layer): ((x: T) => T) => {
    if (layer[0] === "linear") {
      const [, inputs, outputs] = layer;
      const [w, b] = [variable(inputs, inputs, outputs), variable(inputs, outputs)];
      return (x) => tf.add(tf.matMul(x, w), b);
    }
    if (layer[0] === "conv") {
      const [, ci, co, k] = layer;
      const [w, b] = [variable(ci * k * k, k, k, ci, co), variable(ci * k * k, co)];
      return (x) => tf.add(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor as tf.Tensor4D, 1, "valid"), b);
    }
    if (layer[0] === "maxPool") return (x) => tf.maxPool(x as tf.Tensor4D, layer[1], layer[1], "valid");
    if (layer[0] === "flatten") return (x) => x.reshape([x.shape[0]!, -1]);
    return layer[0] === "relu" ? tf.relu : tf.sigmoid;
  });
  return { parameters, forward: (x) => stages.reduce((h, f) => f(h), x) };
}

const inputOf = (model: Model, batch: number): T => {
  const [c, h, w] = model.input as [number, number?, number?];
  return h === undefined ? rand(batch, c) : rand(batch, h, w!, c);
};

function train(model: Model, batch: number): (times: number) => void {
  const { parameters, forward } = build(model);
  const optimizer = model.momentum > 0 ? tf.train.momentum(model.lr, model.momentum) : tf.train.sgd(model.lr);
  const classes = model.loss === "crossEntropy";
  const batches = Array.from({ length: BATCHES }, (): [T, T] => {
    const labels = Int32Array.from({ length: batch }, () => Math.floor(Math.random() * (classes ? 10 : 2)));
    const y = classes
      ? tf.oneHot(tf.tensor1d(labels, "int32"), 10).toFloat()
      : tf.tensor2d(labels, [batch, 1]).toFloat();
    return [inputOf(model, batch), y];
  });
  let at = 0;
  return (times) => {
    for (let i = 0; i < times; i++) {
      const [x, y] = batches[at++ % BATCHES]!;
      tf.tidy(() => {
        const loss = (): tf.Scalar =>
          classes ? tf.losses.softmaxCrossEntropy(y, forward(x)) : tf.losses.logLoss(y, forward(x));
        optimizer.minimize(loss, false, parameters);
      });
    }
  };
}

function conv(task: Extract<Task, { kind: "conv" }>): (times: number) => void {
  const { n, ci, co, size, kernel, padding, pass } = task;
  const [x, w, b] = [rand(n, size, size, ci), rand(kernel, kernel, ci, co), rand(co)] as [tf.Tensor4D, tf.Tensor4D, T];
  const out = size + 2 * padding - kernel + 1;
  const forward = (a: T, k: T): T => tf.conv2d(a as tf.Tensor4D, k as tf.Tensor4D, 1, padding > 0 ? "same" : "valid");
  if (pass === "forward") return evaluated(() => forward(x, w).add(b));
  const g = rand(n, out, out, co);
  const gradients = tf.grads((a: T, k: T) => forward(a, k));
  const gradX = tf.grad((a: T) => forward(a, w));
  const gradW = tf.grad((k: T) => forward(x, k));
  // Of tfjs a gradient always computes the forward pass as well.
  return (times) => {
    for (let i = 0; i < times; i++) {
      tf.tidy(() => {
        if (pass === "dX") gradX(x, g);
        else if (pass === "dW") gradW(w, g);
        else gradients([x, w], g);
      });
    }
  };
}

function map(op: Extract<Task, { kind: "map" }>["op"], rows: number): (times: number) => void {
  const [a, b] = [rand(rows, 1024), rand(rows, 1024)];
  const layernorm = (): T => {
    const { mean, variance } = tf.moments(a, 1, true);
    return a.sub(mean).div(variance.add(1e-5).sqrt());
  };
  const ops = { add: () => a.add(b), relu: () => a.relu(), exp: () => a.exp(), sigmoid: () => a.sigmoid() };
  return evaluated({ ...ops, softmax: () => a.softmax(), sum: () => a.sum(), layernorm }[op]);
}

function work(task: Task): (times: number) => void {
  if (task.kind === "matmul") {
    const { form, m, n, k } = task;
    const a = form === "tn" ? rand(k, m) : rand(m, k);
    const b = form === "nt" ? rand(n, k) : rand(k, n);
    return evaluated(() => tf.matMul(a, b, form === "tn", form === "nt"));
  }
  if (task.kind === "map") return map(task.op, task.rows);
  if (task.kind === "conv") return conv(task);
  if (task.kind === "train") return train(task.model, task.batch);
  const [{ forward }, x] = [build(task.model), inputOf(task.model, task.batch)];
  return evaluated(() => forward(x));
}

await tf.setBackend("wasm");
await tf.ready();
await serve({ "tfjs-backend-wasm": version_wasm }, ({ task }): Work => {
  const begin = new Set(Object.keys(tf.engine().state.registeredVariables));
  tf.engine().startScope();
  return {
    unit: 1,
    run: work(task),
    dispose() {
      tf.engine().endScope();
      for (const [name, v] of Object.entries(tf.engine().state.registeredVariables)) if (!begin.has(name)) v.dispose();
    },
  };
});
