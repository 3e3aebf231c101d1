// ReduceLROnPlateau: lower rates where a metric gets no better.
import { checkNumber, fail, given, kindOf, noMore } from "../../core/error.ts";
import { refuseInCapture } from "../../core/recording.ts";
import { BELOW_1, COUNT, checkAll, NOT_NAN } from "../../ops/bounds.ts";
import { expectWord } from "../../ops/expect.ts";
import type { Group } from "../optimizer.ts";
import { withDefaults } from "../rule.ts";
import { groupsOf, perGroup, type Scheduled } from "./schedule.ts";

/** Options of `ReduceLROnPlateau`. */
export interface ReduceLROnPlateauOptions {
  /** "min", the default: lower is better; "max": higher is. */
  mode?: "min" | "max";
  /** Factor of each reduction, at least 0 and below 1; 0.1 by default. */
  factor?: number;
  /** Steps without getting better that are let pass, an integer of at least 0; 10 by default. */
  patience?: number;
  /** By how much the best must be beaten, at least 0; 1e-4 by default. */
  threshold?: number;
  /** "rel", the default: a part of the best; "abs": a difference. */
  thresholdMode?: "rel" | "abs";
  /** Steps behind a reduction that do not count, an integer of at least 0; 0 by default. */
  cooldown?: number;
  /** Least rate, for all groups or one a group; 0 by default. */
  minLr?: number | readonly number[];
  /** Reductions by this or less are left out; 1e-8 by default. */
  eps?: number;
}

/** What `stateDict()` of `ReduceLROnPlateau` gives. */
export interface PlateauState extends Record<string, unknown> {
  /** Steps taken. */
  lastEpoch: number;
  /** The best metric so far. */
  best: number;
  /** Steps without getting better. */
  numBadEpochs: number;
  /** Steps of the cooldown that are left. */
  cooldownCounter: number;
}

const NAME = "ReduceLROnPlateau";
/** Options that are properties, and in the state dict. */
type Kept = Required<Omit<ReduceLROnPlateauOptions, "minLr">>;
const DEFAULTS: Required<ReduceLROnPlateauOptions> = {
  ...{ mode: "min", factor: 0.1, patience: 10, threshold: 1e-4 },
  ...{ thresholdMode: "rel", cooldown: 0, minLr: 0, eps: 1e-8 },
};
const KEPT = ["mode", "factor", "patience", "threshold", "thresholdMode", "cooldown", "eps"] as const;

function check(name: string, o: Kept): void {
  expectWord(name, "mode", o.mode, ["min", "max"]);
  expectWord(name, "thresholdMode", o.thresholdMode, ["rel", "abs"]);
  checkAll(name, DEFAULTS, o, { factor: BELOW_1, patience: COUNT, cooldown: COUNT, minLr: null });
}

/**
 * The learning rate times `factor` once a metric has not got better for more than `patience` steps: `step(metric)`, for example
 * behind each epoch with its validation loss.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html
 */
export class ReduceLROnPlateau implements Kept {
  /** @internal */
  static readonly name: string = NAME;
  /** Which metrics are better. */
  declare mode: "min" | "max";
  /** Factor of each reduction. */
  declare factor: number;
  /** Steps without getting better that are let pass. */
  declare patience: number;
  /** By how much the best must be beaten. */
  declare threshold: number;
  /** What the threshold is a part of. */
  declare thresholdMode: "rel" | "abs";
  /** Steps behind a reduction that do not count. */
  declare cooldown: number;
  /** Least rates, one a group. */
  minLrs: number[];
  /** Reductions by this or less are left out. */
  declare eps: number;
  /** Steps taken. */
  lastEpoch = 0;
  /** The best metric so far. */
  best: number;
  /** Steps without getting better. */
  numBadEpochs = 0;
  /** Steps of the cooldown that are left. */
  cooldownCounter = 0;
  /** The optimizer whose learning rates it sets. */
  readonly optimizer: Scheduled;
  readonly #groups: readonly Group[];
  #lastLr: number[];

  /** Leaves the learning rates as they are. */
  constructor(optimizer: Scheduled, options: ReduceLROnPlateauOptions = {}, ...none: []) {
    const groups = groupsOf(NAME, optimizer);
    const { minLr, ...kept } = withDefaults(NAME, DEFAULTS, options, none);
    check(NAME, kept);
    this.minLrs = perGroup(NAME, "minLr", minLr, groups);
    Object.assign(this, kept);
    this.optimizer = optimizer;
    this.#groups = groups;
    this.#lastLr = groups.map((group) => group.lr);
    this.best = this.mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  /** Whether a reduction was less than `cooldown` steps ago. */
  get inCooldown(): boolean {
    return this.cooldownCounter > 0;
  }

  /** Takes a metric, a number, and lowers the learning rates where it is time: outside of captured functions. NaN is not better. */
  step(metric: number, ...none: []): void {
    noMore(NAME, none);
    if (kindOf(metric) === "Tensor") fail(NAME, `metric ${given(metric)}: a number is expected, await loss.item()`);
    if (typeof metric !== "number") fail(NAME, `metric ${given(metric)}: a number is expected`);
    refuseInCapture(NAME, "sets learning rates from the host: step outside the captured function");
    this.lastEpoch++;
    if (this.#better(metric)) {
      this.best = metric;
      this.numBadEpochs = 0;
    } else this.numBadEpochs++;
    if (this.inCooldown) {
      this.cooldownCounter--;
      this.numBadEpochs = 0;
    }
    if (this.numBadEpochs > this.patience) {
      this.#groups.forEach((group, i) => {
        // A group that was added later has no least rate.
        const lr = Math.max(group.lr * this.factor, this.minLrs[i] ?? 0);
        if (group.lr - lr > this.eps) group.lr = lr;
      });
      this.cooldownCounter = this.cooldown;
      this.numBadEpochs = 0;
    }
    this.#lastLr = this.#groups.map((group) => group.lr);
  }

  #better(metric: number): boolean {
    const { best, threshold } = this;
    const relative = this.thresholdMode === "rel";
    return this.mode === "min"
      ? metric < (relative ? best * (1 - threshold) : best - threshold)
      : metric > (relative ? best * (1 + threshold) : best + threshold);
  }

  /** The learning rates behind the last step, one a group. */
  getLastLr(...none: []): number[] {
    noMore(NAME, none);
    return [...this.#lastLr];
  }

  /** Numbers of the schedule, its options among them. The rates are in the optimizer's state dict. */
  stateDict(...none: []): PlateauState {
    noMore(NAME, none);
    const { lastEpoch, best, numBadEpochs, cooldownCounter } = this;
    const options = Object.fromEntries(KEPT.map((key) => [key, this[key]]));
    const lists = { minLrs: [...this.minLrs], _lastLr: [...this.#lastLr] };
    return { ...options, ...lists, lastEpoch, best, numBadEpochs, cooldownCounter };
  }

  /** Takes over what `stateDict()` gave. What is wrong there throws, and nothing has changed. */
  loadStateDict(state: PlateauState, ...none: []): void {
    noMore(NAME, none);
    const name = `${NAME}.loadStateDict`;
    for (const key of ["lastEpoch", "numBadEpochs", "cooldownCounter"] as const)
      checkNumber(name, key, state?.[key], COUNT);
    const options = Object.fromEntries(KEPT.map((key) => [key, state[key] ?? this[key]])) as unknown as Kept;
    check(name, options);
    // JSON has no infinity: what is no metric yet comes back as null.
    const best = state.best ?? (options.mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY);
    checkNumber(name, "best", best, NOT_NAN);
    const minLrs = perGroup(name, "minLrs", state.minLrs ?? this.minLrs, this.#groups);
    const lastLr = state._lastLr ?? this.#groups.map((group) => group.lr);
    const rates = perGroup(name, "_lastLr", lastLr, this.#groups);
    const { lastEpoch, numBadEpochs, cooldownCounter } = state;
    Object.assign(this, options, { minLrs, best, lastEpoch, numBadEpochs, cooldownCounter });
    this.#lastLr = rates;
  }
}
