// Schedules along a cosine: CosineAnnealingLR, CosineAnnealingWarmRestarts.
import { checkNumber, noMore } from "../../core/error.ts";
import { ABOVE_0, SIZE } from "../../ops/bounds.ts";
import { type Plan, Planned, type Scheduled, type ScheduleOptions, type SchedulerState } from "./schedule.ts";

/** Options of `CosineAnnealingLR`. */
export interface CosineAnnealingLROptions extends ScheduleOptions {
  /** Steps down to the least rate, a positive integer; the next as many lead up again. */
  TMax: number;
  /** Least rate; 0 by default. */
  etaMin?: number;
}

const ANNEALING: Plan<CosineAnnealingLROptions> = {
  name: "CosineAnnealingLR",
  defaults: { TMax: undefined, etaMin: 0 },
  bounds: { TMax: SIZE },
};

/**
 * etaMin + (lr - etaMin) (1 + cos(π step / TMax)) / 2, where lr is the rate before the schedule. It goes on from the rate that stands
 * there, so that other schedules may change it too.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html
 */
export class CosineAnnealingLR extends Planned<CosineAnnealingLROptions> {
  /** @internal */
  static override readonly name: string = "CosineAnnealingLR";
  /** Steps down to the least rate. */
  declare TMax: number;
  /** Least rate. */
  declare etaMin: number;

  /** `{ TMax: 100 }` decays to 0 in 100 steps. */
  constructor(optimizer: Scheduled, options: CosineAnnealingLROptions, ...none: []) {
    super(ANNEALING, optimizer, options, none);
    this.write();
  }

  /** The learning rate of group `i`, behind `lr`. */
  protected rate(i: number, lr: number): number {
    const { lastEpoch: epoch, TMax, etaMin, stepCount } = this;
    const turn = (t: number): number => 1 + Math.cos((Math.PI * t) / TMax);
    if (epoch === 0) return lr;
    const base = this.baseLrs[i] ?? lr;
    if (stepCount === 1) return etaMin + ((base - etaMin) * turn(epoch)) / 2;
    // The rate before was the least: it follows from that no more.
    if ((epoch - 1 - TMax) % (2 * TMax) === 0) return lr + ((base - etaMin) * (1 - Math.cos(Math.PI / TMax))) / 2;
    return (turn(epoch) / turn(epoch - 1)) * (lr - etaMin) + etaMin;
  }
}

/** Options of `CosineAnnealingWarmRestarts`. */
export interface CosineAnnealingWarmRestartsOptions extends ScheduleOptions {
  /** Steps until the first restart, a positive integer. */
  T0: number;
  /** By which the steps until the next grow at each restart, a positive integer; 1 by default. */
  TMult?: number;
  /** Least rate; 0 by default. */
  etaMin?: number;
}

const RESTARTS: Plan<CosineAnnealingWarmRestartsOptions> = {
  name: "CosineAnnealingWarmRestarts",
  defaults: { T0: undefined, TMult: 1, etaMin: 0 },
  bounds: { T0: SIZE, TMult: SIZE },
};

/**
 * etaMin + (lr - etaMin) (1 + cos(π TCur / TI)) / 2, where lr is the rate before the schedule and TCur the steps since the last restart: after
 * TI = T0 steps the rate jumps back, then after TMult as many, and so on.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.html
 */
export class CosineAnnealingWarmRestarts extends Planned<CosineAnnealingWarmRestartsOptions> {
  /** @internal */
  static override readonly name: string = "CosineAnnealingWarmRestarts";
  /** Steps until the first restart. */
  declare T0: number;
  /** By which the steps until the next grow. */
  declare TMult: number;
  /** Least rate. */
  declare etaMin: number;
  /** Steps since the last restart. */
  TCur: number;
  /** Steps from the last restart to the next. */
  TI: number;

  /** `{ T0: 10, TMult: 2 }` restarts at steps 10, 30, 70 and so on. */
  constructor(optimizer: Scheduled, options: CosineAnnealingWarmRestartsOptions, ...none: []) {
    super(RESTARTS, optimizer, options, none);
    this.TI = this.T0;
    // As in PyTorch, which counts on from there; without an earlier run it is 0.
    this.TCur = this.lastEpoch;
    this.#wrap();
    this.write();
  }

  /**
   * Takes the next step, or goes to `epoch`, a number of at least 0 that need not be whole: `step(epoch + i / batches)` for batch i
   * of an epoch.
   */
  override step(epoch?: number, ...none: []): void {
    noMore("CosineAnnealingWarmRestarts", none);
    if (epoch !== undefined) checkNumber("CosineAnnealingWarmRestarts", "epoch", epoch);
    this.attempt(() => {
      if (epoch === undefined) {
        this.TCur++;
        this.lastEpoch++;
      } else {
        this.TI = this.T0;
        this.TCur = epoch;
        this.lastEpoch = Math.floor(epoch);
      }
      this.#wrap();
      this.stepCount++;
      this.write();
    });
  }

  /** Restarts that are behind. */
  #wrap(): void {
    if (this.TMult === 1) this.TCur %= this.TI;
    while (this.TCur >= this.TI) {
      this.TCur -= this.TI;
      this.TI *= this.TMult;
    }
  }

  /** The learning rate of group `i` at `TCur`. A later group's stays. */
  protected rate(i: number, lr: number): number {
    const base = this.baseLrs[i];
    const { etaMin, TCur, TI } = this;
    return base === undefined ? lr : etaMin + ((base - etaMin) * (1 + Math.cos((Math.PI * TCur) / TI))) / 2;
  }

  /** @internal */
  override restart(from?: readonly number[], first?: boolean): void {
    this.attempt(() => {
      this.TCur = 0;
      this.TI = this.T0;
      super.restart(from, first);
    });
  }

  /** @internal */
  override saved(): () => void {
    const { TCur, TI } = this;
    const undo = super.saved();
    return () => {
      undo();
      Object.assign(this, { TCur, TI });
    };
  }

  /** Its numbers, its options among them. */
  override stateDict(...none: []): SchedulerState {
    return { ...super.stateDict(...none), TCur: this.TCur, TI: this.TI };
  }

  /** @internal */
  override expectState(name: string, state: SchedulerState): void {
    super.expectState(name, state);
    if (state.TCur !== undefined) checkNumber(name, "TCur", state.TCur);
    if (state.TI !== undefined) checkNumber(name, "TI", state.TI, [ABOVE_0[0], "a positive number"]);
  }

  /** @internal */
  override takeState(state: SchedulerState): void {
    super.takeState(state);
    this.TCur = (state.TCur as number | undefined) ?? this.TCur;
    this.TI = (state.TI as number | undefined) ?? this.TI;
  }
}
