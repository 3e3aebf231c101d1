// Stochastic gradient descent.

import { fail } from "../core/error.ts";
import { guard } from "../core/recording.ts";
import type { Tensor } from "../core/tensor.ts";
import { expectOptions } from "../ops/expect.ts";
import { words64 } from "../row/words.ts";
import { atLeastZero, expectRule, Optimizer, type ParamGroup, type Params } from "./optimizer.ts";

/** Hyperparameters of `SGD` besides the learning rate. */
export interface SGDHyperparameters {
  /** Share of the last step that goes on; 0 by default. */
  momentum: number;
  /** What the gradient loses on its way into the momentum; 0 by default. */
  dampening: number;
  /** L2 penalty, added to the gradient; 0 by default. */
  weightDecay: number;
  /** Nesterov's momentum, which takes a `momentum` above 0 and no `dampening`; false by default. */
  nesterov: boolean;
  /** Climbs instead of descending; false by default. */
  maximize: boolean;
}

/** Options of `SGD`. */
export interface SGDOptions extends Partial<SGDHyperparameters> {
  /** Learning rate; 0.001 by default. */
  lr?: number;
}

/**
 * p -= lr d with d = g + weightDecay p; with momentum b = momentum b + (1 - dampening) d (d in the first step) and d = b,
 * or d + momentum b with nesterov. https://pytorch.org/docs/stable/generated/torch.optim.SGD.html
 */
export class SGD extends Optimizer<SGDHyperparameters> {
  /** `params` are tensors, such as `model.parameters()`, or groups `{ params, lr, ... }` with options of their own. */
  constructor(params: Params<SGDHyperparameters>, options: SGDOptions = {}) {
    const defaults = { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false };
    super("SGD", params, withDefaults("SGD", defaults, options));
  }

  /** @internal */
  protected check({ momentum, dampening, weightDecay, nesterov }: SGDHyperparameters): void {
    expectRule("SGD", "momentum", momentum, atLeastZero, "a number of at least 0");
    expectRule("SGD", "weightDecay", weightDecay, atLeastZero, "a number of at least 0");
    expectRule("SGD", "dampening", dampening, Number.isFinite, "a finite number");
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      fail(
        "SGD",
        `momentum ${momentum}, dampening ${dampening}: nesterov momentum requires a momentum and zero dampening`,
      );
    }
  }

  /** @internal */
  protected update(group: ParamGroup<SGDHyperparameters>, segments: readonly { p: Tensor; g: Tensor }[]): void {
    const momentum = guard(() => group.momentum);
    const decay = words64(guard(() => group.weightDecay));
    const maximize = Number(guard(() => group.maximize));
    if (momentum === 0) {
      this.launch(group, segments, "sgd_f32", [], [...decay, maximize]);
      return;
    }
    const dampening = words64(guard(() => group.dampening));
    const nesterov = Number(guard(() => group.nesterov));
    const scalars = [...decay, ...words64(momentum), ...dampening, nesterov, maximize];
    this.launch(group, segments, "sgd_momentum_f32", ["momentumBuffer"], scalars);
  }
}

/** `defaults` changed by `options`; unknown options are errors. @internal */
export function withDefaults<T extends object>(optimizer: string, defaults: T, options: Partial<T>): T {
  expectOptions(optimizer, options, "{ lr: 0.01 }");
  for (const key of Object.keys(options)) {
    if (!(key in defaults)) {
      fail(optimizer, `unknown option ${key}: it takes ${Object.keys(defaults).join(", ")}`);
    }
  }
  return { ...defaults, ...Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) };
}
