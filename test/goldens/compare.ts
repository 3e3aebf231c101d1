// Holds what a device computes against what was recorded: results, dtypes, shapes, gradients.
import { type Device, grad, scope, setDefaultDevice, type Tensor, type TypedData } from "../../src/index.ts";
import * as ops from "../../src/ops/index.ts";
import type { Call } from "./calls.ts";
import { type Data, DTYPES, type Kwargs, number, options, tensorOf, type Value } from "./recorded.ts";

export interface Near {
  readonly rtol: number;
  readonly atol: number;
}
export const ELEMENTWISE: Near = { rtol: 1e-6, atol: 1e-6 };
export const SUMS: Near = { rtol: 2e-5, atol: 2e-5 };
export const RUNS: Near = { rtol: 1e-3, atol: 1e-5 };

/** A check of one recorded case. */
export interface Golden {
  readonly name: string;
  readonly check: (device: Device) => Promise<void>;
}
/** What can be checked, and the names of what does not exist here yet. */
export interface Goldens {
  readonly checks: Golden[];
  readonly skipped: string[];
}

/** What is differentiated, and what came out. */
export interface Differentiated {
  readonly name: string;
  readonly inputs: readonly Data[];
  readonly outputs: readonly Data[];
  readonly gradOutput?: Data;
  /** One an output; null where that takes none. */
  readonly gradOutputs?: readonly (Data | null)[];
  readonly grads?: readonly (Data | null)[];
  readonly tolerance?: Near;
}
export interface Recorded extends Differentiated {
  readonly fn: string;
  readonly kwargs: Kwargs;
}

export function close(what: string, got: ArrayLike<number>, ref: readonly Value[], { rtol, atol }: Near): void {
  if (got.length !== ref.length) throw new Error(`${what}: ${got.length} values, ${ref.length} are recorded`);
  for (let i = 0; i < ref.length; i++) {
    const [x, y] = [got[i]!, number(ref[i]!)];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    if (Math.abs(x - y) <= atol + rtol * Math.abs(y)) continue;
    throw new Error(
      `${what}: at ${i} got ${x}, PyTorch has ${y}: off by ${Math.abs(x - y)} (rtol ${rtol}, atol ${atol})`,
    );
  }
}

/** What is asked for in order and compared when it has come, so that a device that cannot block is given all work at once. */
export type Later = (() => Promise<void>)[];

export function ask(later: Later, what: string, x: Tensor, ref: readonly Value[], near: Near): void {
  const values: Promise<TypedData> = x.device.canBlock ? Promise.resolve(x.dataSync()) : x.data();
  values.catch(() => {}); // awaited in its turn
  later.push(async () => close(what, await values, ref, near));
}

export async function settle(later: Later): Promise<void> {
  for (const f of later) await f();
}

function sameSizes(what: string, x: Tensor, shape: readonly number[]): void {
  if (x.shape.join() !== shape.join()) throw new Error(`${what}: shape [${x.shape}], PyTorch has [${shape}]`);
}

const EXACT: Near = { rtol: 0, atol: 0 };

/** Runs `f` on the inputs and compares its results, then the gradients of sum(gradOutput * output). */
export async function checkOutputs(
  c: Differentiated,
  device: Device,
  near: Near,
  f: (inputs: Tensor[]) => readonly Tensor[],
): Promise<void> {
  setDefaultDevice(device);
  const later: Later = [];
  scope(() => {
    const inputs = c.inputs.map(tensorOf);
    if (c.grads) c.grads.forEach((g, i) => void (g !== null && inputs[i]!.requiresGrad_()));
    const outputs = f(inputs);
    if (outputs.length !== c.outputs.length) throw new Error(`${c.name}: ${outputs.length} results`);
    c.outputs.forEach((ref, i) => {
      sameSizes(c.name, outputs[i]!, ref.shape);
      if (outputs[i]!.dtype !== DTYPES[ref.dtype]) {
        throw new Error(`${c.name}: dtype ${outputs[i]!.dtype}, PyTorch has ${DTYPES[ref.dtype]}`);
      }
      ask(later, c.name, outputs[i]!, ref.data, ref.dtype === "f32" ? near : EXACT);
    });
    if (!c.grads || !(c.gradOutput || c.gradOutputs)) return;
    const leaves = inputs.filter((_, i) => c.grads![i] !== null);
    // The gradient of an input that was broadcast is a sum.
    const adds = c.gradOutputs !== undefined || leaves.some((leaf) => leaf.numel < outputs[0]!.numel);
    const gradNear = c.tolerance ?? (adds ? SUMS : near);
    const gradients = c.gradOutputs ?? [c.gradOutput!];
    const found = gradientsOf(outputs, gradients, leaves);
    leaves.forEach((leaf, i) => {
      const k = inputs.indexOf(leaf);
      const ref = c.grads![k]!;
      const g = found[i] ?? ops.zerosLike(leaf);
      sameSizes(`${c.name}: gradient ${k}`, g, ref.shape);
      ask(later, `${c.name}: gradient ${k}`, g, ref.data, gradNear);
    });
  });
  await settle(later);
}

function gradientsOf(outputs: readonly Tensor[], gradients: readonly (Data | null)[], leaves: Tensor[]) {
  const parts = gradients.flatMap((g, k) => (g === null ? [] : [{ y: outputs[k]!, g: tensorOf(g) }]));
  if (parts.length === 1) return grad(parts[0]!.y, leaves, { gradient: parts[0]!.g });
  const sums = parts.map(({ y, g }) => ops.sum(ops.mul(y, g)));
  return grad(
    sums.reduce((a, b) => ops.add(a, b)),
    leaves,
  );
}

export function checkOp(c: Recorded, call: Call, device: Device, near: Near): Promise<void> {
  return checkOutputs(c, device, c.tolerance ?? near, (inputs) => {
    const result = call(inputs, options(c.kwargs));
    return Array.isArray(result) ? result : [result as Tensor];
  });
}
