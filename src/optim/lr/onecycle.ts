// OneCycleLR: up to the highest rate, and down to almost none.
import { checkNumber, fail } from "../../core/error.ts";
import { ABOVE_0, FRACTION, SIZE } from "../../ops/bounds.ts";
import { expectWord } from "../../ops/expect.ts";
import { boundsOfMomenta, Cycling, type MomentumOptions, momentaOf } from "./cycle.ts";
import { ANNEAL_STRATEGIES, type Plan, perGroup, type Scheduled } from "./schedule.ts";

/** Options of `OneCycleLR`. */
export interface OneCycleLROptions extends MomentumOptions {
  /** Highest rate, for all groups or one a group. */
  maxLr: number | readonly number[];
  /** Steps of the cycle, a positive integer; `epochs` times `stepsPerEpoch` by default. */
  totalSteps?: number | null;
  /** Epochs of the run, a positive integer. */
  epochs?: number | null;
  /** Steps of an epoch, a positive integer. */
  stepsPerEpoch?: number | null;
  /** The part of the cycle that leads up, 0 to 1; 0.3 by default. */
  pctStart?: number;
  /** Along a cosine ("cos", the default) or a line ("linear"). */
  annealStrategy?: "cos" | "linear";
  /** 0.85 by default. */
  baseMomentum?: number | readonly number[];
  /** 0.95 by default. */
  maxMomentum?: number | readonly number[];
  /** The first rate is `maxLr / divFactor`; 25 by default. */
  divFactor?: number;
  /** The last rate is the first divided by this; 10,000 by default. */
  finalDivFactor?: number;
  /** Leads back to the first rate, as long as up, and only then down to the last; false by default. */
  threePhase?: boolean;
}

/** Steps of the cycle. */
function stepsOf({ totalSteps, epochs, stepsPerEpoch }: OneCycleLROptions): number {
  if (totalSteps != null) {
    checkNumber("OneCycleLR", "totalSteps", totalSteps, SIZE);
    return totalSteps;
  }
  if (epochs == null || stepsPerEpoch == null)
    fail("OneCycleLR", "no totalSteps were given: totalSteps, or epochs and stepsPerEpoch, are expected");
  checkNumber("OneCycleLR", "epochs", epochs, SIZE);
  checkNumber("OneCycleLR", "stepsPerEpoch", stepsPerEpoch, SIZE);
  return epochs * stepsPerEpoch;
}

const ONE: Plan<OneCycleLROptions> = {
  name: "OneCycleLR",
  defaults: {
    ...{ maxLr: undefined as never, totalSteps: null, epochs: null, stepsPerEpoch: null, pctStart: 0.3 },
    ...{ annealStrategy: "cos", cycleMomentum: true, baseMomentum: 0.85, maxMomentum: 0.95 },
    ...{ divFactor: 25, finalDivFactor: 1e4, threePhase: false },
  },
  bounds: { pctStart: FRACTION, divFactor: ABOVE_0, finalDivFactor: ABOVE_0, baseMomentum: null, maxMomentum: null },
  check(o, groups) {
    perGroup("OneCycleLR", "maxLr", o.maxLr, groups);
    stepsOf(o);
    expectWord("OneCycleLR", "annealStrategy", o.annealStrategy, ANNEAL_STRATEGIES);
    momentaOf("OneCycleLR", o, groups);
  },
  keep(o, groups) {
    const { annealStrategy, threePhase, pctStart, cycleMomentum, divFactor, finalDivFactor } = o;
    const maxLrs = perGroup("OneCycleLR", "maxLr", o.maxLr, groups);
    const minLrs = maxLrs.map((lr) => lr / divFactor! / finalDivFactor!);
    const numbers = { totalSteps: stepsOf(o), maxLrs, minLrs, pctStart, annealStrategy, threePhase };
    return { ...numbers, cycleMomentum, ...momentaOf("OneCycleLR", o, groups) };
  },
  kept: (groups) => ({
    ...{ totalSteps: SIZE, pctStart: FRACTION, annealStrategy: ANNEAL_STRATEGIES },
    ...boundsOfMomenta(groups),
  }),
};

/** The rates between which a phase leads; momenta go the other way, or stay where the last phase leads down. */
interface Phase {
  readonly end: number;
  readonly rates: readonly [from: readonly number[], to: readonly number[]];
  readonly momenta: readonly [from: readonly number[], to: readonly number[]];
}

/**
 * One cycle over the whole run: from `maxLr / divFactor` up to `maxLr` in the first `pctStart` of the steps, then down to
 * `maxLr / divFactor / finalDivFactor`; with `cycleMomentum` the momentum goes the other way. `step()` is called behind each of the optimizer's
 * steps, `totalSteps` times at most.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html
 */
export class OneCycleLR extends Cycling<OneCycleLROptions> {
  /** @internal */
  static override readonly name: string = "OneCycleLR";
  /** Steps of the cycle. */
  declare totalSteps: number;
  /** Highest rates, one a group. */
  declare maxLrs: number[];
  /** Last rates, one a group. */
  declare minLrs: number[];
  /** The part of the cycle that leads up. */
  declare pctStart: number;
  /** How rates follow one another. */
  declare annealStrategy: "cos" | "linear";
  /** Whether it leads back to the first rate before it leads down. */
  declare threePhase: boolean;

  /** Sets the learning rates to `maxLr / divFactor` at once, which count as those before the schedule, for others too. */
  constructor(optimizer: Scheduled, options: OneCycleLROptions, ...none: []) {
    super(ONE, optimizer, options, none);
    if ((options.lastEpoch ?? -1) < 0) {
      this.baseLrs = this.maxLrs.map((lr) => lr / (options.divFactor ?? 25));
      this.groups.forEach((group, i) => {
        group.initialLr = this.baseLrs[i]!;
      });
    }
    this.write();
  }

  #phases(): Phase[] {
    const { pctStart, totalSteps, baseLrs, maxLrs, minLrs, baseMomentums, maxMomentums } = this;
    const up = pctStart * totalSteps - 1;
    const rise: Phase = { end: up, rates: [baseLrs, maxLrs], momenta: [maxMomentums, baseMomentums] };
    const end = totalSteps - 1;
    if (!this.threePhase) return [rise, { end, rates: [maxLrs, minLrs], momenta: [baseMomentums, maxMomentums] }];
    const back = 2 * pctStart * totalSteps - 2;
    return [
      rise,
      { end: back, rates: [maxLrs, baseLrs], momenta: [baseMomentums, maxMomentums] },
      { end, rates: [baseLrs, minLrs], momenta: [maxMomentums, maxMomentums] },
    ];
  }

  /** What group `i` has at `lastEpoch`. */
  #between(of: "rates" | "momenta", i: number): number {
    const { lastEpoch: step, totalSteps } = this;
    if (step > totalSteps)
      fail("OneCycleLR", `step ${step} is one more than its totalSteps ${totalSteps}: a longer cycle is expected`);
    const phases = this.#phases();
    const at = phases.findIndex(({ end }, k) => step <= end || k === phases.length - 1);
    const begin = phases[at - 1]?.end ?? 0;
    const { end } = phases[at]!;
    const [from, to] = phases[at]![of].map((list) => list[i]!) as [number, number];
    // A phase without steps is over, where PyTorch divides by zero.
    const part = end === begin ? 1 : (step - begin) / (end - begin);
    // The step behind the last is 0 or more, where PyTorch's line goes on below.
    if (this.annealStrategy === "linear") return (to - from) * Math.min(part, 1) + from;
    return to + ((from - to) / 2) * (Math.cos(Math.PI * part) + 1);
  }

  /** The learning rate of group `i` at `lastEpoch`. A later group's stays. */
  protected rate(i: number, lr: number): number {
    return i < this.maxLrs.length ? this.#between("rates", i) : lr;
  }

  /** The momentum of group `i` at `lastEpoch`. */
  protected momentum(i: number): number {
    return this.#between("momenta", i);
  }
}
