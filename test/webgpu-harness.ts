// As harness.ts, for a device that cannot block: what is read is asked for in order and awaited at the end.
import type { Device, Storage, TypedData } from "../src/core/device.ts";
import { contiguous } from "../src/core/op.ts";
import type { Shape } from "../src/core/shape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { noGrad } from "../src/ops/modes.ts";
import { type Case, special, type Tolerance } from "./cases/case.ts";
import {
  check,
  compare,
  differentiable,
  expected,
  expectedTwice,
  GUARD,
  type Outcome,
  perform,
  performTwice,
  reference,
  title,
  type Value,
} from "./harness.ts";

interface Coming {
  readonly shape: Shape;
  readonly data: Promise<TypedData>;
}

/** Asks for the values; the tensor may be released right after. */
function ask(x: Tensor): Coming {
  return noGrad(() => {
    const dense = contiguous(x);
    const data = x.device.read(dense, dense.numel, dense.dtype);
    data.catch(() => {}); // awaited later, and others may fail first
    return { shape: x.shape, data };
  });
}

const arrived = async ({ shape, data }: Coming): Promise<Value> => ({ shape, data: await data, scale: null, terms: 0 });

/** Runs a case: the result and the gradients of sum(result * incoming). */
export async function executeAsync(c: Case, device: Device, guard = false): Promise<Outcome> {
  const { out, grads } = perform(c, device, ask, guard);
  return {
    out: await arrived(out),
    grads: await Promise.all(grads.map((g) => (g === null ? null : arrived(g)))),
  };
}

/** Bound of the gradients of gradients, against the largest of them: what is made of rounded values and may cancel. */
const TWICE = 1e-4;

/** Compares the gradients of gradients with the reference's: the rule, not the last digits. */
export async function checkTwiceAsync(c: Case, device: Device): Promise<void> {
  const ref = expectedTwice(c);
  const got = await Promise.all(performTwice(c, device, ask).map(arrived));
  const where = `${title(c, device)}: second gradients`;
  if (got.length !== ref.length) throw new Error(`${where}: ${got.length}, expected ${ref.length}`);
  ref.forEach((r, i) => {
    let size = 1;
    for (const x of r.data) size = Math.max(size, Math.abs(x));
    compare(`${where}: number ${i}`, got[i]!, r, { ulp: TWICE * 2 ** 23, of: size });
  });
}

/** Quotients and roots: WGSL holds them to 2.5 ulp. Software adapters have them exactly, and are held to that. */
const ROUGH = { ulp: 3 } as const;

function tolerated(c: Case, device: Device): Case {
  if (/software adapter/.test(device.info.why) || !/div|sqrt/.test(c.name)) return c;
  const rough = (t: Tolerance | undefined): Tolerance | undefined => (t === "exact" ? ROUGH : t);
  return { ...c, tolerance: rough(c.tolerance)!, gradTolerance: rough(c.gradTolerance) ?? "sum" };
}

/**
 * Result and gradients, and where the reference is asked for them too, gradients of gradients. With `guard` the inputs
 * lie in the middle of NaN, off the grid of four floats.
 */
export async function checkCase(c: Case, device: Device, guard = false): Promise<Outcome> {
  expected(c);
  const got = await executeAsync(c, device, guard);
  check(tolerated(c, device), got, device);
  if (!guard && c.order === 2 && differentiable(c)) await checkTwiceAsync(c, device);
  return got;
}

/** Puts words behind every storage and looks whether they are there when it goes: the promise throws where one is not. */
export function guard(device: Device): () => Promise<void> {
  const alloc = device.alloc.bind(device);
  const free = device.free.bind(device);
  const guarded = new Map<Storage, number>();
  let looks: Promise<void>[] = [];
  device.alloc = (bytes, label) => {
    const storage = alloc(bytes + 4 * GUARD.length, label) as { bytes: number } & Storage;
    storage.bytes = bytes; // core asks whether a tensor fills its storage
    device.write({ storage, offset: bytes / 4 }, GUARD, "int32");
    guarded.set(storage, bytes / 4);
    return storage;
  };
  device.free = (storage) => {
    const words = guarded.get(storage);
    if (words !== undefined) {
      const look = async (found: Promise<TypedData>): Promise<void> => {
        const i = (await found).findIndex((word, j) => word !== GUARD[j]);
        if (i >= 0) throw new Error(`${storage.label} of ${words} elements: element ${words + i} was written`);
      };
      const found = look(device.read({ storage, offset: words }, GUARD.length, "int32"));
      found.catch(() => {}); // awaited below
      looks.push(found);
    }
    guarded.delete(storage);
    free(storage);
  };
  return async () => {
    const all = looks;
    looks = [];
    await Promise.all(all);
  };
}

/** What was found in a run over cases. */
export interface Found {
  passed: number;
  failures: { readonly c: Case; readonly message: string }[];
  /** Special values that this device's driver treats in its own way. */
  deviations: { readonly c: Case; readonly message: string }[];
}

/** Checks cases one after the other until the device fails; with `look`, of `guard`, guarded. */
export async function checkAll(
  list: readonly Case[],
  device: Device,
  took?: (c: Case, ms: number) => void,
  look?: () => Promise<void>,
): Promise<Found> {
  const found: Found = { passed: 0, failures: [], deviations: [] };
  for (const c of list) {
    const begin = performance.now();
    try {
      await checkCase(c, device, look !== undefined);
      await look?.();
      found.passed++;
    } catch (error) {
      const message = (error as Error).message;
      (special(c) && device.failed === null ? found.deviations : found.failures).push({ c, message });
      if (device.failed !== null) break;
    }
    took?.(c, performance.now() - begin);
  }
  return found;
}

export { reference };
