// onnxruntime-web, its wasm build: inference only. A run includes its copies of inputs and outputs. Argument: threads.
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import type { Case, Model, Task } from "../cases.ts";
import type { Work } from "../timing.ts";
import { product, random, serve } from "./adapter.ts";
import { type Constant, type Node, onnx } from "./onnx.ts";

ort.env.wasm.numThreads = Number(process.argv[2] ?? "1");
ort.env.logLevel = "error";

interface Graph {
  readonly model: Uint8Array;
  readonly inputs: Record<string, number[]>;
}

function net(model: Model, batch: number): Graph {
  const nodes: Node[] = [];
  const constants: Constant[] = [];
  const constant = (name: string, bound: number, ...shape: number[]): string => {
    const data = random(product(shape)).map((v) => v / Math.sqrt(bound));
    constants.push({ name, shape, data });
    return name;
  };
  const last = model.layers.length - 1;
  for (const [i, layer] of model.layers.entries()) {
    const [x, output] = [i === 0 ? "x" : `h${i - 1}`, i === last ? "y" : `h${i}`];
    if (layer[0] === "linear") {
      const [, inputs, outputs] = layer;
      const [w, b] = [constant(`w${i}`, inputs, inputs, outputs), constant(`b${i}`, inputs, outputs)];
      nodes.push({ op: "Gemm", inputs: [x, w, b], output });
    } else if (layer[0] === "conv") {
      const [, ci, co, k] = layer;
      const [w, b] = [constant(`w${i}`, ci * k * k, co, ci, k, k), constant(`b${i}`, ci * k * k, co)];
      nodes.push({ op: "Conv", inputs: [x, w, b], output });
    } else if (layer[0] === "maxPool") {
      const window = [layer[1], layer[1]];
      nodes.push({ op: "MaxPool", inputs: [x], output, attributes: { kernel_shape: window, strides: window } });
    } else {
      const op = { relu: "Relu", sigmoid: "Sigmoid", flatten: "Flatten" }[layer[0]];
      nodes.push({ op, inputs: [x], output });
    }
  }
  const outputs = model.layers.findLast((l) => l[0] === "linear")![2]!;
  const inputs = { x: [batch, ...model.input] };
  return { model: onnx(nodes, inputs, [batch, outputs], constants), inputs };
}

function graph(task: Task): Graph {
  if (task.kind === "matmul") {
    const { form, m, n, k } = task;
    const inputs = { a: form === "tn" ? [k, m] : [m, k], b: form === "nt" ? [n, k] : [k, n] };
    const attributes = { transA: form === "tn" ? 1 : 0, transB: form === "nt" ? 1 : 0 };
    const node = form === "nn" ? { op: "MatMul" } : { op: "Gemm", attributes };
    return { model: onnx([{ ...node, inputs: ["a", "b"], output: "y" }], inputs, [m, n]), inputs };
  }
  if (task.kind === "map") {
    const shape = [task.rows, 1024];
    const inputs: Record<string, number[]> = task.op === "add" ? { x: shape, z: shape } : { x: shape };
    const ones = (name: string): Constant => ({ name, shape: [1024], data: new Float32Array(1024).fill(1) });
    const nodes: Record<typeof task.op, Node> = {
      add: { op: "Add", inputs: ["x", "z"], output: "y" },
      relu: { op: "Relu", inputs: ["x"], output: "y" },
      exp: { op: "Exp", inputs: ["x"], output: "y" },
      sigmoid: { op: "Sigmoid", inputs: ["x"], output: "y" },
      softmax: { op: "Softmax", inputs: ["x"], output: "y", attributes: { axis: 1 } },
      sum: { op: "ReduceSum", inputs: ["x"], output: "y", attributes: { keepdims: 0 } },
      layernorm: { op: "LayerNormalization", inputs: ["x", "g", "b"], output: "y", attributes: { axis: 1 } },
    };
    const constants = task.op === "layernorm" ? [ones("g"), ones("b")] : [];
    return { model: onnx([nodes[task.op]], inputs, task.op === "sum" ? [] : shape, constants), inputs };
  }
  if (task.kind === "conv" && task.pass === "forward") {
    const { n, ci, co, size, kernel, padding } = task;
    const out = size + 2 * padding - kernel + 1;
    const inputs = { x: [n, ci, size, size] };
    const w: Constant = { name: "w", shape: [co, ci, kernel, kernel], data: random(co * ci * kernel ** 2) };
    const b: Constant = { name: "b", shape: [co], data: random(co) };
    const attributes = { pads: [padding, padding, padding, padding] };
    const node = { op: "Conv", inputs: ["x", "w", "b"], output: "y", attributes };
    return { model: onnx([node], inputs, [n, co, out, out], [w, b]), inputs };
  }
  if (task.kind === "forward") return net(task.model, task.batch);
  throw new Error("no training in this runtime");
}

async function prepare({ task }: Case): Promise<Work> {
  const { model, inputs } = graph(task);
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, shape] of Object.entries(inputs)) {
    feeds[name] = new ort.Tensor("float32", random(product(shape)), shape);
  }
  return {
    unit: 1,
    async run(times) {
      for (let i = 0; i < times; i++) await session.run(feeds);
    },
    dispose() {
      void session.release();
    },
  };
}

const about = new URL("node_modules/onnxruntime-web/package.json", import.meta.url);
const { version } = JSON.parse(readFileSync(about, "utf8")) as { version: string };
await serve({ "onnxruntime-web": version }, prepare);
