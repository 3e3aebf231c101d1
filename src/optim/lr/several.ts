// Schedules of schedules: SequentialLR, ChainedScheduler.
import { expectOptions, fail, given, noMore } from "../../core/error.ts";
import { groupsOf, LRScheduler, type Scheduled, type SchedulerState } from "./schedule.ts";

/** What `stateDict()` of `SequentialLR` and `ChainedScheduler` gives. */
export interface SchedulersState extends SchedulerState {
  /** What the schedules' own give, in their order. */
  _schedulers: SchedulerState[];
}

/** Throws unless all are schedules of this optimizer. */
function checkSchedulers(name: string, list: unknown, optimizer?: Scheduled): asserts list is readonly LRScheduler[] {
  if (!Array.isArray(list) || list.length === 0)
    fail(name, `schedulers ${given(list)}: an array of one schedule or more is expected`);
  Array.from(list).forEach((s: unknown, i) => {
    const what = `schedulers[${i}]`;
    if (!(s instanceof LRScheduler)) {
      const { name: type } = (s as object | null)?.constructor ?? {};
      const rule = "a schedule whose step() takes nothing is expected";
      fail(name, `${what} is ${type === "ReduceLROnPlateau" ? `a ${type}` : given(s)}: ${rule}`);
    }
    const other = s.optimizer !== (optimizer ?? (list[0] as LRScheduler).optimizer);
    if (other) fail(name, `${what} (${s.constructor.name}) is of another optimizer: one for all is expected`);
  });
}

/** Schedules of one optimizer. */
abstract class Several extends LRScheduler {
  /** The schedules. */
  protected readonly schedulers: readonly LRScheduler[];

  /** @internal */
  constructor(optimizer: Scheduled, schedulers: readonly LRScheduler[]) {
    super(optimizer);
    this.schedulers = [...schedulers];
  }

  /** The schedules set rates, this one none. */
  protected rate(_: number, lr: number): number {
    return lr;
  }

  /** @internal */
  override saved(): () => void {
    const all = [super.saved(), ...this.schedulers.map((s) => s.saved())];
    return () => {
      for (const undo of all) undo();
    };
  }

  /** Numbers of all the schedules. The rates go on from those of the optimizer, which are in its state dict. */
  override stateDict(...none: []): SchedulersState {
    return { ...super.stateDict(...none), _schedulers: this.schedulers.map((s) => s.stateDict()) };
  }

  /** @internal */
  override expectState(name: string, state: SchedulerState): void {
    super.expectState(name, state);
    const list = state._schedulers;
    const { length } = this.schedulers;
    if (!Array.isArray(list) || list.length !== length)
      fail(name, `_schedulers ${given(list)}: state dicts of ${length} schedules are expected`);
    this.schedulers.forEach((s, i) => {
      s.expectState(`${name}: _schedulers[${i}]`, list[i]);
    });
  }

  /** @internal */
  override takeState(state: SchedulerState): void {
    super.takeState(state);
    this.schedulers.forEach((s, i) => {
      s.takeState((state as SchedulersState)._schedulers[i]!);
    });
  }
}

/** Options of `SequentialLR`. */
export interface SequentialLROptions {
  /** Steps at which the next schedule begins: positive integers that rise, one less than there are schedules. */
  milestones: readonly number[];
}

/**
 * One schedule behind the other: each begins anew at its milestone, from the rates before the schedule. A run goes on by `loadStateDict`.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.SequentialLR.html
 */
export class SequentialLR extends Several {
  /** @internal */
  static override readonly name: string = "SequentialLR";
  /** Steps at which the next schedule begins. */
  #milestones: readonly number[];

  /** `schedulers` were made before, on this optimizer, in their order; `milestones` may be an array, or stand in options. */
  constructor(
    optimizer: Scheduled,
    schedulers: readonly LRScheduler[],
    milestones: readonly number[] | SequentialLROptions,
    ...none: []
  ) {
    const name = "SequentialLR";
    noMore(name, none);
    groupsOf(name, optimizer);
    if (!Array.isArray(milestones)) expectOptions(name, milestones, "milestones");
    const list = Array.isArray(milestones) ? milestones : (milestones as SequentialLROptions | undefined)?.milestones;
    checkSchedulers(name, schedulers, optimizer);
    checkMilestones(name, list, schedulers.length);
    super(optimizer, schedulers);
    this.#milestones = [...list];
    this.restart(undefined, true);
    for (const s of schedulers.slice(1)) s.rewind();
  }

  /** Takes a step of the schedule whose turn it is, or lets the next begin. */
  override step(...none: []): void {
    noMore("SequentialLR", none);
    this.attempt(() => {
      this.lastEpoch++;
      this.stepCount++;
      const i = this.#milestones.filter((v) => v <= this.lastEpoch).length;
      const schedule = this.schedulers[i]!;
      if (this.#milestones[i - 1] === this.lastEpoch) schedule.restart();
      else schedule.step();
      this.lastLr = schedule.getLastLr();
    });
  }

  /** @internal */
  override restart(from?: readonly number[], first = false): void {
    this.attempt(() => {
      const rates = from ?? this.groups.map((group) => group.initialLr ?? group.lr);
      this.groups.forEach((group, i) => {
        group.lr = rates[i] ?? group.lr; // one that was added later has none
      });
      this.lastEpoch = 0;
      this.stepCount = first ? 1 : this.stepCount + 1;
      this.schedulers[0]!.restart(rates, true);
      this.lastLr = this.schedulers[0]!.getLastLr();
    });
  }

  /** Numbers of all the schedules, and the milestones. */
  override stateDict(...none: []): SchedulersState {
    return { ...super.stateDict(...none), _milestones: [...this.#milestones] };
  }

  /** @internal */
  override expectState(name: string, state: SchedulerState): void {
    super.expectState(name, state);
    if (state._milestones !== undefined) checkMilestones(name, state._milestones, this.schedulers.length);
  }

  /** @internal */
  override takeState(state: SchedulerState): void {
    super.takeState(state);
    this.#milestones = [...((state._milestones as number[] | undefined) ?? this.#milestones)];
  }
}

function checkMilestones(name: string, list: unknown, schedulers: number): asserts list is readonly number[] {
  const rising = (v: unknown, i: number, all: number[]): boolean =>
    Number.isInteger(v) && (v as number) > (i === 0 ? 0 : all[i - 1]!);
  if (!Array.isArray(list) || !Array.from(list).every(rising))
    fail(name, `milestones ${given(list)}: positive integers that rise are expected`);
  if (list.length !== schedulers - 1) {
    const rule = `of ${schedulers} schedulers ${schedulers - 1} milestones are expected`;
    fail(name, `milestones ${given(list)}: ${rule}`);
  }
}

/**
 * Several schedules at once: each takes its step, in their order, from the rates that the one before left.
 * https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ChainedScheduler.html
 */
export class ChainedScheduler extends Several {
  /** @internal */
  static override readonly name: string = "ChainedScheduler";

  /** `schedulers` were made before, on one optimizer. */
  constructor(schedulers: readonly LRScheduler[], ...none: []) {
    noMore("ChainedScheduler", none);
    checkSchedulers("ChainedScheduler", schedulers);
    super(schedulers[0]!.optimizer, schedulers);
  }

  /** Takes a step of each. Where one throws, none has been taken. */
  override step(...none: []): void {
    noMore("ChainedScheduler", none);
    this.attempt(() => {
      for (const s of this.schedulers) s.step();
      this.lastEpoch++;
      this.stepCount++;
      this.lastLr = this.groups.map((group) => group.lr);
    });
  }

  /** @internal */
  override restart(from: readonly number[] = this.baseLrs, first = false): void {
    this.attempt(() => {
      let rates = [...from];
      for (const s of this.schedulers) {
        s.restart(rates, first);
        rates = this.groups.map((group) => group.lr);
      }
      this.lastEpoch = 0;
      this.stepCount = first ? 1 : this.stepCount + 1;
      this.lastLr = rates;
    });
  }

  /** @internal */
  override rewind(): void {
    super.rewind();
    for (const s of this.schedulers) s.rewind();
  }
}
