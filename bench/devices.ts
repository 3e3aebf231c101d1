// The same models on several devices over the batch size: forward and captured training step of softmax, MLP and CNN,
// on wasm with one thread and with all, and on WebGPU. Nothing here is of a host, so pages run it as Node does.
import { crossoverOf } from "../src/calibrate/fit.ts";
import type * as wasmgrad from "../src/index.ts";
import { type Model, models } from "./cases.ts";
import { median, round, type Span, span, type Work } from "./timing.ts";
import { build, type Library, ready } from "./work.ts";

type Device = wasmgrad.Device;
type Tensor = wasmgrad.Tensor;

export const BATCHES: readonly number[] = Array.from({ length: 14 }, (_, i) => 2 ** i);
/** A software adapter takes so many rows at most: its times are no GPU's. */
const MOST_SOFTWARE = 8;
/** Losses of so many first steps are compared, to this part of the larger of loss and 1. */
const STEPS = 3;
const TOLERANCE = 1e-3;
/** A sample lasts at least so long; warm-up. */
const SAMPLE_MS = 2;
const WARM_MS = 60;

export interface Entrant {
  /** Such as `wasm, 2 threads`. */
  readonly name: string;
  readonly device: Device;
  readonly software: boolean;
}

export type Network = "softmax" | "mlp" | "cnn";
export type Kind = "forward" | "step";

export interface DevicePoint {
  readonly model: Network;
  readonly kind: Kind;
  readonly batch: number;
  /** Milliseconds of a forward or a step by entrant, over the rounds. */
  readonly ms: Readonly<Record<string, Span>>;
  /** The largest difference of a loss from the first entrant's, in parts of the larger of that loss and 1. */
  readonly difference: number;
}

export interface DevicesData {
  /** Name, and why it is the device that it is: adapter, build, threads. */
  readonly entrants: readonly { readonly name: string; readonly why: string; readonly software: boolean }[];
  readonly points: readonly DevicePoint[];
  /** What ended an entrant's sizes, by entrant, model and kind. */
  readonly ended: readonly string[];
  /** Why there is no WebGPU, or null. */
  readonly missing: string | null;
}

export interface DevicesOptions {
  batches?: readonly number[];
  rounds?: number;
  /** Milliseconds of samples for an entrant in a round. */
  budget?: number;
  /** A point whose steps would take longer is left out, with all larger ones. */
  cap?: number;
  onPoint?(point: DevicePoint, done: number, total: number): unknown;
}

/** wasm with one thread and with all, and WebGPU where it is there; else why not. */
export async function entrants(w: Library): Promise<{ list: Entrant[]; missing: string | null }> {
  const list: Entrant[] = [];
  const one = await w.init({ threads: 1 });
  list.push({ name: "wasm, 1 thread", device: one, software: false });
  const all = await w.init();
  if (all.info.threads > 1) {
    await ready(all);
    list.push({ name: `wasm, ${all.info.threads} threads`, device: all, software: false });
  } else await all.dispose();
  try {
    const device = await w.init({ device: "webgpu" });
    const software = device.info.why.includes("software adapter");
    list.push({ name: software ? "WebGPU, software adapter" : "WebGPU", device, software });
    return { list, missing: null };
  } catch (error) {
    return { list, missing: (error as Error).message };
  } finally {
    w.setDefaultDevice(one);
  }
}

/** Measures all models at all batch sizes. Entrants take turns at each point, a round each. */
export async function measureDevices(
  w: Library,
  { list, missing }: Awaited<ReturnType<typeof entrants>>,
  options: DevicesOptions = {},
): Promise<DevicesData> {
  const { batches = BATCHES, cap = 2000, onPoint } = options;
  const points: DevicePoint[] = [];
  const ended: string[] = [];
  const names: readonly Network[] = ["softmax", "mlp", "cnn"];
  const total = names.length * 2 * batches.length;
  let done = 0;
  for (const name of names) {
    const values = await parametersOf(w, models[name], list[0]!.device);
    for (const kind of ["forward", "step"] as const) {
      const last = new Map<string, { batch: number; ms: number }>();
      const out = new Set<string>();
      const end = (e: Entrant, why: string): void => {
        out.add(e.name);
        ended.push(`${e.name}, ${name}, ${kind}: ${why}`);
      };
      for (const batch of batches) {
        for (const e of list) {
          if (out.has(e.name)) continue;
          const before = last.get(e.name);
          const ms = before === undefined ? 0 : (before.ms * batch) / before.batch;
          if (e.software && batch > MOST_SOFTWARE) end(e, `a software adapter takes batches to ${MOST_SOFTWARE}`);
          else if (ms > cap) end(e, `batch ${batch} would take about ${Math.round(ms)} ms, more than ${cap}`);
        }
        const present = list.filter((e) => !out.has(e.name));
        done++;
        if (present.length === 0) continue;
        const task = { model: models[name], values, kind, batch };
        const { ms, difference } = await point(w, present, task, options, end);
        for (const [entrant, s] of Object.entries(ms)) last.set(entrant, { batch, ms: s.median });
        if (Object.keys(ms).length === 0) continue;
        points.push({ model: name, kind, batch, ms, difference });
        await onPoint?.(points.at(-1)!, done, total);
      }
    }
  }
  const about = list.map(({ name, device, software }) => ({ name, why: device.info.why, software }));
  return { entrants: about, points, ended, missing };
}

/** All differences of losses are within the tolerance. */
export const agree = (data: DevicesData): boolean => data.points.every((p) => p.difference <= TOLERANCE);

/** Batch size from which WebGPU is faster than the fastest wasm: 1 always, null never within what was measured. */
export function crossover(data: DevicesData, model: Network, kind: Kind): number | null {
  const wasm = new Map<number, number>();
  const gpu = new Map<number, number>();
  for (const p of data.points.filter((q) => q.model === model && q.kind === kind)) {
    const of = (which: (name: string) => boolean): number =>
      Math.min(...Object.entries(p.ms).map(([name, s]) => (which(name) ? s.median : Number.POSITIVE_INFINITY)));
    const [a, b] = [of((n) => n.startsWith("wasm")), of((n) => n.startsWith("WebGPU"))];
    if (Number.isFinite(a)) wasm.set(p.batch, a);
    if (Number.isFinite(b)) gpu.set(p.batch, b);
  }
  return crossoverOf([wasm, gpu]);
}

// ------------------------------------------------------------------------------------------------------------- a point

interface Task {
  readonly model: Model;
  readonly values: readonly Float32Array[];
  readonly kind: Kind;
  readonly batch: number;
}

/** Parameters that every entrant begins with. */
async function parametersOf(w: Library, model: Model, device: Device): Promise<Float32Array[]> {
  w.setDefaultDevice(device);
  w.manualSeed(1);
  const net = build(w, model);
  const values = await Promise.all(net.parameters().map((p) => p.data()));
  for (const p of net.parameters()) p.dispose();
  return values as Float32Array[];
}

interface Started extends Work {
  readonly entrant: Entrant;
  readonly losses: readonly number[];
  readonly calls: number;
  dispose(): void;
}

async function point(
  w: Library,
  present: readonly Entrant[],
  task: Task,
  { rounds = 5, budget = 40 }: DevicesOptions,
  end: (e: Entrant, why: string) => void,
): Promise<Pick<DevicePoint, "ms" | "difference">> {
  const works: Started[] = [];
  const times = new Map<Entrant, number[]>();
  try {
    for (const e of present) {
      try {
        works.push(await start(w, e, task));
        times.set(e, []);
      } catch (error) {
        end(e, `batch ${task.batch} failed: ${(error as Error).message}`);
      }
    }
    for (let r = 0; r < rounds; r++) {
      for (const work of works) times.get(work.entrant)!.push(await round(work, work.calls, budget));
    }
  } finally {
    for (const work of works) work.dispose();
  }
  const reference = works[0]?.losses ?? [];
  const apart = works.flatMap(({ losses }) =>
    losses.map((loss, i) => Math.abs(loss - reference[i]!) / Math.max(1, Math.abs(reference[i]!))),
  );
  const difference = apart.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(0, ...apart);
  return { ms: Object.fromEntries([...times].map(([e, ms]) => [e.name, span(ms)])), difference };
}

/** The same inputs everywhere: a fixed sequence of numbers in [0, 1). */
function fixed(count: number): Float32Array {
  const data = new Float32Array(count);
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = (state >>> 8) / 2 ** 24;
  }
  return data;
}

/** Model and batch on the device, the losses of the first steps, and the step warmed up. */
async function start(w: Library, entrant: Entrant, { model, values, kind, batch }: Task): Promise<Started> {
  const { device } = entrant;
  w.setDefaultDevice(device);
  const net = build(w, model);
  const parameters = net.parameters();
  w.noGrad(() => {
    for (const [i, p] of parameters.entries()) p.copy_(w.tensor(values[i]!, { shape: [...p.shape], device }));
  });
  const shape = [batch, ...model.input];
  const x = w.tensor(fixed(shape.reduce((a, b) => a * b, 1)), { shape, device });
  const y = w.tensor(
    Int32Array.from({ length: batch }, (_, i) => i % 10),
    { dtype: "int32", device },
  );
  const optimizer = new w.optim.SGD(parameters, { lr: model.lr, momentum: model.momentum });
  const step = (a: Tensor, b: Tensor): Tensor => {
    optimizer.zeroGrad();
    const loss = w.crossEntropy(net.forward(a), b);
    loss.backward();
    optimizer.step();
    return loss;
  };
  const forward = (a: Tensor): Tensor => w.noGrad(() => net.forward(a));
  const captured = kind === "step" ? w.capture(step) : w.capture(forward as (a: Tensor, b: Tensor) => Tensor);
  const dispose = (): void => {
    captured.dispose();
    for (const t of [x, y, ...parameters]) t.dispose();
  };
  const run = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) (await captured(x, y)).dispose();
    await device.flush();
  };
  try {
    const losses: number[] = [];
    for (let i = 0; i < STEPS; i++) {
      const result = await captured(x, y);
      losses.push(await (kind === "step" ? result : w.crossEntropy(result, y)).item());
      result.dispose();
    }
    const begin = performance.now();
    let calls = 1;
    const took: number[] = [];
    do {
      const t0 = performance.now();
      await run(calls);
      took.push((performance.now() - t0) / calls);
      if (took.at(-1)! * calls < SAMPLE_MS) calls *= 2;
    } while (performance.now() - begin < WARM_MS);
    calls = Math.max(1, Math.ceil(SAMPLE_MS / median(took.slice(-3))));
    return { unit: 1, run, calls, losses, entrant, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}
