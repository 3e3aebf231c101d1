// What is wrong with the use of a captured function, in words: loaded when something is.
import { given } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";

export { difference } from "../program/difference.ts";

export const noTensor = (i: number, x: unknown): string => `argument ${i + 1} is ${given(x)}: a tensor is expected`;

export const wantsGradient = (i: number, x: Tensor): string =>
  `argument ${i + 1} (${x.describe()}) requires grad: parameters come in through the closure, inputs do not`;

export const notDense = (i: number, x: Tensor): string =>
  `argument ${i + 1} (${x.describe()}) does not lie dense, and the function writes to it: pass its base, or contiguous()`;

/** Of a function that is recorded at every call; `holder` has the property that changes, where it is one. */
export const restless = (key: string | number | undefined, holder: object | undefined): string =>
  `each of the last 16 calls was recorded, none replayed, which is slow: ${key === undefined ? "state of optimizers or gradients" : `${holder!.constructor.name}.${key}`} changes from call to call: pass it as a tensor, or keep it off the module`;
