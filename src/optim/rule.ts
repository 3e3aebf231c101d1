// A rule: what tells one optimizer from another, what hyperparameters are expected to be, and when they are others. The rest is in optimizer.ts.
import type { Device } from "../core/device.ts";
import { expectOptions } from "../core/error.ts";
import { alias } from "../core/make.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Bounds, checkAll } from "../ops/bounds.ts";
import { compose } from "../ops/compose.ts";
import { noGrad } from "../ops/modes.ts";
import { stepBy } from "../row/under.ts";

/** Throws when a hyperparameter breaks its rule. */
export function checkRule<H extends object>({ name, defaults, bounds, check }: Rule<H>, h: H): void {
  checkAll(name, { ...defaults, lr: null }, h, bounds); // the rate is its group's
  check?.(h);
}

/** A step by ops, for a table of parameters as a kernel takes it: made by `composed`. */
type Composed = (outputs: readonly Tensor[], inputs: readonly Tensor[]) => void;

/**
 * What an optimizer does in a step: names of the state that each parameter has beside it, and a kernel with its scalars, or ops.
 * State has the parameter's shape, or [1] where the rule has its name in `single`, and is zeros at first. Where there is any, steps are counted too, in `step`, before the step.
 * Outputs are, per parameter, itself and its state; inputs the learning rate and, per parameter, the gradient and its `step`.
 */
export type Step = readonly [
  state: readonly string[],
  ...([kernel: string, scalars: readonly number[]] | [ops: Composed]),
];

/**
 * What tells one optimizer from another. `H` are the hyperparameters besides `lr`: numbers, booleans, and lists of them. A rule
 * sees them in `h` alone, which the optimizer reads for it and guards: so no rule can forget one.
 */
export interface Rule<H extends object> {
  /** The class's, for messages. */
  readonly name: string;
  /** Every option with its default, in the order in which messages list them. */
  readonly defaults: Readonly<H & { lr: number }>;
  /** Names of the state that is one number: float32 [1], as `step` is. */
  readonly single?: readonly string[];
  /** What numbers among the hyperparameters must be, where that is not at least 0. */
  readonly bounds?: Bounds<H>;
  /** Throws when something breaks a rule that is neither a bound nor that a flag is one. */
  check?(h: Readonly<H>): void;
  /** The gradient of a parameter, which is `grad` without this; null where it has none. */
  gradient?(p: Tensor): Tensor | null;
  /** Launches what the steps of these parameters, of all groups, need: none steps where the tensor of its device is lost. */
  begin?(params: readonly Tensor[]): ReadonlyMap<Device, Tensor>;
  /** Behind them. */
  end?(): void;
  /** The step for these hyperparameters, whose numbers may go into rows: a captured program holds for them. */
  step(h: Readonly<H>): Step;
}

/**
 * A step by ops: for each parameter `write` changes it and its state in place, and leaves the gradient as it is. Nothing is
 * recorded for gradients, and helpers go. What changes from step to step comes in as tensors of shape []: the learning rate,
 * and among the state, where there is any, `step`, 1 in the first step; state of one number has the shape [] too. Writes that read what they write (`add_`, `mul_`, not
 * `copy_`) are what a GPU skips where `GradScaler` found an infinity.
 */
export const composed = <S extends string>(
  names: readonly S[],
  write: (p: Tensor, g: Tensor, state: Readonly<Record<S | "step", Tensor>>, lr: Tensor) => void,
  single: readonly string[] = [],
): Step => [
  names,
  (outputs, inputs) => {
    const [held, given] = [names.length + 1, names.length > 0 ? 2 : 1];
    for (let i = 0; i * held < outputs.length; i++) {
      const p = outputs[i * held]!;
      const g = inputs[1 + i * given]!;
      // Every row depends on the gradient: where that is lost there is no step, and what stays as it was lacks nothing.
      const { device } = p;
      const { under } = device;
      device.under = stepBy(g.storage.serial);
      try {
        noGrad(() =>
          compose(() => {
            const state: Record<string, Tensor> = {};
            names.forEach((name, j) => {
              const x = outputs[i * held + 1 + j]!;
              state[name] = single.includes(name) ? alias(x, []) : x;
            });
            if (given > 1) state.step = alias(inputs[2 + i * given]!, []);
            write(p, g, state as Record<S | "step", Tensor>, inputs[0]!);
            return p;
          }),
        );
      } finally {
        device.under = under;
      }
    }
  },
];

/** `defaults` changed by `options`; unknown options are errors. */
export function withDefaults<T extends object>(
  optimizer: string,
  defaults: T,
  options: Partial<T>,
  none?: readonly unknown[],
): T {
  expectOptions(optimizer, options, Object.keys(defaults).join(" "), none);
  return { ...defaults, ...Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) };
}
