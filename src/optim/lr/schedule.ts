// What a learning-rate schedule is: it sets `group.lr` when it is made and at each `step()`, outside of captured functions. Rates
// are PyTorch's chainable forms: each follows from the one that stands there.
import { type Bound, checkNumber, expectOptions, fail, given, noMore } from "../../core/error.ts";
import { refuseInCapture } from "../../core/recording.ts";
import { type Bounds, COUNT, checkAll } from "../../ops/bounds.ts";
import { expectWord } from "../../ops/expect.ts";
import { Group } from "../optimizer.ts";

/** What a schedule needs of an optimizer. */
export interface Scheduled {
  /** The groups whose learning rates it sets. */
  readonly paramGroups: readonly Group[];
}

/** What `stateDict()` of a schedule gives: its numbers, with PyTorch's names in camelCase. */
export interface SchedulerState extends Record<string, unknown> {
  /** Steps taken. */
  lastEpoch: number;
  /** Learning rates before the schedule, one a group. */
  baseLrs: number[];
}

/** What the options of most schedules have. */
export interface ScheduleOptions {
  /**
   * Where an earlier run stopped: the next step is taken at once, from the rates that the optimizer's state dict brought. -1, the
   * default, begins anew.
   */
  lastEpoch?: number;
}

/** How rates may follow one another. @internal */
export const ANNEAL_STRATEGIES = ["cos", "linear"];

const EPOCH: Bound = [(v) => Number.isInteger(v) && v >= -1, "an integer of at least -1"];

/** The groups of what must be an optimizer. */
export function groupsOf(name: string, optimizer: Scheduled): readonly Group[] {
  if (!Array.isArray(optimizer?.paramGroups) || !optimizer.paramGroups.every((g) => g instanceof Group))
    fail(name, `${given(optimizer)} was given: an optimizer is expected`);
  return optimizer.paramGroups;
}

/** One number a group: those of a list, or one for all. Throws unless each is within its bound. @internal */
export function perGroup(name: string, key: string, value: unknown, groups: readonly Group[], bound?: Bound): number[] {
  if (!Array.isArray(value)) {
    checkNumber(name, key, value, bound);
    return groups.map(() => value);
  }
  if (value.length !== groups.length)
    fail(name, `${key} ${given(value)}: the optimizer has ${groups.length} groups, one number for each is expected`);
  checkEach(name, key, value, bound);
  return [...value];
}

/** Throws unless it lists numbers, each within the bound. */
function checkEach(name: string, key: string, list: unknown, bound?: Bound): asserts list is number[] {
  if (!Array.isArray(list)) fail(name, `${key} ${given(list)}: numbers are expected`);
  for (let i = 0; i < list.length; i++) checkNumber(name, `${key}[${i}]`, list[i], bound);
}

/**
 * Base of schedules: a subclass says the learning rate of each group by `rate`, and calls `write()` at the end of its
 * constructor. https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
 */
export abstract class LRScheduler {
  /** Steps taken. */
  lastEpoch: number;
  /** Learning rates before the schedule, one a group. */
  baseLrs: number[];
  /** The optimizer whose learning rates it sets. */
  readonly optimizer: Scheduled;
  /** The optimizer's groups. */
  protected readonly groups: readonly Group[];
  /** How often it has set rates: once when it is made, and once a step. */
  protected stepCount = 1;
  /** What it has set last. */
  protected lastLr: number[];

  /**
   * Notes each group's learning rate as the one before the schedule, unless another schedule did. With a `lastEpoch` of at least 0
   * the groups must have such rates: those of the run that goes on.
   */
  constructor(optimizer: Scheduled, lastEpoch = -1, ...none: []) {
    const { name } = this.constructor;
    noMore(name, none);
    this.optimizer = optimizer;
    this.groups = groupsOf(name, optimizer);
    checkNumber(name, "lastEpoch", lastEpoch, EPOCH);
    const lacking = lastEpoch < 0 ? -1 : this.groups.findIndex((group) => group.initialLr === undefined);
    if (lacking >= 0) {
      const rule = "where a run goes on, the optimizer's state dict is loaded before the schedule is made";
      fail(name, `lastEpoch ${lastEpoch}, and group ${lacking} has no initialLr: ${rule}`);
    }
    refuseInCapture(name, "sets learning rates from the host: make it outside the captured function");
    this.lastEpoch = lastEpoch + 1;
    this.lastLr = this.groups.map((group) => group.lr);
    this.baseLrs = this.groups.map((group) => group.initialLr ?? group.lr);
  }

  /** The learning rate of group `i` at `lastEpoch`. `lr` is the one from which it follows: the group's. */
  protected abstract rate(i: number, lr: number): number;

  /**
   * Takes the next step and sets the learning rates: after the optimizer's steps of an epoch (or of a batch), outside of captured
   * functions. Where a rate is none (NaN, below 0) nothing has changed.
   */
  step(...none: []): void {
    noMore(this.constructor.name, none);
    this.attempt(() => {
      this.lastEpoch++;
      this.stepCount++;
      this.write();
    });
  }

  /** Sets the learning rate of every group to what `rate` says. */
  protected write(from?: readonly number[]): void {
    const rates = this.groups.map((group, i) => this.rate(i, from?.[i] ?? group.lr));
    rates.forEach((lr, i) => {
      const rule = `for group ${i} at step ${this.lastEpoch}: a number of at least 0 is expected`;
      if (!(typeof lr === "number" && lr >= 0 && lr < Number.POSITIVE_INFINITY))
        fail(this.constructor.name, `lr ${given(lr)} ${rule}`);
    });
    this.groups.forEach((group, i) => {
      group.lr = rates[i]!;
      // A group that was added later has none.
      if (i < this.baseLrs.length) group.initialLr ??= this.baseLrs[i]!;
    });
    this.lastLr = rates;
  }

  /** Changes the schedule; where that throws, everything is as it was. */
  protected attempt(change: () => void): void {
    refuseInCapture(this.constructor.name, "sets learning rates from the host: step outside the captured function");
    const undo = this.saved();
    try {
      change();
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** Brings back what is there now. @internal */
  saved(): () => void {
    const { lastEpoch, stepCount, lastLr } = this;
    const rates = this.groups.map((group) => group.lr);
    return () => {
      Object.assign(this, { lastEpoch, stepCount, lastLr });
      this.groups.forEach((group, i) => {
        group.lr = rates[i]!;
      });
    };
  }

  /** Goes to step 0, from these rates, for SequentialLR. `first`: as if it had just been made. @internal */
  restart(from: readonly number[] = this.baseLrs, first = false): void {
    this.attempt(() => {
      this.lastEpoch = 0;
      this.stepCount = first ? 1 : this.stepCount + 1;
      this.write(from);
    });
  }

  /** Takes its first step back, for SequentialLR. @internal */
  rewind(): void {
    this.lastEpoch--;
  }

  /** The learning rates that it has set last, one a group. */
  getLastLr(...none: []): number[] {
    noMore(this.constructor.name, none);
    return [...this.lastLr];
  }

  /** Numbers of the schedule. The rates go on from those of the optimizer, which are in its state dict. */
  stateDict(...none: []): SchedulerState {
    noMore(this.constructor.name, none);
    const { lastEpoch, baseLrs, stepCount, lastLr } = this;
    return { lastEpoch, baseLrs: [...baseLrs], _stepCount: stepCount, _lastLr: [...lastLr] };
  }

  /**
   * Takes over what `stateDict()` gave, for the rates that the optimizer's state dict brings, and sets none. What is wrong there throws, and nothing
   * has changed.
   */
  loadStateDict(state: SchedulerState, ...none: []): void {
    noMore(this.constructor.name, none);
    this.expectState(`${this.constructor.name}.loadStateDict`, state);
    this.takeState(state);
  }

  /** Throws where `state` is not that of such a schedule. @internal */
  expectState(name: string, state: SchedulerState): void {
    checkNumber(name, "lastEpoch", state?.lastEpoch, EPOCH);
    const { baseLrs, _lastLr, _stepCount } = state;
    const { length } = this.groups;
    checkEach(name, "baseLrs", baseLrs);
    if (baseLrs.length !== length && baseLrs.length !== this.baseLrs.length)
      fail(name, `baseLrs ${given(baseLrs)}: the optimizer has ${length} groups`);
    if (_lastLr !== undefined) checkEach(name, "_lastLr", _lastLr);
    if (_stepCount !== undefined) checkNumber(name, "_stepCount", _stepCount, COUNT);
  }

  /** Takes over what was checked. @internal */
  takeState(state: SchedulerState): void {
    const { lastEpoch, baseLrs, _lastLr, _stepCount } = state as SchedulerState & { _lastLr?: number[] };
    this.lastEpoch = lastEpoch;
    this.baseLrs = [...baseLrs];
    this.stepCount = (_stepCount as number | undefined) ?? lastEpoch + 1;
    this.lastLr = _lastLr === undefined ? this.groups.map((group) => group.lr) : [..._lastLr];
  }
}

/** What tells one schedule from another: its options, and what they must be. @internal */
export interface Plan<O extends object> {
  /** The class's, for messages. */
  readonly name: string;
  /** Every option with its default, undefined where there is none, in the order in which messages list them. */
  readonly defaults: { readonly [K in Exclude<keyof O, "lastEpoch">]-?: O[K] | undefined };
  /** What numbers among the options must be, as in a rule of an optimizer. */
  readonly bounds?: Bounds<O>;
  /** Throws when something breaks another rule. */
  check?(options: O, groups: readonly Group[]): void;
  /** What the schedule keeps by them, as its properties and in its state dict; the options themselves by default. */
  keep?(options: O, groups: readonly Group[]): object;
  /** Where that is something else: what numbers among it must be when a state dict brings them, if not at least 0, and the words there are. */
  kept?(groups: readonly Group[]): { readonly [key: string]: Bound | readonly string[] };
}

function checkPlan<O extends object>(plan: Plan<O>, options: O, groups: readonly Group[]): void {
  checkAll(plan.name, plan.defaults, options, plan.bounds);
  plan.check?.(options, groups);
}

/** A schedule whose numbers are its options: they are properties, and in the state dict. */
export abstract class Planned<O extends object> extends LRScheduler {
  readonly #plan: Plan<O>;
  /** Names of what it keeps. */
  readonly #keys: readonly string[];

  /** @internal */
  constructor(plan: Plan<O>, optimizer: Scheduled, options: object | undefined, none: readonly unknown[]) {
    const { name, defaults } = plan;
    const groups = groupsOf(name, optimizer);
    const names = Object.entries(defaults).map(([key, v]) => (typeof v === "boolean" ? `${key}?` : key));
    expectOptions(name, options, [...names, "lastEpoch"].join(" "), none);
    const { lastEpoch, ...own } = (options ?? {}) as Record<string, unknown> & ScheduleOptions;
    const known = Object.entries(own).filter(([, v]) => v !== undefined);
    const all = { ...defaults, ...Object.fromEntries(known) } as O;
    checkPlan(plan, all, groups);
    super(optimizer, lastEpoch);
    const kept = copied(plan.keep?.(all, groups) ?? all);
    Object.assign(this, kept);
    this.#plan = plan;
    this.#keys = Object.keys(kept);
  }

  /** Its numbers, its options among them. The rates go on from those of the optimizer, which are in its state dict. */
  override stateDict(...none: []): SchedulerState {
    return { ...super.stateDict(...none), ...copied(this.#kept()) };
  }

  /** @internal */
  override expectState(name: string, state: SchedulerState): void {
    super.expectState(name, state);
    const rules = this.#plan.kept?.(this.groups);
    for (const [key, own] of Object.entries(this.#kept())) {
      const value = state[key];
      const rule = rules?.[key];
      if (value == null || value === own || key === "milestones") continue;
      if (Array.isArray(own)) {
        checkEach(name, key, value, rule as Bound);
        if (value.length !== own.length)
          fail(name, `${key} ${given(value)}: a list of length ${own.length} is expected`);
      } else if (typeof value !== typeof own) fail(name, `${key} ${given(value)}: a ${typeof own} is expected`);
      else if (typeof own === "string" && rule) expectWord(name, key, value, rule as readonly string[]);
      else if (typeof own === "number" && rules) checkNumber(name, key, value, rule as Bound);
    }
    if (this.#plan.keep === undefined) checkPlan(this.#plan, this.#kept(state) as O, this.groups);
  }

  /** @internal */
  override takeState(state: SchedulerState): void {
    super.takeState(state);
    Object.assign(this, copied(this.#kept(state)));
  }

  /** What it keeps, as in `state` where that has it. */
  #kept(state: object = {}): object {
    return Object.fromEntries(this.#keys.map((key) => [key, state[key as never] ?? this[key as keyof this]]));
  }
}

/** Lists copied: they may be changed in place. */
const copied = (own: object): object =>
  Object.fromEntries(Object.entries(own).map(([key, v]) => [key, Array.isArray(v) ? [...v] : v]));
