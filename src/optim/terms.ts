// What steps made of ops share: checks of hyperparameters, the direction, writes in place, and factors that depend on the step count.
import { type Bound, checkNumber, fail, given } from "../core/error.ts";
import { alias, empty } from "../core/make.ts";
import { launch } from "../core/op.ts";
import type { Tensor } from "../core/tensor.ts";
import { BELOW_1 } from "../ops/bounds.ts";
import { launchEach } from "../ops/each.ts";
import { launchBinary } from "../ops/elementwise.ts";
import { add, full, neg } from "../ops/index.ts";
import { words64 } from "../row/words.ts";

/** Throws unless `list` is two numbers within their bounds. */
export function checkPair(name: string, key: string, list: unknown, first?: Bound, second = first): void {
  const values = list as ArrayLike<unknown> | null | undefined;
  if (values?.length !== 2 || typeof list === "string") fail(name, `${key} ${given(list)}: two numbers are expected`);
  checkNumber(name, `${key}[0]`, values[0], first);
  checkNumber(name, `${key}[1]`, values[1], second);
}

/** Betas of Adam and its kin: at least 0 and below 1. */
export const checkBetas = (name: string, betas: unknown): void => checkPair(name, "betas", betas, BELOW_1);

/** The gradient, negated to maximize, plus weightDecay p. */
export function direction(
  p: Tensor,
  g: Tensor,
  h: { readonly weightDecay: number; readonly maximize: boolean },
): Tensor {
  const d = h.maximize ? neg(g) : g;
  return h.weightDecay === 0 ? d : add(d, p, { alpha: h.weightDecay });
}

/**
 * x becomes `value` where `mask` is true, bit for bit; both broadcast. It reads what it writes, as writes of a step must: a GPU
 * leaves it out behind a fault.
 */
export function put(x: Tensor, value: Tensor, mask: Tensor): void {
  launchEach("where_f32", x, [mask, value, x], undefined, "where_");
}

/** x becomes `value`, bit for bit. */
export const set = (x: Tensor, value: Tensor): void => put(x, value, full([], 1, { dtype: "bool", device: x.device }));

/** x becomes the larger of x and `other`; NaN stays. */
export const raise = (x: Tensor, other: Tensor): void => launchBinary("maximum", "maximum_", x, other, x);

/** Factors of a step, all []. */
export interface Corrections {
  /** The count t of steps, 1 in the first. */
  readonly t: Tensor;
  /** 1 - beta1^t */
  readonly first: Tensor;
  /** 1 - beta2^t */
  readonly second: Tensor;
  /** 2 / (1 - beta2) - 1 - 2 t beta2^t / (1 - beta2^t), RAdam's length of the moving average. */
  readonly length: Tensor;
}

/**
 * What depends on the step count alone, by one small row in float64, since it cancels in float32. What is made with it depends on the
 * gradient, too, as the count does: where that is lost there is no step.
 */
export function corrections(step: Tensor, g: Tensor, betas: readonly [number, number] = [0, 0]): Corrections {
  const y = empty([4], "float32", "corrections", step.device);
  launch("corrections_f32", [y], [step, g], [1], betas.flatMap(words64), "corrections");
  const [t, first, second, length] = [0, 1, 2, 3].map((i) => alias(y, [], i)) as [Tensor, Tensor, Tensor, Tensor];
  return { t, first, second, length };
}
