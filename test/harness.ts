// Runs a case on a device and on the f64 reference and compares: the result, its gradients, on the reference the gradients
// with central differences, and the gradients of gradients likewise.
import { type Device, type Storage, setDefaultDevice, type TypedData } from "../src/core/device.ts";
import { type DType, isFloat } from "../src/core/dtype.ts";
import { contiguous } from "../src/core/op.ts";
import { numel, type Shape, show } from "../src/core/shape.ts";
import { grad } from "../src/core/tape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { manualSeed, mul, narrow, sum, tensor, view } from "../src/ops/index.ts";
import { noGrad, scope } from "../src/ops/modes.ts";
import { winograd } from "../src/program/winograd.ts";
import { dataSync } from "../src/read.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { PARALLEL_WORK } from "../src/wasm/script.ts";
import { type Case, dtypeOf, type Input, type Tolerance, values } from "./cases/case.ts";
import { ReferenceDevice, type ReferenceStorage } from "./reference.ts";

const SEED = 20240607;
/** Elements up to which differences are affordable. */
const SMALL = 160;

/** A tensor read back, and from the reference what is known about the sums behind it. */
export interface Value {
  readonly shape: Shape;
  readonly data: TypedData;
  /** s of each element that is a sum, 0 of others; null where none is. */
  readonly scale: Float64Array | null;
  readonly terms: number;
}
export interface Outcome {
  readonly out: Value;
  /** One an input; null where there is none. */
  readonly grads: readonly (Value | null)[];
}

export const reference = new ReferenceDevice();
reference.choices = winograd;

/** What is known about the sums behind a tensor of the reference. */
function behind(dense: Tensor): Pick<Value, "scale" | "terms"> {
  if (!(dense.device instanceof ReferenceDevice)) return { scale: null, terms: 0 };
  const { place } = dense.storage as ReferenceStorage;
  return { scale: place.scale?.slice(dense.offset, dense.offset + dense.numel) ?? null, terms: place.terms };
}

export function read(x: Tensor): Value {
  return noGrad(() => {
    const dense = contiguous(x);
    return { shape: x.shape, data: dataSync(dense), ...behind(dense) };
  });
}

/** What lies before and behind an input: NaN beside it, behind which a number shows what is made of NaN. */
function surroundings(n: number, dtype: DType): Float32Array | Int32Array {
  if (!isFloat(dtype)) return new Int32Array(n + 6).fill(-999);
  const wide = new Float32Array(n + 6).fill(Number.NaN);
  wide[1] = wide[n + 4] = 12345;
  return wide;
}

/** Throws where what lies around an input was written. */
function lookAround(c: Case, xs: readonly Tensor[]): void {
  xs.forEach((x, i) => {
    if (x.dtype === "bool") return; // true all around, as most numbers are
    const expected = surroundings(x.numel, x.dtype);
    const found = x.device.readSync({ storage: x.storage, offset: 0 }, expected.length, x.dtype);
    for (const at of [0, 1, 2, 3 + x.numel, 4 + x.numel, 5 + x.numel])
      if (!Object.is(found[at], expected[at]))
        throw new Error(`${c.family}: ${c.name}: element ${at - 3} of input ${i} of ${x.numel} elements was written`);
  });
}

/** The inputs of a case on a device, as leaves. With `guard` they lie in the middle of NaN, off the grid of 16 bytes. */
function place(c: Case, device: Device, data: readonly TypedData[], guard = false, float: DType = "float32"): Tensor[] {
  return c.inputs.map((input, i) => {
    const { shape } = input;
    const dtype = dtypeOf(input) === "float32" ? float : dtypeOf(input);
    const n = numel(shape);
    let x: Tensor;
    if (guard) {
      const wide = surroundings(n, dtype);
      wide.set(data[i]!, 3);
      x = noGrad(() => view(narrow(tensor(wide, { dtype, device }), 0, 3, n), shape));
    } else {
      // bool tensors are made of their words
      const made = dtype === "bool" ? tensor(Uint8Array.from(data[i]!), { shape, dtype, device }) : null;
      x = made ?? tensor(data[i]!, { shape, dtype, device });
    }
    if (wanted(c, input)) x.requiresGrad = true;
    return x;
  });
}

const wanted = (c: Case, x: Input): boolean => c.order > 0 && dtypeOf(x) === "float32" && x.grad !== false;

const inputData = (c: Case): TypedData[] => c.inputs.map((x, i) => values(x, SEED + 101 * i));
/** The gradient that comes in from behind, the same for every device. */
const incoming = (shape: Shape): Float32Array => values({ shape, fill: "away" }, SEED - 1) as Float32Array;

/** Runs a case, its floats of width `float`, and takes the result and the gradients of sum(result * incoming) with `take`. */
export function perform<R>(
  c: Case,
  device: Device,
  take: (x: Tensor) => R,
  guard = false,
  float: DType = "float32",
): { out: R; grads: (R | null)[] } {
  setDefaultDevice(device);
  manualSeed(SEED, device);
  return scope(() => {
    const xs = place(c, device, inputData(c), guard, float);
    const y = c.run(...xs);
    const out = take(y);
    if (guard && device.canBlock && float === "float32") lookAround(c, xs);
    const leaves = xs.filter((x) => x.requiresGrad);
    if (leaves.length === 0 || !y.requiresGrad) return { out, grads: xs.map(() => null) };
    const gradient = tensor(incoming(y.shape), { shape: y.shape, dtype: y.dtype, device });
    const found = grad(y, leaves, { gradient });
    const of = new Map(leaves.map((x, i) => [x, found[i] ?? null]));
    return {
      out,
      grads: xs.map((x) => {
        const g = of.get(x) ?? null;
        return g === null ? null : take(g);
      }),
    };
  });
}

/** Runs a case: the result and the gradients of sum(result * incoming). */
export const execute = (c: Case, device: Device, guard = false): Outcome => perform(c, device, read, guard);

/**
 * Runs a case twice differentiated: with w = incoming as a leaf too and first = d sum(y w) / dx, takes the gradients of
 * sum(first * v) with respect to x and w, for fixed v, one v an input.
 */
export function performTwice<R>(c: Case, device: Device, take: (x: Tensor) => R): R[] {
  setDefaultDevice(device);
  manualSeed(SEED, device);
  const { shape } = expected(c).out;
  setDefaultDevice(device);
  return scope(() => {
    const xs = place(c, device, inputData(c));
    const leaves = xs.filter((x) => x.requiresGrad);
    const weight = tensor(incoming(shape), { shape, device, requiresGrad: true });
    const first = grad(c.run(...xs), leaves, { gradient: weight, createGraph: true });
    return leaves.flatMap((x, j) => {
      const g = first[j] ?? null;
      if (!g?.requiresGrad) return [];
      const gradient = tensor(direction(c, xs.indexOf(x)), { shape: x.shape, device });
      return grad(g, [...leaves, weight], { gradient, retainGraph: true })
        .filter((second) => second !== null)
        .map(take);
    });
  });
}

/** What the gradient of input i is multiplied by, to be differentiated again. */
const direction = (c: Case, i: number): TypedData =>
  values({ shape: c.inputs[i]!.shape, fill: "away" }, SEED + 7 * i + 3);

const twice = new Map<Case, Value[]>();

/** The gradients of gradients on the reference. */
export function expectedTwice(c: Case): Value[] {
  let found = twice.get(c);
  if (found === undefined) {
    found = performTwice(c, reference, read);
    twice.set(c, found);
  }
  return found;
}

const known = new Map<Case, Outcome>();

/** The outcome on the reference. */
export function expected(c: Case): Outcome {
  let outcome = known.get(c);
  if (outcome === undefined) {
    outcome = execute(c, reference);
    known.set(c, outcome);
  }
  return outcome;
}

// ---------------------------------------------------------------------------------------------------------- comparing

/** One unit in the last place of a float32 of this size; subnormal ones have that of 2^-126. */
export function ulpOf(x: number): number {
  const size = Math.abs(x);
  if (!(size > 2 ** -126)) return 2 ** -149;
  return 2 ** (Math.min(127, Math.floor(Math.log2(size))) - 23);
}

// Below 2^-126 float32 is subnormal and may be flushed; what was flushed may have been multiplied by up to 16 since.
const ATOL = 2 ** -122;
const EPS = 2 ** -24;

/** How far element i may be off. */
export function bound(tolerance: Tolerance, ref: Value, i: number): number {
  const value = ref.data[i]!;
  if (tolerance === "exact") return 0;
  if (tolerance === "sum") {
    const s = ref.scale?.[i] ?? 0;
    return s > 0 ? ATOL + 8 * EPS * Math.sqrt(ref.terms) * s : 4 * ulpOf(value);
  }
  return tolerance.ulp * ulpOf(Math.max(Math.abs(value), tolerance.of ?? 0)) + (tolerance.of === undefined ? 0 : ATOL);
}

const same = (a: number, b: number): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));

export function at(i: number, shape: Shape): string {
  const index: number[] = [];
  for (let d = shape.length - 1, rest = i; d >= 0; d--) {
    index.unshift(rest % shape[d]!);
    rest = Math.floor(rest / shape[d]!);
  }
  return `[${index.join(",")}]`;
}

/** Throws where `got` is not `ref` within the tolerance; the message has index, both values and sizes. */
export function compare(what: string, got: Value, ref: Value, tolerance: Tolerance): void {
  if (show(got.shape) !== show(ref.shape)) {
    throw new Error(`${what}: shape ${show(got.shape)}, expected ${show(ref.shape)}`);
  }
  const whole = got.data instanceof Int32Array;
  if (whole !== ref.data instanceof Int32Array) throw new Error(`${what}: dtypes differ`);
  let bad = 0;
  let first = -1;
  let worst = 0;
  for (let i = 0; i < ref.data.length; i++) {
    const [x, y] = [got.data[i]!, ref.data[i]!];
    const rounded = whole ? y : Math.fround(y);
    if (same(x, rounded)) continue;
    const allowed = whole || !Number.isFinite(rounded) || !Number.isFinite(x) ? 0 : bound(tolerance, ref, i);
    const off = Math.abs(x - y);
    if (off <= allowed) continue;
    bad++;
    if (first < 0) first = i;
    worst = Math.max(worst, off / allowed);
  }
  if (bad === 0) return;
  const [x, y] = [got.data[first]!, ref.data[first]!];
  const sums = ref.scale?.[first] ? `, ${ref.terms} terms with s ${ref.scale[first]}` : "";
  throw new Error(
    `${what}: at ${at(first, ref.shape)} of ${show(ref.shape)} got ${x}, expected ${y}: off by ${Math.abs(x - y)}, ` +
      `allowed ${whole ? 0 : bound(tolerance, ref, first)} (${JSON.stringify(tolerance)}${sums}); ` +
      `${bad} of ${ref.data.length} are off, at most ${worst.toFixed(2)} times what is allowed`,
  );
}

/** `conv2d [2,1,5,5] [3,1,3,3] on wasm, simd, 2 threads` */
export function title(c: Case, device: Device): string {
  const { build, threads } = device.info;
  return `${c.family}: ${c.name} on ${device.type}, ${build}, ${threads} thread${threads === 1 ? "" : "s"}`;
}

/** Compares an outcome with that of the reference. */
export function check(c: Case, got: Outcome, device: Device): void {
  const ref = expected(c);
  const where = title(c, device);
  compare(where, got.out, ref.out, c.tolerance);
  ref.grads.forEach((g, i) => {
    const mine = got.grads[i]!;
    if ((g === null) !== (mine === null)) throw new Error(`${where}: one has a gradient of input ${i}, one has none`);
    if (g !== null) compare(`${where}: gradient of input ${i}`, mine!, g, c.gradTolerance ?? "sum");
  });
}

const bits = (x: TypedData): Int32Array => new Int32Array(x.buffer, x.byteOffset, x.length);

/** Throws where two outcomes differ in a bit. */
export function sameBits(what: string, a: Outcome, b: Outcome): void {
  const parts: [string, Value | null, Value | null][] = [
    ["result", a.out, b.out],
    ...a.grads.map((g, i): [string, Value | null, Value | null] => [`gradient of input ${i}`, g, b.grads[i]!]),
  ];
  for (const [name, x, y] of parts) {
    if (x === null || y === null) continue;
    const [p, q] = [bits(x.data), bits(y.data)];
    // The sign of a NaN is left open by WebAssembly, and differs between V8's tiers.
    const i = p.findIndex((word, j) => word !== q[j] && !(Number.isNaN(x.data[j]) && Number.isNaN(y.data[j])));
    if (i < 0) continue;
    throw new Error(`${what}: ${name} at ${at(i, x.shape)} of ${show(x.shape)}: ${x.data[i]} and ${y.data[i]}`);
  }
}

// -------------------------------------------------------------------------------------------------------- differences

/** Differences can show its gradient, and there are few enough of them. */
export function differentiable(c: Case): boolean {
  const n = c.inputs.reduce((total, x) => total + numel(x.shape), 0);
  return c.order > 0 && c.marks.length === 0 && n <= SMALL && expected(c).out.data.length <= SMALL;
}

const widened = (c: Case): TypedData[] =>
  inputData(c).map((x) => (x instanceof Float32Array ? Float64Array.from(x) : x));

/** d f / d x[i] for every element of the float64 arrays, by central differences. */
function differences(f: () => number, arrays: readonly (Float64Array | null)[]): (Float64Array | null)[] {
  return arrays.map((x) => {
    if (x === null) return null;
    return x.map((value, i) => {
      const h = 2 ** -17 * Math.max(Math.abs(value), 2 ** -3);
      x[i] = value + h;
      const up = f();
      x[i] = value - h;
      const down = f();
      x[i] = value;
      return (up - down) / (2 * h);
    });
  });
}

function near(what: string, got: ArrayLike<number> | null, ref: Float64Array): void {
  const size = ref.reduce((m, x) => Math.max(m, Math.abs(x)), 1);
  for (let i = 0; i < ref.length; i++) {
    const x = got === null ? 0 : got[i]!;
    if (!(Math.abs(x - ref[i]!) <= 1e-6 * size)) {
      throw new Error(`${what}: at ${i}: the gradient is ${x}, differences give ${ref[i]}`);
    }
  }
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
};

/** On the reference: gradients against central differences of sum(result * incoming). */
export function checkGradient(c: Case): void {
  setDefaultDevice(reference);
  const data = widened(c);
  const f = (): number => {
    manualSeed(SEED, reference);
    return noGrad(() =>
      scope(() => {
        const y = c.run(...place(c, reference, data));
        return dot(dataSync(y), incoming(y.shape));
      }),
    );
  };
  const arrays = c.inputs.map((x, i) => (wanted(c, x) ? (data[i] as Float64Array) : null));
  const ref = differences(f, arrays);
  const { grads } = expected(c);
  ref.forEach((r, i) => {
    if (r !== null) near(`${c.name}: gradient of input ${i} by differences`, grads[i]?.data ?? null, r);
  });
}

/**
 * On the reference: with w = incoming as a leaf too, first = d sum(y w) / dx; the gradients of sum(first * v) with respect to
 * x and w, for fixed v, against central differences.
 */
export function checkTwice(c: Case): void {
  setDefaultDevice(reference);
  const data = widened(c);
  const shape = expected(c).out.shape;
  const w = Float64Array.from(incoming(shape));
  const directions = c.inputs.map((_, i) => direction(c, i));
  const run = (twice: boolean): { total: number; second: (TypedData | null)[] } => {
    manualSeed(SEED, reference);
    return scope(() => {
      const xs = place(c, reference, data);
      const leaves = xs.filter((x) => x.requiresGrad);
      const weight = tensor(w, { shape, requiresGrad: true });
      const y = c.run(...xs);
      const first = grad(sum(mul(y, weight)), leaves, { createGraph: twice });
      const terms = leaves.map((x, j) => {
        const v = tensor(directions[xs.indexOf(x)]!, { shape: x.shape });
        return first[j] === null ? null : sum(mul(first[j]!, v));
      });
      const present = terms.filter((t) => t !== null);
      const total = present.reduce((s, t) => s + dataSync(t)[0]!, 0);
      if (!twice) return { total, second: [] };
      const sums: (TypedData | null)[] = [...xs.map(() => null), null];
      for (const t of present) {
        if (!t.requiresGrad) continue;
        grad(t, [...leaves, weight], { retainGraph: true }).forEach((g, j) => {
          if (g === null) return;
          const k = j < leaves.length ? xs.indexOf(leaves[j]!) : xs.length;
          const more = dataSync(g);
          sums[k] = sums[k] === null || sums[k] === undefined ? more : more.map((v, i) => v + sums[k]![i]!);
        });
      }
      return { total, second: sums };
    });
  };
  const { second } = run(true);
  const arrays = [...c.inputs.map((x, i) => (wanted(c, x) ? (data[i] as Float64Array) : null)), w];
  differences(() => run(false).total, arrays).forEach((r, i) => {
    const of = i < c.inputs.length ? `input ${i}` : "the incoming gradient";
    if (r !== null) near(`${c.name}: second gradient of ${of} by differences`, second[i] ?? null, r);
  });
}

// ------------------------------------------------------------------------------------------------------------ devices

/** Notes the kernels that are launched, and those with enough work to be shared by threads. */
export function watch(device: WasmDevice): { launched: Set<string>; shared: Set<string> } {
  const seen = { launched: new Set<string>(), shared: new Set<string>() };
  const launch = device.launch.bind(device);
  device.launch = (name, buffers, outputs, extents, scalars, op) => {
    const { cost, segments } = device.kernel(name);
    const work = segments ? extents.slice(1).reduce((a, b) => a + b, 0) : numel(extents);
    seen.launched.add(name);
    if (work * cost >= PARALLEL_WORK) seen.shared.add(name);
    launch(name, buffers, outputs, extents, scalars, op);
  };
  return seen;
}

/** Words that no kernel makes. Every other one is a number: what is computed from a NaN may have its very bits. */
export const GUARD = Int32Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 0x7fc0_0bad : 0x4b3c_0bad) + i);

/** Puts words behind every storage and looks whether they are there when it goes. For a device made with `debug`. */
export function guard(device: WasmDevice): () => void {
  const alloc = device.alloc.bind(device);
  const free = device.free.bind(device);
  const guarded = new Map<Storage, number>();
  let broken: string | null = null;
  const look = (storage: Storage, words: number): void => {
    const found = device.readSync({ storage, offset: words }, GUARD.length, "int32");
    const i = found.findIndex((word, j) => word !== GUARD[j]);
    if (i >= 0) broken ??= `${storage.label} of ${words} elements: element ${words + i} was written`;
  };
  device.alloc = (bytes, label) => {
    const storage = alloc(bytes + 4 * GUARD.length, label) as { bytes: number } & Storage;
    storage.bytes = bytes; // core asks whether a tensor fills its storage
    device.write({ storage, offset: bytes / 4 }, GUARD, "int32");
    guarded.set(storage, bytes / 4);
    return storage;
  };
  device.free = (storage) => {
    const words = guarded.get(storage);
    if (words !== undefined && device.failed === null) look(storage, words);
    guarded.delete(storage);
    free(storage);
  };
  return () => {
    if (broken === null) return;
    const message = broken;
    broken = null;
    throw new Error(`${message}: beyond its end`);
  };
}
