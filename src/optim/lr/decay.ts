// Schedules that decay by factors: StepLR, MultiStepLR, ExponentialLR, PolynomialLR.
import { AT_LEAST_0, fail, given } from "../../core/error.ts";
import { SIZE } from "../../ops/bounds.ts";
import { type Plan, Planned, type Scheduled, type ScheduleOptions } from "./schedule.ts";

/** Options of `StepLR`. */
export interface StepLROptions extends ScheduleOptions {
  /** Steps from one decay to the next, a positive integer. */
  stepSize: number;
  /** Factor of each decay, at least 0; 0.1 by default. */
  gamma?: number;
}

const STEP: Plan<StepLROptions> = {
  name: "StepLR",
  defaults: { stepSize: undefined, gamma: 0.1 },
  bounds: { stepSize: SIZE },
};

/**
 * The learning rate times `gamma` every `stepSize` steps.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html
 */
export class StepLR extends Planned<StepLROptions> {
  /** @internal */
  static override readonly name: string = "StepLR";
  /** Steps from one decay to the next. */
  declare stepSize: number;
  /** Factor of each decay. */
  declare gamma: number;

  /** `{ stepSize: 30 }` decays to a tenth every 30 steps. */
  constructor(optimizer: Scheduled, options: StepLROptions, ...none: []) {
    super(STEP, optimizer, options, none);
    this.write();
  }

  /** The learning rate of group `i`, behind `lr`. */
  protected rate(_: number, lr: number): number {
    return this.lastEpoch === 0 || this.lastEpoch % this.stepSize !== 0 ? lr : lr * this.gamma;
  }
}

/** Options of `MultiStepLR`. */
export interface MultiStepLROptions extends ScheduleOptions {
  /** Steps at which the rates decay, integers of at least 0; one that stands there twice decays twice. */
  milestones: readonly number[];
  /** Factor of each decay, at least 0; 0.1 by default. */
  gamma?: number;
}

const MULTI: Plan<MultiStepLROptions> = {
  name: "MultiStepLR",
  defaults: { milestones: undefined, gamma: 0.1 },
  check({ milestones }) {
    if (!Array.isArray(milestones) || !Array.from(milestones).every((v) => Number.isInteger(v) && v >= 0))
      fail("MultiStepLR", `milestones ${given(milestones)}: a list of integers of at least 0 is expected`);
  },
};

/**
 * The learning rate times `gamma` at each of the milestones.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.MultiStepLR.html
 */
export class MultiStepLR extends Planned<MultiStepLROptions> {
  /** @internal */
  static override readonly name: string = "MultiStepLR";
  /** Steps at which the rates decay. */
  declare milestones: number[];
  /** Factor of each decay. */
  declare gamma: number;

  /** `{ milestones: [30, 80] }` decays to a tenth at step 30 and to a hundredth at step 80. */
  constructor(optimizer: Scheduled, options: MultiStepLROptions, ...none: []) {
    super(MULTI, optimizer, options, none);
    this.write();
  }

  /** The learning rate of group `i`, behind `lr`. */
  protected rate(_: number, lr: number): number {
    return lr * this.gamma ** this.milestones.filter((v) => v === this.lastEpoch).length;
  }
}

/** Options of `ExponentialLR`. */
export interface ExponentialLROptions extends ScheduleOptions {
  /** Factor of each step, at least 0. */
  gamma: number;
}

const EXPONENTIAL: Plan<ExponentialLROptions> = {
  name: "ExponentialLR",
  defaults: { gamma: undefined },
  bounds: { gamma: AT_LEAST_0 },
};

/**
 * The learning rate times `gamma` at each step.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ExponentialLR.html
 */
export class ExponentialLR extends Planned<ExponentialLROptions> {
  /** @internal */
  static override readonly name: string = "ExponentialLR";
  /** Factor of each step. */
  declare gamma: number;

  /** `{ gamma: 0.9 }` takes a tenth off at each step. */
  constructor(optimizer: Scheduled, options: ExponentialLROptions, ...none: []) {
    super(EXPONENTIAL, optimizer, options, none);
    this.write();
  }

  /** The learning rate of group `i`, behind `lr`. */
  protected rate(_: number, lr: number): number {
    return this.lastEpoch === 0 ? lr : lr * this.gamma;
  }
}

/** Options of `PolynomialLR`. */
export interface PolynomialLROptions extends ScheduleOptions {
  /** Steps until the rate is 0, a positive integer; 5 by default. */
  totalIters?: number;
  /** Power of the polynomial, at least 0; 1 by default. */
  power?: number;
}

const POLYNOMIAL: Plan<PolynomialLROptions> = {
  name: "PolynomialLR",
  defaults: { totalIters: 5, power: 1 },
  bounds: { totalIters: SIZE },
};

/**
 * The learning rate times (1 - step / totalIters)^power, and 0 from `totalIters` on.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.PolynomialLR.html
 */
export class PolynomialLR extends Planned<PolynomialLROptions> {
  /** @internal */
  static override readonly name: string = "PolynomialLR";
  /** Steps until the rate is 0. */
  declare totalIters: number;
  /** Power of the polynomial. */
  declare power: number;

  /** `{ totalIters: 100, power: 2 }` decays in 100 steps by a parabola. */
  constructor(optimizer: Scheduled, options: PolynomialLROptions = {}, ...none: []) {
    super(POLYNOMIAL, optimizer, options, none);
    this.write();
  }

  /** The learning rate of group `i`, behind `lr`. */
  protected rate(_: number, lr: number): number {
    const { lastEpoch, totalIters, power } = this;
    if (lastEpoch === 0 || lastEpoch > totalIters) return lr;
    return lr * ((1 - lastEpoch / totalIters) / (1 - (lastEpoch - 1) / totalIters)) ** power;
  }
}
