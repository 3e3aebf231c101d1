// As harness.ts, for a device that cannot block: what is read is asked for in order and awaited at the end.
import type { Device, TypedData } from "../src/core/device.ts";
import { contiguous } from "../src/core/op.ts";
import type { Shape } from "../src/core/shape.ts";
import { noGrad } from "../src/core/tape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { type Case, special } from "./cases/case.ts";
import {
  check,
  compare,
  differentiable,
  expected,
  expectedTwice,
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

/** Result and gradients, and where the reference is asked for them too, gradients of gradients. */
export async function checkCase(c: Case, device: Device, guard = false): Promise<Outcome> {
  expected(c);
  const got = await executeAsync(c, device, guard);
  check(c, got, device);
  if (c.order === 2 && differentiable(c)) await checkTwiceAsync(c, device);
  return got;
}

/** What was found in a run over cases. */
export interface Found {
  passed: number;
  failures: { readonly c: Case; readonly message: string }[];
  /** Special values that this device's driver treats in its own way. */
  deviations: { readonly c: Case; readonly message: string }[];
}

/** Checks cases one after the other until the device fails. */
export async function checkAll(list: readonly Case[], device: Device, took?: (c: Case, ms: number) => void) {
  const found: Found = { passed: 0, failures: [], deviations: [] };
  for (const c of list) {
    const begin = performance.now();
    try {
      await checkCase(c, device);
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
