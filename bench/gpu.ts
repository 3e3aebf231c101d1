// The one command for a machine with a GPU: products in float32 and float16 and training steps on WebGPU, beside PyTorch on
// the same card and beside wasm, each with the floor that its operations and bytes have at rates measured in the same run.
import type * as wasmgrad from "../src/index.ts";
import { type Model, modelFlops, models, type Task } from "./cases.ts";
import { crossoverText } from "./crossover.ts";
import { type DevicesData, type DevicesOptions, entrants, measureDevices, type Network } from "./devices.ts";
import { floor, type GpuRates, gpuRates } from "./gpurates.ts";
import { Child, python, script } from "./peers/child.ts";
import { digits, type Grid, markdown, percent, round, type Span, span, time, type Work, warm } from "./timing.ts";
import type { Library } from "./work.ts";

type Device = wasmgrad.Device;

export interface ProductRow {
  readonly name: string;
  readonly flops: number;
  readonly bytes: number;
  /** By entrant: WebGPU, and PyTorch where it can use the card. */
  readonly ms: Readonly<Record<string, Span>>;
}

export interface GpuData {
  readonly adapter: string;
  readonly software: boolean;
  readonly rates: GpuRates;
  readonly products: readonly ProductRow[];
  readonly devices: DevicesData;
  /** PyTorch's steps, by `mlp 64`. */
  readonly torch: Readonly<Record<string, Span>>;
  /** PyTorch and its card, or why there is none. */
  readonly torchIs: string;
  /** What was not measured, and why. */
  readonly skipped: readonly string[];
}

export interface GpuOptions {
  /** Sizes that show in a minute on any adapter that the command works. */
  readonly small: boolean;
  readonly rounds: number;
  readonly budget: number;
  readonly cap: number;
  tell(what: string): void;
}

const SIZES = { small: [64, 96], full: [1024, 2048, 4096] };
const BATCHES = { small: [2, 8], full: [1, 4, 16, 64, 256, 1024, 4096, 16384] };
/** PyTorch is asked for the steps of these, from this batch on. */
const STEPS: readonly Network[] = ["mlp", "cnn"];
const FROM = { small: 1, full: 64 };
const TORCH = "PyTorch";

/** PyTorch's side of one task. */
class Card {
  private readonly child: Child;
  private readonly options: GpuOptions;

  constructor(child: Child, options: GpuOptions) {
    this.child = child;
    this.options = options;
  }

  /** Loads a task; what makes a round, in ms. */
  async load(task: object): Promise<{ round(): Promise<number>; drop(): Promise<void> }> {
    const { work, error } = await this.child.ask({ do: "load", case: { task }, mode: "eager" });
    if (error !== undefined) throw new Error(`PyTorch: ${error}`);
    const { budget } = this.options;
    return {
      round: async () => (await this.child.ask({ do: "round", work, budget })).ms as number,
      drop: async () => void (await this.child.ask({ do: "drop", work })),
    };
  }

  async measure(task: object): Promise<Span> {
    const loaded = await this.load(task);
    const ms: number[] = [];
    for (let r = 0; r < this.options.rounds; r++) ms.push(await loaded.round());
    await loaded.drop();
    return span(ms);
  }
}

/** Everything; or why there is no WebGPU. */
export async function measureGpu(w: Library, options: GpuOptions): Promise<GpuData | { missing: string }> {
  const size = options.small ? "small" : "full";
  const found = await entrants(w);
  const webgpu = found.list.find((e) => e.name.startsWith("WebGPU"));
  if (webgpu === undefined) {
    for (const e of found.list) await e.device.dispose();
    return { missing: found.missing! };
  }
  const { device, software } = webgpu;
  const skipped: string[] = [];
  const command = python(true);
  let child: Child | null = null;
  let card: Card | null = null;
  if (command !== null) {
    child = await new Child("torch", command, [script("torch_peer.py"), "1", "cuda"]).start();
    card = new Card(child, options);
  }
  const torchIs =
    child === null
      ? "left out: no python3 here has a torch that can use a card"
      : `${child.versions.torch} on ${child.versions.card}, eager, TF32 off`;
  try {
    options.tell("rates of copies and multiply-adds");
    // As the library: on its own device, before it has work.
    const { gpu } = device as Device & { gpu: GPUDevice };
    const rates = options.small ? await gpuRates(gpu, 1 << 20, 1 << 12, 3) : await gpuRates(gpu, 1 << 28, 1 << 20, 9);
    const products: ProductRow[] = [];
    for (const dtype of ["float32", "float16"] as const) {
      if (dtype === "float16" && device.float16 !== true) {
        skipped.push("products in float16: the adapter has no shader-f16");
        continue;
      }
      for (const n of SIZES[size]) {
        options.tell(`product ${n} ${dtype}`);
        products.push(await product(w, device, card, n, dtype, options));
      }
    }
    const torch: Record<string, Span> = {};
    const measured: DevicesOptions = {
      batches: BATCHES[size],
      ...{ rounds: options.rounds, budget: options.budget, cap: options.cap },
      async onPoint({ model, kind, batch }, done, total) {
        options.tell(`${model} ${kind}, batch ${batch} (${done} of ${total})`);
        if (card === null || kind !== "step" || !STEPS.includes(model) || batch < FROM[size]) return;
        const task: Task = { kind: "train", model: models[model], batch };
        try {
          torch[`${model} ${batch}`] = await card.measure(task);
        } catch (error) {
          skipped.push(`${model} ${batch}: ${(error as Error).message}`);
        }
      },
    };
    const devices = await measureDevices(w, found, measured);
    return { adapter: device.info.why, software, rates, products, devices, torch, torchIs, skipped };
  } finally {
    child?.end();
    for (const e of found.list) await e.device.dispose();
  }
}

/** c = a b of n x n, ours and PyTorch's in turns. */
async function product(
  w: Library,
  device: Device,
  card: Card | null,
  n: number,
  dtype: "float32" | "float16",
  { rounds, budget }: GpuOptions,
): Promise<ProductRow> {
  w.setDefaultDevice(device);
  const [a, b] = [w.rand([n, n]).to(dtype), w.rand([n, n]).to(dtype)];
  const program = w.capture((x: wasmgrad.Tensor, y: wasmgrad.Tensor) => w.noGrad(() => w.matmul(x, y)));
  const work: Work = {
    unit: 1,
    async run(times) {
      for (let i = 0; i < times; i++) (await program(a, b)).dispose();
      await device.flush();
    },
  };
  const half = dtype === "float16";
  const task = { kind: "matmul", form: "nn", m: n, n, k: n, half };
  const theirs = card === null ? null : await card.load(task);
  const ms: Record<string, number[]> = { WebGPU: [], ...(theirs === null ? {} : { [TORCH]: [] }) };
  try {
    const calls = await warm(work);
    for (let r = 0; r < rounds; r++) {
      ms.WebGPU!.push(await round(work, calls, budget));
      if (theirs !== null) ms[TORCH]!.push(await theirs.round());
    }
  } finally {
    await theirs?.drop();
    program.dispose();
    for (const t of [a, b]) t.dispose();
  }
  const spans = Object.fromEntries(Object.entries(ms).map(([name, times]) => [name, span(times)]));
  return { name: `matmul ${n} ${dtype}`, flops: 2 * n ** 3, bytes: 3 * n * n * (half ? 2 : 4), ms: spans };
}

/**
 * Bytes that a training step moves at least, if nothing stays in caches from one kernel to the next: each layer's result
 * is written, read by the next layer and by its gradient, and its gradient is written and read; the input is read by the
 * first layer and by the gradient of its weight; parameters are read forward and backward, their gradients written and read,
 * they and their momentum read and written. relu lies in the row in front of it.
 */
export function stepBytes(model: Model, batch: number): number {
  const input = model.input.reduce((a, b) => a * b, 1);
  let [channels, side] = [model.input[0]!, model.input[1] ?? 1];
  let results = 0;
  let parameters = 0;
  for (const layer of model.layers) {
    if (layer[0] === "linear") {
      results += layer[2];
      parameters += (layer[1] + 1) * layer[2];
    } else if (layer[0] === "conv") {
      channels = layer[2];
      side += 1 - layer[3];
      results += channels * side * side;
      parameters += (layer[1] * layer[3] ** 2 + 1) * layer[2];
    } else if (layer[0] === "maxPool") {
      side /= layer[1];
      results += channels * side * side;
    }
  }
  const update = model.momentum === 0 ? 2 : 4;
  return 4 * (batch * (2 * input + 5 * results) + (4 + update) * parameters);
}

// -------------------------------------------------------------------------------------------------------------- tables

const range = (s: Span | undefined): string =>
  s === undefined ? "-" : `${time(s.median)} [${time(s.min)} - ${time(s.max)}]`;
const ratio = (of: Span | undefined, to: Span | undefined): string =>
  of === undefined || to === undefined ? "-" : percent(to.median / of.median);

/** Ours, its rate and its share of the floor; PyTorch's, and our speed as a share of PyTorch's. */
export function productGrid(data: GpuData): Grid {
  const rows = data.products.map((p) => {
    const [ours, theirs] = [p.ms.WebGPU!, p.ms[TORCH]];
    const least = floor(data.rates, p.flops, p.bytes);
    return [
      ...[p.name, range(ours), digits(p.flops / ours.median / 1e9), time(least), percent(least / ours.median)],
      ...[range(theirs), ratio(ours, theirs)],
    ];
  });
  return [["product", "WebGPU", "TFLOP/s", "floor", "of the floor", TORCH, "of PyTorch"], rows];
}

export function stepGrid(data: GpuData): Grid {
  const gpu = data.devices.entrants.find((e) => e.name.startsWith("WebGPU"))!.name;
  const wasm = data.devices.entrants.filter((e) => e.name !== gpu).map((e) => e.name);
  const rows = data.devices.points
    .filter((p) => p.kind === "step" && STEPS.includes(p.model))
    .map((p) => {
      const model = models[p.model];
      const least = floor(data.rates, p.batch * modelFlops(model, true), stepBytes(model, p.batch));
      const [ours, theirs] = [p.ms[gpu], data.torch[`${p.model} ${p.batch}`]];
      return [
        `${p.model} step, batch ${p.batch}`,
        ...[range(ours), time(least), ours === undefined ? "-" : percent(least / ours.median)],
        ...wasm.map((name) => range(p.ms[name])),
        ...[range(theirs), ratio(ours, theirs)],
      ];
    });
  return [["step", gpu, "floor", "of the floor", ...wasm, TORCH, "of PyTorch"], rows];
}

export function gpuLines(data: GpuData): string[] {
  const { bytes, flops } = data.rates;
  const crossings = STEPS.map((model) => `${model}, step: ${crossoverText(data.devices, model, "step")}`);
  return [
    `WebGPU: ${data.adapter}`,
    `measured in this run: copy ${digits(bytes / 1e9)} GB/s, fused multiply-adds ${digits(flops / 1e12)} TFLOP/s in float32`,
    `PyTorch: ${data.torchIs}`,
    ...crossings,
    ...[...data.skipped, ...data.devices.ended].map((line) => `left out: ${line}`),
  ];
}

/** The section of RESULTS.md below its heading; `chart` is the picture's address. */
export const gpuText = (data: GpuData, chart: string): string =>
  [
    gpuLines(data)
      .map((line) => `- ${line}`)
      .join("\n"),
    `![wasm and WebGPU over the batch size](${chart})`,
    markdown(...productGrid(data)),
    markdown(...stepGrid(data)),
  ].join("\n\n");
