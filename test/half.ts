// Cases with float16 where they have float32: against the reference, whose kernels read what was rounded to float16 and
// leave their results as they are. The device computes with floats, so a result that lies within the case's tolerance t of the
// reference's r before it is rounded lies between the roundings of r - t and r + t behind it: that is what it is held to.
import type { Device } from "../src/core/device.ts";
import { TYPES } from "../src/core/dtype.ts";
import { contiguous } from "../src/core/op.ts";
import { show } from "../src/core/shape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { noGrad } from "../src/ops/modes.ts";
import { type Case, dtypeOf, type Tolerance } from "./cases/case.ts";
import { at, bound, perform, read, title, type Value } from "./harness.ts";
import { roundHalf } from "./reference/view.ts";
import { ReferenceDevice } from "./reference.ts";

/** The reference with float16. */
export const reference = new ReferenceDevice(true);

interface Typed extends Value {
  readonly dtype: Tensor["dtype"];
}

/** Cases with floats, but of optimizers, whose parameters are float32, and of kernels that are launched by name. */
export const halfCases = (list: readonly Case[]): Case[] =>
  list.filter(
    (c) => c.family !== "optim" && !/Winograd/.test(c.name) && c.inputs.some((x) => dtypeOf(x) === "float32"),
  );

function ask(x: Tensor): Omit<Typed, "data"> & { data: Promise<Value["data"]> } {
  return noGrad(() => {
    const dense = contiguous(x);
    const data = x.device.read(dense, dense.numel, dense.dtype);
    data.catch(() => {}); // awaited later, and others may fail first
    return { shape: x.shape, dtype: x.dtype, data, scale: null, terms: 0 };
  });
}

/** One in so many results lies so near the middle between two float16 that float32 may round it to the other one. */
const RARE = 512;

/**
 * Holds every element to its interval. With `through`, where results came by way of others that were rounded to float16,
 * one in RARE may be off by what the other rounding of such a value makes: 2^-10 of its size, or of that of its terms.
 */
function compare(what: string, got: Typed, ref: Typed, tolerance: Tolerance, through: boolean): void {
  if (got.dtype !== ref.dtype) throw new Error(`${what}: ${got.dtype}, expected ${ref.dtype}`);
  if (show(got.shape) !== show(ref.shape)) throw new Error(`${what}: ${show(got.shape)}, expected ${show(ref.shape)}`);
  const whole = !TYPES[ref.dtype].float;
  const round = ref.dtype === "float16" ? roundHalf : whole ? Number : Math.fround;
  let left = through ? Math.floor(ref.data.length / RARE) : 0;
  ref.data.forEach((y, i) => {
    const t = whole || !Number.isFinite(y) ? 0 : bound(tolerance, ref, i);
    const x = got.data[i]!;
    const within = (d: number): boolean => x >= round(y - d) && x <= round(y + d);
    if (Number.isNaN(y) ? Number.isNaN(x) : within(t)) return;
    if (left-- > 0 && within(t + 2 ** -10 * Math.max(Math.abs(y), ref.scale?.[i] ?? 0))) return;
    throw new Error(
      `${what}: at ${at(i, ref.shape)} of ${show(ref.shape)} got ${x}, expected ${y}: ` +
        `between ${round(y - t)} and ${round(y + t)} would do`,
    );
  });
}

/** Result and gradients, whose dtypes are those of the inputs. With `guard` the inputs lie in the middle of NaN, at odd elements. */
export async function checkHalf(c: Case, device: Device, guard = false): Promise<void> {
  const ref = perform(c, reference, (x): Typed => ({ ...read(x), dtype: x.dtype }), guard, "float16");
  const coming = perform(c, device, ask, guard, "float16");
  const arrived = async (x: ReturnType<typeof ask>): Promise<Typed> => ({ ...x, data: await x.data });
  const where = `${title(c, device)}, float16`;
  compare(where, await arrived(coming.out), ref.out, c.tolerance, false);
  for (const [i, expected] of ref.grads.entries()) {
    const got = coming.grads[i]!;
    if ((got === null) !== (expected === null))
      throw new Error(`${where}: one has a gradient of input ${i}, one has none`);
    if (got === null || expected === null) continue;
    if (got.dtype !== "float16") throw new Error(`${where}: the gradient of input ${i} is ${got.dtype}`);
    compare(`${where}: gradient of input ${i}`, await arrived(got), expected, c.gradTolerance ?? "sum", true);
  }
}
