// What is wrong with the use of a captured function, in words: loaded when something is.
import { given } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";

export { difference } from "../program/difference.ts";

export const noTensor = (i: number, x: unknown): string => `argument ${i + 1} is ${given(x)}: a tensor is expected`;

export const wantsGradient = (i: number, x: Tensor): string =>
  `argument ${i + 1} (${x.describe()}) requires grad: parameters come in through the closure, inputs do not`;

export const notDense = (i: number, x: Tensor): string =>
  `argument ${i + 1} (${x.describe()}) does not lie dense, and the function writes to it: pass its base, or contiguous()`;

/**
 * Of a function that is recorded at every call; `holder` has the property that changes, where it is one, and `number` says which number of
 * an optimizer is another.
 */
export function restless(key: string | number | undefined, holder: object | undefined, number?: string): string {
  const what =
    key !== undefined ? `${holder!.constructor.name}.${key}` : (number ?? "state of optimizers or gradients");
  const cycled = key === undefined && /^(betas|momentum) /.test(number ?? "");
  const rule = cycled
    ? "a schedule that cycles momentum does that, cycleMomentum: false leaves it out"
    : key === undefined && number !== undefined
      ? "change it once in a while, or step outside of the captured function"
      : "pass it as a tensor, or keep it off the module";
  return `each of the last 16 calls was recorded, none replayed, which is slow: ${what} changes from call to call: ${rule}`;
}
