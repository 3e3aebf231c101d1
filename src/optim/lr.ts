// Learning-rate schedules: they set `group.lr` when they are made and at each `step()`, outside of captured functions.
import { checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { Group } from "./optimizer.ts";

/** What a schedule needs of an optimizer. */
export interface Scheduled {
  /** The groups whose learning rates it sets. */
  readonly paramGroups: readonly Group[];
}

/** What `stateDict()` of a schedule gives: its numbers. */
export interface SchedulerState extends Record<string, unknown> {
  /** Steps taken. */
  lastEpoch: number;
  /** Learning rates before the schedule, one a group. */
  baseLrs: number[];
}

/**
 * Base of schedules: a subclass says the learning rate of each group by `rate`, and calls `write()` at the end of its
 * constructor. https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
 */
export abstract class LRScheduler {
  /** Steps taken. */
  lastEpoch = 0;
  /** Learning rates before the schedule, one a group. */
  baseLrs: number[];
  /** The optimizer's groups. */
  protected readonly groups: readonly Group[];

  /** Notes each group's learning rate as the one before the schedule, unless another schedule did. */
  constructor(optimizer: Scheduled, ...none: []) {
    noMore("LRScheduler", none);
    if (!Array.isArray(optimizer?.paramGroups) || !optimizer.paramGroups.every((g) => g instanceof Group))
      fail("LRScheduler", `${given(optimizer)} was given: an optimizer is expected`);
    this.groups = optimizer.paramGroups;
    for (const group of this.groups) group.initialLr ??= group.lr;
    this.baseLrs = this.groups.map((group) => group.initialLr!);
  }

  /** The learning rate of group `i` at `lastEpoch`. */
  protected abstract rate(i: number): number;

  /**
   * Takes the next step and sets the learning rates: after the optimizer's steps of an epoch (or of a batch), outside of captured
   * functions.
   */
  step(...none: []): void {
    noMore("LRScheduler", none);
    this.lastEpoch++;
    this.write();
  }

  /** Sets the learning rate of every group to what `rate` says. */
  protected write(): void {
    const rates = this.groups.map((_, i) => this.rate(i));
    this.groups.forEach((group, i) => {
      group.lr = rates[i]!;
    });
  }

  /** The learning rates as they are now, one a group. */
  getLastLr(...none: []): number[] {
    noMore("LRScheduler", none);
    return this.groups.map((group) => group.lr);
  }

  /** Numbers of the schedule; the rates themselves are in the optimizer's state dict. */
  stateDict(...none: []): SchedulerState {
    noMore("LRScheduler", none);
    return { lastEpoch: this.lastEpoch, baseLrs: [...this.baseLrs] };
  }

  /** Takes over what `stateDict()` gave. Throws when the number of groups differs. */
  loadStateDict(state: SchedulerState, ...none: []): void {
    noMore("LRScheduler", none);
    if (!(Number.isInteger(state?.lastEpoch) && state.lastEpoch >= 0)) {
      fail("LRScheduler.loadStateDict", `lastEpoch ${given(state?.lastEpoch)}: an integer of at least 0 is expected`);
    }
    if (!Array.isArray(state.baseLrs) || state.baseLrs.length !== this.groups.length) {
      fail(
        "LRScheduler.loadStateDict",
        `baseLrs ${given(state.baseLrs)}: the optimizer has ${this.groups.length} groups`,
      );
    }
    this.lastEpoch = state.lastEpoch;
    this.baseLrs = [...state.baseLrs];
  }
}

/** Options of `LinearLR`. */
export interface LinearLROptions {
  /** Factor at the start, above 0 and up to 1; 1/3 by default. */
  startFactor?: number;
  /** Factor at the end, 0 to 1; 1 by default. */
  endFactor?: number;
  /** Steps from start to end; 5 by default. */
  totalIters?: number;
}

/**
 * The learning rate times a factor that goes from startFactor to endFactor in totalIters steps and stays there.
 * `{ startFactor: 1, endFactor: 0, totalIters }` decays to zero.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html
 */
export class LinearLR extends LRScheduler {
  /** Factor at the start. */
  startFactor: number;
  /** Factor at the end. */
  endFactor: number;
  /** Steps from start to end. */
  totalIters: number;

  /** Multiplies the learning rates by `startFactor` at once. */
  constructor(optimizer: Scheduled, options: LinearLROptions = {}, ...none: []) {
    const name = "LinearLR";
    expectOptions(name, options, "startFactor endFactor totalIters");
    const { startFactor = 1 / 3, endFactor = 1, totalIters = 5 } = options;
    checkNumber(name, "startFactor", startFactor, (v) => v > 0 && v <= 1, "a number above 0 and up to 1");
    checkNumber(name, "endFactor", endFactor, (v) => v >= 0 && v <= 1, "a number from 0 to 1");
    checkNumber(name, "totalIters", totalIters, (v) => Number.isInteger(v) && v > 0, "a positive integer");
    super(optimizer, ...none);
    this.startFactor = startFactor;
    this.endFactor = endFactor;
    this.totalIters = totalIters;
    this.write();
  }

  /** The learning rate of group `i`, in PyTorch's recursive form: it goes on from the rate that stands there. */
  protected rate(i: number): number {
    const { lr } = this.groups[i]!;
    const { startFactor, endFactor, totalIters, lastEpoch } = this;
    if (lastEpoch === 0) return lr * startFactor;
    if (lastEpoch > totalIters) return lr;
    const rise = endFactor - startFactor;
    // The last step of a decay to zero is (1 - 1) lr, but for rounding.
    return Math.max(0, lr * (1 + rise / (totalIters * startFactor + (lastEpoch - 1) * rise)));
  }

  /** Numbers of the schedule, its options among them. */
  override stateDict(...none: []): SchedulerState {
    const { startFactor, endFactor, totalIters } = this;
    return { ...super.stateDict(...none), startFactor, endFactor, totalIters };
  }

  /** Takes over what `stateDict()` gave. Throws when the number of groups differs. */
  override loadStateDict(state: SchedulerState, ...none: []): void {
    super.loadStateDict(state, ...none);
    this.startFactor = Number(state.startFactor ?? this.startFactor);
    this.endFactor = Number(state.endFactor ?? this.endFactor);
    this.totalIters = Number(state.totalIters ?? this.totalIters);
  }
}

/**
 * The learning rate before the schedule times `f(steps taken)`; one function, or one a group.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LambdaLR.html
 */
export class LambdaLR extends LRScheduler {
  readonly #factors: readonly ((epoch: number) => number)[];

  /** Sets the learning rates for step 0 at once. */
  constructor(
    optimizer: Scheduled,
    f: ((epoch: number) => number) | readonly ((epoch: number) => number)[],
    ...none: []
  ) {
    super(optimizer, ...none);
    this.#factors = Array.isArray(f) ? [...f] : this.groups.map(() => f as (epoch: number) => number);
    if (this.#factors.length !== this.groups.length || !this.#factors.every((g) => typeof g === "function")) {
      fail("LambdaLR", `functions ${given(f)}: the optimizer has ${this.groups.length} groups`);
    }
    this.write();
  }

  /** The learning rate of group `i` at `lastEpoch`: the one before the schedule times the function's value. A later group's stays. */
  protected rate(i: number): number {
    const factor = this.#factors[i];
    return factor === undefined ? this.groups[i]!.lr : this.baseLrs[i]! * factor(this.lastEpoch);
  }
}
