// Schedules by functions: LambdaLR, MultiplicativeLR.
import { expectOptions, fail, given } from "../../core/error.ts";
import { groupsOf, LRScheduler, type Scheduled, type ScheduleOptions } from "./schedule.ts";

/** A factor for the steps taken. */
export type Factor = (epoch: number) => number;

/** One function a group; throws where it is none, or the options are wrong. */
function factorsOf(
  name: string,
  optimizer: Scheduled,
  f: Factor | readonly Factor[],
  options: ScheduleOptions,
  none: readonly unknown[],
): readonly Factor[] {
  const { length } = groupsOf(name, optimizer);
  expectOptions(name, options, "lastEpoch", none);
  const all = Array.isArray(f) ? [...f] : new Array(length).fill(f);
  if (f?.constructor === Object)
    fail(
      name,
      `functions { ${Object.keys(f)} }: a function is expected, not options, such as \`(epoch) => 0.9 ** epoch\``,
    );
  if (all.length !== length || !all.every((g) => typeof g === "function"))
    fail(name, `functions ${given(f)}: the optimizer has ${length} groups`);
  return all;
}

/**
 * The learning rate before the schedule times `f(steps taken)`; one function, or one a group.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LambdaLR.html
 */
export class LambdaLR extends LRScheduler {
  /** @internal */
  static override readonly name: string = "LambdaLR";
  readonly #factors: readonly Factor[];

  /** Sets the learning rates for step 0 at once. */
  constructor(optimizer: Scheduled, f: Factor | readonly Factor[], options: ScheduleOptions = {}, ...none: []) {
    const factors = factorsOf("LambdaLR", optimizer, f, options, none);
    super(optimizer, options.lastEpoch);
    this.#factors = factors;
    this.write();
  }

  /** The learning rate of group `i` at `lastEpoch`: the one before the schedule times the function's value. A later group's stays. */
  protected rate(i: number, lr: number): number {
    const factor = this.#factors[i];
    return factor === undefined ? lr : this.baseLrs[i]! * factor(this.lastEpoch);
  }
}

/**
 * The learning rate times `f(steps taken)` at each step but 0; one function, or one a group.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.MultiplicativeLR.html
 */
export class MultiplicativeLR extends LRScheduler {
  /** @internal */
  static override readonly name: string = "MultiplicativeLR";
  readonly #factors: readonly Factor[];

  /** Leaves the learning rates as they are until the first step. */
  constructor(optimizer: Scheduled, f: Factor | readonly Factor[], options: ScheduleOptions = {}, ...none: []) {
    const factors = factorsOf("MultiplicativeLR", optimizer, f, options, none);
    super(optimizer, options.lastEpoch);
    this.#factors = factors;
    this.write();
  }

  /** The learning rate of group `i`: the group's times the function's value. A later group's stays. */
  protected rate(i: number): number {
    const { lr } = this.groups[i]!;
    const factor = this.#factors[i];
    return factor === undefined || this.lastEpoch === 0 ? lr : lr * factor(this.lastEpoch);
  }
}
