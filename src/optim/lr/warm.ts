// Schedules that begin with a part of the learning rate: LinearLR, ConstantLR.
import { FRACTION, SIZE, UP_TO_1 } from "../../ops/bounds.ts";
import { type Plan, Planned, type Scheduled, type ScheduleOptions } from "./schedule.ts";

/** Options of `LinearLR`. */
export interface LinearLROptions extends ScheduleOptions {
  /** Factor at the start, above 0 and up to 1; 1/3 by default. */
  startFactor?: number;
  /** Factor at the end, 0 to 1; 1 by default. */
  endFactor?: number;
  /** Steps from start to end; 5 by default. */
  totalIters?: number;
}

const LINEAR: Plan<LinearLROptions> = {
  name: "LinearLR",
  defaults: { startFactor: 1 / 3, endFactor: 1, totalIters: 5 },
  bounds: { startFactor: UP_TO_1, endFactor: FRACTION, totalIters: SIZE },
};

/**
 * The learning rate times a factor that goes from startFactor to endFactor in totalIters steps and stays there.
 * `{ startFactor: 1, endFactor: 0, totalIters }` decays to zero.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html
 */
export class LinearLR extends Planned<LinearLROptions> {
  /** @internal */
  static override readonly name: string = "LinearLR";
  /** Factor at the start. */
  declare startFactor: number;
  /** Factor at the end. */
  declare endFactor: number;
  /** Steps from start to end. */
  declare totalIters: number;

  /** Multiplies the learning rates by `startFactor` at once. */
  constructor(optimizer: Scheduled, options: LinearLROptions = {}, ...none: []) {
    super(LINEAR, optimizer, options, none);
    this.write();
  }

  /** The learning rate of group `i`, behind `lr`. */
  protected rate(_: number, lr: number): number {
    const { startFactor, endFactor, totalIters, lastEpoch } = this;
    if (lastEpoch === 0) return lr * startFactor;
    if (lastEpoch > totalIters) return lr;
    const rise = endFactor - startFactor;
    // The last step of a decay to zero is (1 - 1) lr, but for rounding.
    return Math.max(0, lr * (1 + rise / (totalIters * startFactor + (lastEpoch - 1) * rise)));
  }
}

/** Options of `ConstantLR`. */
export interface ConstantLROptions extends ScheduleOptions {
  /** Factor of the first steps, above 0 and up to 1; 1/3 by default. */
  factor?: number;
  /** Steps with the factor; 5 by default. */
  totalIters?: number;
}

const CONSTANT: Plan<ConstantLROptions> = {
  name: "ConstantLR",
  defaults: { factor: 1 / 3, totalIters: 5 },
  bounds: { factor: UP_TO_1, totalIters: SIZE },
};

/**
 * The learning rate times `factor` for totalIters steps, and itself from there on.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ConstantLR.html
 */
export class ConstantLR extends Planned<ConstantLROptions> {
  /** @internal */
  static override readonly name: string = "ConstantLR";
  /** Factor of the first steps. */
  declare factor: number;
  /** Steps with the factor. */
  declare totalIters: number;

  /** Multiplies the learning rates by `factor` at once. */
  constructor(optimizer: Scheduled, options: ConstantLROptions = {}, ...none: []) {
    super(CONSTANT, optimizer, options, none);
    this.write();
  }

  /** The learning rate of group `i`, behind `lr`. */
  protected rate(_: number, lr: number): number {
    const { lastEpoch, factor, totalIters } = this;
    return lastEpoch === 0 ? lr * factor : lastEpoch === totalIters ? lr * (1 / factor) : lr;
  }
}
