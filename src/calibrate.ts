// calibrate: from which batch size on WebGPU is faster than wasm for this model on this machine, measured; the model
// goes to the faster one.
import {
  type Answer,
  type BatchTime,
  type Calibration,
  type Choice,
  earlier,
  keep,
  keyOf,
  NAMES,
} from "./calibrate/answers.ts";
import { bracket, crossoverOf, type Times, timeAt } from "./calibrate/fit.ts";
import { type Sample, Trial, tensorsOf } from "./calibrate/trial.ts";
import { type Device, defaultDevice, setDefaultDevice } from "./core/device.ts";
import { checkNumber, expectOptions, fail, given, noMore } from "./core/error.ts";
import { show } from "./core/shape.ts";
import { Tensor } from "./core/tensor.ts";
import { note } from "./init.ts";
import { positive } from "./nn/check.ts";
import { Module } from "./nn/module.ts";
import { deviceOf } from "./ops/follow.ts";
import { data } from "./read.ts";

export type { BatchTime, Calibration, Choice };

/** A point that `calibrate` has measured. */
export interface CalibrateProgress {
  /** The device that was measured. */
  readonly device: Choice;
  /** The batch size. */
  readonly batch: number;
  /** Milliseconds a step. */
  readonly ms: number;
  /** Points measured so far. */
  readonly done: number;
  /** Points that are planned; a refinement adds two. */
  readonly total: number;
}

/** Options of `calibrate`. */
export interface CalibrateOptions<R = Tensor> {
  /** Batch sizes to measure besides `batch`: 1, 8, 64, 512 and so on up to it by default. */
  batches?: readonly number[];
  /** The batch size that the choice is for: the sample's by default. */
  batch?: number;
  /** What a step minimises: a tensor of one element. `output.mul(output).mean()` by default. */
  loss?: (output: R) => Tensor;
  /** The devices to compare instead of the latest wasm device and the WebGPU one, in this order. */
  devices?: readonly [Device, Device];
  /**
   * Milliseconds that measuring may take, roughly, and twice that for a large `batch`; 3000 by default. Compiling the
   * GPU's kernels comes on top.
   */
  budget?: number;
  /** False: neither looks for an earlier answer nor keeps this one; true by default. */
  cache?: boolean;
  /** True: measures although there is an answer, and keeps the new one; false by default. */
  force?: boolean;
  /** Called after each point. */
  onProgress?: (progress: CalibrateProgress) => void;
}

type Options<R> = CalibrateOptions<R> & { batches: readonly number[]; batch: number; budget: number };

const OPTIONS = "batches batch loss devices budget cache? force? onProgress";
const BUDGET = 3000;
/** Steps before a point's figure is there. A point that would take longer than what is left is left out. */
const STEPS_AT_LEAST = 6;

/**
 * Measures training steps of `model` (forward, loss, backward; no optimizer) on wasm and WebGPU at a few batch sizes,
 * moves the model to the faster device and makes that the default. `sampleInput` is a batch of input [rows, ...], or an
 * array of them for a model that takes several; its rows are repeated. Parameters, buffers, gradients and random numbers
 * stay what they are. The answer is kept for this model, these shapes and these devices, in memory and in the user's
 * cache folder (in pages in localStorage). Where there is no WebGPU, or it fails, the choice is wasm and `why` says so.
 * Throws when an option is wrong, and what the model throws on wasm. Await it before the model is used again.
 */
export async function calibrate<A extends unknown[], R>(
  model: Module<A, R>,
  sampleInput: Tensor | readonly Tensor[],
  options: CalibrateOptions<R> = {},
  ...none: []
): Promise<Calibration> {
  noMore("calibrate", none);
  if (!(model instanceof Module)) fail("calibrate", `model ${given(model)}: a module is expected`);
  const inputs = checkInputs(sampleInput);
  const all = checkOptions(options, inputs[0]!.shape[0]!);
  const [first, second] = await find(options.devices);
  const before = { device: current(first), home: tensorsOf(model)[0]?.device ?? first };
  const settle = async (answer: Answer, device: Device, cached: boolean): Promise<Calibration> => {
    await model.to(device);
    setDefaultDevice(device);
    note(device, `chosen by calibrate: ${answer.why}`);
    return { ...answer, device, cached };
  };
  if (typeof second === "string") {
    return settle({ choice: "wasm", crossover: null, times: [], why: `wasm: ${second}` }, first, false);
  }
  const devices = [first, second] as const;
  const key = keyOf(model, inputs, all, devices);
  const useCache = options.cache ?? true;
  const there = useCache && !options.force ? await earlier(key) : null;
  if (there !== null) return settle(there, devices[NAMES.indexOf(there.choice)]!, true);
  const samples = await Promise.all(
    inputs.map(async (x): Promise<Sample> => ({ shape: x.shape, dtype: x.dtype, data: await data(x) })),
  );
  try {
    await model.to(first);
    const { times, failure } = await sweep(model, samples, devices, all);
    const answer = decide(times, all.batch, devices, failure);
    if (answer.choice === "webgpu") {
      const trouble = await model.to(second).then(
        () => null,
        (error: Error) => error.message,
      );
      if (trouble !== null)
        return settle(decide(times, all.batch, devices, { message: trouble, batch: 0 }), first, false);
    }
    if (useCache && failure === null) await keep(key, answer);
    return settle(answer, devices[NAMES.indexOf(answer.choice)]!, false);
  } catch (error) {
    if (before.home.failed === null) await model.to(before.home);
    setDefaultDevice(before.device);
    throw error;
  }
}

// ------------------------------------------------------------------------------------------------------------- checks

function checkInputs(sampleInput: Tensor | readonly Tensor[]): readonly Tensor[] {
  const inputs = Array.isArray(sampleInput) ? (sampleInput as readonly Tensor[]) : [sampleInput as Tensor];
  if (inputs.length === 0) fail("calibrate", "sampleInput []: at least one tensor is expected");
  for (const x of inputs) {
    if (!(x instanceof Tensor)) fail("calibrate", `sampleInput ${given(x)}: a tensor is expected`);
    if (!(x.ndim > 0 && x.numel > 0))
      fail("calibrate", `sampleInput ${show(x.shape)}: rows are expected, the first dim is the batch`);
    if (x.shape[0] !== inputs[0]!.shape[0]) {
      const shapes = inputs.map((t) => show(t.shape)).join(" and ");
      fail("calibrate", `sampleInput ${shapes}: the first dim is the batch and must be the same`);
    }
  }
  return inputs;
}

function checkOptions<R>(options: CalibrateOptions<R>, rows: number): Options<R> {
  expectOptions("calibrate", options, OPTIONS);
  const { batch = rows, budget = BUDGET, devices, loss, onProgress } = options;
  positive("calibrate", "batch", batch);
  const batches = options.batches ?? usual(batch);
  const good = Array.isArray(batches) && batches.length > 0 && batches.every((n) => Number.isInteger(n) && n > 0);
  if (!good) fail("calibrate", `batches ${given(batches)}: positive integers are expected`);
  checkNumber("calibrate", "budget", budget, [(ms) => ms > 0, "a positive number of milliseconds"]);
  for (const [name, f] of Object.entries({ loss, onProgress })) {
    if (f !== undefined && typeof f !== "function") fail("calibrate", `${name} ${given(f)}: a function is expected`);
  }
  if (devices !== undefined && devices.length !== 2) fail("calibrate", `devices (${devices.length}): two are expected`);
  return { ...options, batch, budget, batches: [...new Set([...batches, batch])].sort((a, b) => a - b) };
}

/** 1, 8, 64, 512 and so on up to `batch`, which takes the place of those near it. */
function usual(batch: number): number[] {
  const powers = [1, 8, 64, 512];
  while (powers.at(-1)! * 8 <= batch) powers.push(powers.at(-1)! * 8);
  return [...powers.filter((n) => n > 2 * batch || 2 * n < batch), batch];
}

/** The two devices; what keeps the second from being there in its place. */
async function find(given: CalibrateOptions["devices"]): Promise<readonly [Device, Device | string]> {
  if (given !== undefined) return given;
  const wasm = await deviceOf("wasm");
  try {
    return [wasm, await deviceOf("webgpu")];
  } catch (error) {
    return [wasm, `there is no WebGPU here (${(error as Error).message})`];
  }
}

function current(otherwise: Device): Device {
  try {
    return defaultDevice();
  } catch {
    return otherwise;
  }
}

// ------------------------------------------------------------------------------------------------------------ measure

interface Failure {
  readonly message: string;
  /** The batch size at which the second device failed; 0 when it is broken or has no figure at all. */
  readonly batch: number;
}

/** Measures both devices at each batch size, as far as the budget goes and a device can still be the faster one. */
async function sweep<A extends unknown[], R>(
  model: Module<A, R>,
  samples: readonly Sample[],
  devices: readonly [Device, Device],
  options: Options<R>,
): Promise<{ times: Times; failure: Failure | null }> {
  const { batches, budget, loss = null, onProgress } = options;
  const rows = samples[0]!.shape[0]!;
  const largest = Math.max(...batches, options.batch);
  const times: Times = [new Map(), new Map()];
  const trials: (Trial<A, R> | null)[] = [null, null];
  const over: [boolean, boolean] = [false, false];
  const end = performance.now() + budget;
  const planned = 2 * batches.length + 2;
  let done = 0;
  let failure: Failure | null = null;
  let firstError: unknown;

  const point = async (side: 0 | 1, batch: number): Promise<void> => {
    const left = end - performance.now();
    setDefaultDevice(devices[side]);
    trials[side] ??= await Trial.on(model, devices[side], loss);
    const ms = await trials[side].time(samples, batch, Math.max(left, budget / 10) / Math.max(2, planned - done));
    times[side].set(batch, ms);
  };
  const tell = (side: 0 | 1, batch: number): void => {
    const ms = times[side].get(batch)!;
    done++;
    onProgress?.({ device: NAMES[side]!, batch, ms, done, total: Math.max(planned - 2, done) });
  };
  /** What measuring a point takes at least; nothing where nothing is known yet. */
  const needed = (side: 0 | 1, batch: number): number =>
    over[side] || times[side].size === 0 ? 0 : STEPS_AT_LEAST * timeAt(times[side], batch);
  const both = async (batch: number): Promise<void> => {
    if (batch !== options.batch) {
      if (needed(0, batch) + needed(1, batch) > end - performance.now()) return;
    } else {
      if (needed(0, batch) > budget) over[0] = true;
      if (needed(1, batch) > budget) over[1] = true;
    }
    if (!over[0]) {
      try {
        await point(0, batch);
      } catch (error) {
        // A model may be made for one batch size: then the others are left out.
        if (devices[0].failed !== null || batch === rows) throw error;
        firstError ??= error;
        return;
      }
      tell(0, batch);
    }
    if (over[1]) return;
    try {
      await point(1, batch);
    } catch (error) {
      const nothing = devices[1].failed !== null || times[1].size === 0;
      failure = { message: (error as Error).message, batch: nothing ? 0 : batch };
      return;
    }
    tell(1, batch);
  };

  try {
    for (const batch of batches) {
      await both(batch);
      if (failure !== null) break;
      const [a, b] = [times[0].get(batch), times[1].get(batch)];
      if (a === undefined || b === undefined) continue;
      // Even if its time stayed as it is, and the other's grew with the batch, it would not be faster.
      if (b * batch >= a * largest) over[1] = true;
      if (a * batch >= b * largest) over[0] = true;
    }
    if (times[0].size === 0) throw firstError;
    const near = bracket(times);
    if (near !== null && failure === null && near.high > 2 * near.low && end > performance.now()) {
      over.fill(false);
      await both(Math.round(near.crossing));
    }
  } finally {
    for (const trial of trials) trial?.dispose();
  }
  return { times, failure };
}

// ------------------------------------------------------------------------------------------------------------- decide

/** Three significant digits at most, as 9.8 or 120. */
const ms = (t: number): string => String(Number(t.toPrecision(t < 100 ? 2 : 3)));

function decide(times: Times, batch: number, devices: readonly Device[], failure: Failure | null): Answer {
  const [a, b] = times;
  const crossover = failure?.batch === 0 ? null : crossoverOf(times);
  const sizes = [...new Set([...a.keys(), ...b.keys()])].sort((x, y) => x - y);
  const kept = (t: number | undefined): number | null => (t === undefined ? null : Number(t.toPrecision(4)));
  const list = sizes.map((n): BatchTime => ({ batch: n, wasm: kept(a.get(n)), webgpu: kept(b.get(n)) }));
  const answer = (choice: Choice, why: string): Answer => ({
    choice,
    crossover,
    times: list,
    why: `${choice}: ${why}`,
  });
  if (failure !== null && (failure.batch === 0 || batch >= failure.batch)) {
    const where = failure.batch === 0 ? "" : ` at batch ${failure.batch}`;
    return answer("wasm", `webgpu failed while it was measured${where} (${failure.message})`);
  }
  const at = [timeAt(a, batch), timeAt(b, batch)] as const;
  const side = at[1] < at[0] ? 1 : 0;
  const figure = (i: 0 | 1): string => {
    const [only] = times[i];
    if (times[i].has(batch)) return ms(at[i]);
    return times[i].size === 1 && batch > only![0] ? `at least ${ms(only![1])}` : `about ${ms(at[i])}`;
  };
  const [mine, others] = [figure(side), figure(side === 0 ? 1 : 0)];
  const it = side === 1 ? "it" : "webgpu";
  const common = sizes.filter((n) => a.has(n) && b.has(n));
  const range = common.length === 1 ? `batch ${common[0]}` : `batches ${common[0]} to ${common.at(-1)}`;
  const slower = common.some((n) => b.get(n)! < a.get(n)!) ? `batch ${common.at(-1)}` : range;
  const from =
    crossover === null
      ? `${it} is not faster at ${slower}`
      : `${it} is faster ${crossover === 1 ? `at ${range}` : `from batch ${crossover} on`}`;
  const software = devices.map((d) => d.info.why).find((why) => why.includes("software adapter"));
  const limit = failure === null ? "" : `; webgpu failed at batch ${failure.batch} (${failure.message})`;
  const named = software === undefined ? "" : `; webgpu is a software adapter here: ${software}`;
  return answer(
    NAMES[side]!,
    `${mine} ms a step against ${others} on ${NAMES[1 - side]} at batch ${batch}; ${from}${limit}${named}`,
  );
}
