// Schedules that cycle momentum against the learning rate: what they share, and CyclicLR.
import { AT_LEAST_0, checkNumber, fail, given } from "../../core/error.ts";
import { BELOW_1, SIZE, UP_TO_1 } from "../../ops/bounds.ts";
import { expectWord } from "../../ops/expect.ts";
import type { Group } from "../optimizer.ts";
import { type Plan, Planned, perGroup, type Scheduled, type ScheduleOptions } from "./schedule.ts";

/** Options of schedules that cycle momentum. */
export interface MomentumOptions extends ScheduleOptions {
  /**
   * Cycles `momentum`, or the first of `betas`, against the learning rate; true by default. A captured step holds for its
   * hyperparameters, so where they are others at each step it is recorded at each step: `false` keeps captured steps fast.
   */
  cycleMomentum?: boolean;
  /** Least momentum, where the rate is highest, for all groups or one a group. */
  baseMomentum?: number | readonly number[];
  /** Highest momentum, where the rate is least, for all groups or one a group. */
  maxMomentum?: number | readonly number[];
}

/** A group, some of which have one or the other. */
type Cycled = Group & { momentum?: number; betas?: readonly number[] };

/** Lists of momenta, one a group; none where momentum is not cycled. Throws where the optimizer has none. */
export function momentaOf(name: string, options: MomentumOptions, groups: readonly Cycled[]) {
  if (!options.cycleMomentum) return { baseMomentums: [], maxMomentums: [] };
  const which = whichOf(groups[0]);
  if (groups.some((group) => group[which] === undefined))
    fail(name, "the optimizer has neither momentum nor betas: cycleMomentum: false is expected");
  const list = (key: "baseMomentum" | "maxMomentum"): number[] =>
    perGroup(name, key, options[key], groups, ALLOWED[which]);
  return { baseMomentums: list("baseMomentum"), maxMomentums: list("maxMomentum") };
}

/** What the lists of `momentaOf` must be. @internal */
export function boundsOfMomenta(groups: readonly Cycled[]) {
  const bound = ALLOWED[whichOf(groups[0])];
  return { baseMomentums: bound, maxMomentums: bound };
}

/** Where a group has its momentum. */
const whichOf = (group?: Cycled) => (group?.betas !== undefined ? "betas" : "momentum");

const ALLOWED = { betas: BELOW_1, momentum: AT_LEAST_0 };

/** A schedule that sets momenta beside the rates, before which all are checked. */
export abstract class Cycling<O extends MomentumOptions> extends Planned<O> {
  /** Whether momentum is cycled. */
  declare cycleMomentum: boolean;
  /** Least momenta, one a group. */
  declare baseMomentums: number[];
  /** Highest momenta, one a group. */
  declare maxMomentums: number[];

  /** The momentum of group `i` at `lastEpoch`. */
  protected abstract momentum(i: number): number;

  /** Sets the learning rates, and momentum or the first of betas. */
  protected override write(from?: readonly number[]): void {
    const momenta = this.cycleMomentum ? this.maxMomentums.map((_, i) => this.momentum(i)) : [];
    const groups = this.groups as readonly Cycled[];
    momenta.forEach((v, i) => {
      const what = `momentum of group ${i} at step ${this.lastEpoch}`;
      checkNumber(this.constructor.name, what, v, ALLOWED[whichOf(groups[i])]);
    });
    super.write(from);
    momenta.forEach((v, i) => {
      const group = groups[i];
      if (group?.betas !== undefined) group.betas = [v, ...Array.from(group.betas).slice(1)];
      else if (group !== undefined) group.momentum = v;
    });
  }

  /** @internal */
  override saved(): () => void {
    const undo = super.saved();
    const groups = this.groups as readonly Cycled[];
    const held = groups.map(({ momentum, betas }) => (betas === undefined ? { momentum } : { betas }));
    return () => {
      undo();
      if (!this.cycleMomentum) return;
      groups.forEach((group, i) => {
        Object.assign(group, held[i]);
      });
    };
  }
}

/** Options of `CyclicLR`. */
export interface CyclicLROptions extends MomentumOptions {
  /** Least rate, for all groups or one a group. */
  baseLr: number | readonly number[];
  /** Highest rate, at least `baseLr`, for all groups or one a group. */
  maxLr: number | readonly number[];
  /** Steps up, a positive integer; 2000 by default. */
  stepSizeUp?: number;
  /** Steps down, a positive integer; as many as up by default. */
  stepSizeDown?: number | null;
  /**
   * "triangular", the default: all cycles are equally high; "triangular2": each half as high as the one before; "exp_range": the height is
   * `gamma` to the power of the steps taken.
   */
  mode?: "triangular" | "triangular2" | "exp_range";
  /** Base of `exp_range`; 1 by default. */
  gamma?: number;
  /** Factor of the height, in the place of `mode`. */
  scaleFn?: ((x: number) => number) | null;
  /** What `scaleFn` is given: the number of the cycle, 1 at first ("cycle", the default), or the steps taken ("iterations"). */
  scaleMode?: "cycle" | "iterations";
  /** 0.8 by default. */
  baseMomentum?: number | readonly number[];
  /** 0.9 by default. */
  maxMomentum?: number | readonly number[];
}

const MODES = ["triangular", "triangular2", "exp_range"];
const SCALE_MODES = ["cycle", "iterations"];

const CYCLIC: Plan<CyclicLROptions> = {
  name: "CyclicLR",
  defaults: {
    ...{ baseLr: undefined as never, maxLr: undefined as never, stepSizeUp: 2000, stepSizeDown: null },
    ...{ mode: "triangular", gamma: 1, scaleFn: null, scaleMode: "cycle" },
    ...{ cycleMomentum: true, baseMomentum: 0.8, maxMomentum: 0.9 },
  },
  bounds: { stepSizeUp: SIZE, baseMomentum: null, maxMomentum: null },
  check(o, groups) {
    const base = perGroup("CyclicLR", "baseLr", o.baseLr, groups);
    const max = perGroup("CyclicLR", "maxLr", o.maxLr, groups);
    const above = base.findIndex((lr, i) => lr > max[i]!);
    if (above >= 0)
      fail("CyclicLR", `baseLr ${base[above]}, maxLr ${max[above]}: a baseLr of at most maxLr is expected`);
    if (o.stepSizeDown !== null) checkNumber("CyclicLR", "stepSizeDown", o.stepSizeDown, SIZE);
    if (o.scaleFn !== null && typeof o.scaleFn !== "function")
      fail("CyclicLR", `scaleFn ${given(o.scaleFn)}: a function is expected`);
    if (o.scaleFn === null) expectWord("CyclicLR", "mode", o.mode, MODES);
    expectWord("CyclicLR", "scaleMode", o.scaleMode, SCALE_MODES);
    momentaOf("CyclicLR", o, groups);
  },
  keep(o, groups) {
    const { stepSizeUp, mode, gamma, scaleFn, cycleMomentum } = o as Required<CyclicLROptions>;
    const totalSize = stepSizeUp + (o.stepSizeDown ?? stepSizeUp);
    const scaleMode = scaleFn !== null ? o.scaleMode : mode === "exp_range" ? "iterations" : "cycle";
    const maxLrs = perGroup("CyclicLR", "maxLr", o.maxLr, groups);
    const numbers = { maxLrs, totalSize, stepRatio: stepSizeUp / totalSize, mode, gamma, scaleMode };
    return { ...numbers, cycleMomentum, ...momentaOf("CyclicLR", o, groups) };
  },
  kept: (groups) => ({
    ...{ totalSize: SIZE, stepRatio: UP_TO_1, mode: MODES, scaleMode: SCALE_MODES },
    ...boundsOfMomenta(groups),
  }),
};

/**
 * The learning rate goes from `baseLr` to `maxLr` in stepSizeUp steps, back in stepSizeDown, and so on: a step is one of the optimizer. With
 * `cycleMomentum` the momentum goes the other way.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CyclicLR.html
 */
export class CyclicLR extends Cycling<CyclicLROptions> {
  /** @internal */
  static override readonly name: string = "CyclicLR";
  /** Highest rates, one a group. */
  declare maxLrs: number[];
  /** Steps of a cycle. */
  declare totalSize: number;
  /** The part of a cycle that leads up. */
  declare stepRatio: number;
  /** How the height depends on the cycle. */
  declare mode: "triangular" | "triangular2" | "exp_range";
  /** Base of `exp_range`. */
  declare gamma: number;
  /** What the height depends on. */
  declare scaleMode: "cycle" | "iterations";
  readonly #scale: ((x: number) => number) | null;

  /** Sets the learning rates to `baseLr` at once. */
  constructor(optimizer: Scheduled, options: CyclicLROptions, ...none: []) {
    super(CYCLIC, optimizer, options, none);
    this.baseLrs = perGroup("CyclicLR", "baseLr", options.baseLr, this.groups);
    this.#scale = options.scaleFn ?? null;
    this.write();
  }

  /** Which part of the height stands above `baseLr`. */
  #height(): number {
    const { lastEpoch, totalSize, stepRatio, mode, gamma } = this;
    const cycle = Math.floor(1 + lastEpoch / totalSize);
    const x = 1 + lastEpoch / totalSize - cycle;
    const part = x <= stepRatio ? x / stepRatio : (x - 1) / (stepRatio - 1);
    const at = this.scaleMode === "cycle" ? cycle : lastEpoch;
    if (this.#scale !== null) return part * this.#scale(at);
    return part * (mode === "triangular" ? 1 : mode === "triangular2" ? 0.5 ** (at - 1) : gamma ** at);
  }

  /** The learning rate of group `i` at `lastEpoch`. A later group's stays. */
  protected rate(i: number, lr: number): number {
    const base = this.baseLrs[i];
    return base === undefined ? lr : base + (this.maxLrs[i]! - base) * this.#height();
  }

  /** The momentum of group `i` at `lastEpoch`. */
  protected momentum(i: number): number {
    const max = this.maxMomentums[i]!;
    return max - (max - this.baseMomentums[i]!) * this.#height();
  }
}
