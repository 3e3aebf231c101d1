// SWALR: towards one learning rate, at which weights are averaged.
import { COUNT } from "../../ops/bounds.ts";
import { expectWord } from "../../ops/expect.ts";
import { ANNEAL_STRATEGIES, type Plan, Planned, perGroup, type Scheduled, type ScheduleOptions } from "./schedule.ts";

/** Options of `SWALR`. */
export interface SWALROptions extends ScheduleOptions {
  /** The rate at the end, for all groups or one a group. */
  swaLr: number | readonly number[];
  /** Steps that lead there, an integer of at least 0; 10 by default. */
  annealEpochs?: number;
  /** Along a cosine ("cos", the default) or a line ("linear"). */
  annealStrategy?: "cos" | "linear";
}

const SWA: Plan<SWALROptions> = {
  name: "SWALR",
  defaults: { swaLr: undefined, annealEpochs: 10, annealStrategy: "cos" },
  bounds: { annealEpochs: COUNT },
  check({ swaLr, annealStrategy }, groups) {
    perGroup("SWALR", "swaLr", swaLr, groups);
    expectWord("SWALR", "annealStrategy", annealStrategy, ANNEAL_STRATEGIES);
  },
  keep: ({ swaLr, annealEpochs, annealStrategy }, groups) => ({
    swaLrs: perGroup("SWALR", "swaLr", swaLr, groups),
    ...{ annealEpochs, annealStrategy },
  }),
  kept: () => ({ annealEpochs: COUNT, annealStrategy: ANNEAL_STRATEGIES }),
};

/**
 * From the rate that stands there to `swaLr` in annealEpochs steps, where it stays: for averages of weights, which `AveragedModel` makes.
 * https://pytorch.org/docs/stable/optim.html#stochastic-weight-averaging
 */
export class SWALR extends Planned<SWALROptions> {
  /** @internal */
  static override readonly name: string = "SWALR";
  /** Rates at the end, one a group. */
  declare swaLrs: number[];
  /** Steps that lead there. */
  declare annealEpochs: number;
  /** How rates follow one another. */
  declare annealStrategy: "cos" | "linear";

  /** Leaves the learning rates as they are until the first step, but for 0 `annealEpochs`. */
  constructor(optimizer: Scheduled, options: SWALROptions, ...none: []) {
    super(SWA, optimizer, options, none);
    this.write();
  }

  /** The part of the way that is behind, `step` steps on. */
  #part(step: number): number {
    const t = Math.max(0, Math.min(1, step / Math.max(1, this.annealEpochs)));
    return this.annealStrategy === "cos" ? (1 - Math.cos(Math.PI * t)) / 2 : t;
  }

  /** The learning rate of group `i`, from the group's. A later group's stays. */
  protected rate(i: number): number {
    const { lr } = this.groups[i]!;
    const to = this.swaLrs[i];
    if (to === undefined) return lr;
    const step = this.annealEpochs === 0 ? Math.max(1, this.stepCount - 1) : this.stepCount - 1;
    const before = this.#part(step - 1);
    // Where the way began, as the rate that stands there tells.
    const from = before === 1 ? to : (lr - before * to) / (1 - before);
    const part = this.#part(step);
    return to * part + from * (1 - part);
  }
}
