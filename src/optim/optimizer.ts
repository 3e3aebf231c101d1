// Optimizer: parameter groups, state, and a step that is one row a group, or ops for each parameter, as its rule says. What a
// step reads from the host goes through `guard`; the learning rate and the step counts lie on the device. So a captured step
// needs nothing from here.

import type { Device } from "../core/device.ts";
import { checkNumber, expectOptions, fail, given, kindOf, noMore } from "../core/error.ts";
import { contiguous, launch } from "../core/op.ts";
import { guard, lastingState, noteGrad, noteRead, recordingNow, refuseInCapture } from "../core/recording.ts";
import { type Shape, sameShape, show } from "../core/shape.ts";
import { alive, mixed, Tensor } from "../core/tensor.ts";
import { expectObject } from "../ops/expect.ts";
import { follow } from "../ops/follow.ts";
import { clone, copy_, detach, full, zero_, zeros } from "../ops/index.ts";
import { expectFunction, noGrad, scope, withGrad } from "../ops/modes.ts";
import { word } from "../row/words.ts";
import { changedKey, copied, same } from "./numbers.ts";
import { checkRule, type Rule, type Step, withDefaults } from "./rule.ts";

/** Most parameters in one row. */
const SEGMENTS = 64;

/** Parameters with the same hyperparameters. */
export class Group {
  /** The parameters. */
  readonly params: Tensor[];
  /** The learning rate that a schedule started from; not there without a schedule. */
  declare initialLr?: number;
  readonly #optimizer: string;
  #lr: number;
  #rate: Tensor | null = null;

  /** @internal */
  constructor(optimizer: string, params: Tensor[], lr: number) {
    this.#optimizer = optimizer;
    this.params = params;
    checkNumber(optimizer, "lr", lr);
    this.#lr = lr;
    Object.defineProperty(this, "lr", LR);
  }

  /**
   * Learning rate, a number of at least 0. A write takes effect behind what was launched so far, and in captured steps too; inside
   * a captured function it is an error.
   */
  get lr(): number {
    return this.#lr;
  }

  set lr(value: number) {
    checkNumber(this.#optimizer, "lr", value);
    refuseInCapture(`${this.#optimizer}: lr`, "is a write from the host: set lr outside the captured function");
    if (this.#rate !== null && value !== this.#lr) {
      launch("fill_f32", [this.#rate], [], [1], [word(value)], `${this.#optimizer} lr`);
    }
    this.#lr = value;
  }

  /** For `console.log`: with the rate's value. @internal */
  [Symbol.for("nodejs.util.inspect.custom")](): object {
    return { ...this };
  }

  /** The learning rate on a device, float32 []. @internal */
  rate(device: Device): Tensor {
    if (this.#rate?.device !== device) {
      this.#rate?.release("the move of its group to another device");
      this.#rate = lastingState(() => full([], this.#lr, { device }).keep());
    }
    return this.#rate;
  }
}

/** Each group has it as a property of its own, as it has the other hyperparameters: `{ ...group }` and JSON take it along. */
const LR = { ...Object.getOwnPropertyDescriptor(Group.prototype, "lr"), enumerable: true };

/** A group with its hyperparameters as plain properties, which may be changed between steps. */
export type ParamGroup<H extends object> = Group & H;

/** What a constructor takes: parameters, or groups of them with hyperparameters of their own. */
export type Params<H extends object> = (Iterable<Tensor> | Iterable<GroupSpec<H>>) & {
  /** A tensor lists its rows: one parameter stands in an array. */
  readonly shape?: undefined;
};

/** A group as it is given: what it leaves out of the hyperparameters is as in the constructor's options. */
export type GroupSpec<H extends object> = {
  /** One parameter or several: float32 leaves, each in one group. */
  params: Tensor | Iterable<Tensor>;
  /** Learning rate of the group. */
  lr?: number;
} & Partial<H>;

/** State of one parameter: tensors by name, `step` and what else is one number [1], others of the parameter's shape. */
export type ParamState = Readonly<Record<string, Tensor>>;

/** What `stateDict()` of an optimizer gives. */
export interface OptimizerState<S = ParamState> {
  /** By the parameter's number in order of the groups. */
  state: Record<number, S>;
  /** Hyperparameters, and the numbers of the parameters. */
  paramGroups: ({
    /** Numbers of the group's parameters, in order of the groups. */
    params: number[];
    /** Learning rate. */
    lr: number;
  } & Record<string, unknown>)[];
}

/** Takes the gradient off the tape, else each backward with `createGraph` would hang on those before. */
function cut(p: Tensor, g: Tensor): void {
  if (g.base !== null) {
    p.grad = detach(g);
    return;
  }
  g.entry = null;
  g.slot = 0;
  g.requiresGrad = false;
}

/** One parameter's part in a step. */
interface Segment {
  readonly p: Tensor;
  readonly g: Tensor;
}

/**
 * Base of optimizers. `H` are the hyperparameters besides `lr`, `S` is what is held of a parameter: `Optimizer` by itself is any of them.
 * https://pytorch.org/docs/stable/optim.html#torch.optim.Optimizer
 */
export abstract class Optimizer<H extends object = object, S = object> {
  /** Groups of parameters with their hyperparameters: `optimizer.paramGroups[0].lr = 0.01`. */
  readonly paramGroups: ParamGroup<H>[] = [];
  readonly #name: string;
  readonly #rule: Rule<H>;
  readonly #defaults: H & { lr: number };
  readonly #state = new Map<Tensor, ParamState>();
  /** Hyperparameters of groups, and the steps for these. */
  readonly #ready: [values: unknown[], step: Step][] = [];
  /** Names of the hyperparameters but lr. */
  readonly #keys: readonly string[];

  /** @internal */
  constructor(rule: Rule<H>, params: Params<H>, options: Partial<H & { lr: number }>, none: readonly [] = []) {
    const { name } = rule;
    this.#name = name;
    this.#rule = rule;
    this.#defaults = withDefaults(name, rule.defaults, options, none);
    this.#keys = Object.keys(this.#defaults).filter((key) => key !== "lr");
    const list: unknown[] = listOf(name, params as Iterable<unknown>);
    if (list.length === 0)
      fail(name, "params []: optimizer got an empty parameter list, at least one parameter is expected");
    if (list[0] instanceof Tensor) this.addParamGroup({ params: list as Tensor[] } as unknown as GroupSpec<H>);
    else for (const group of list) this.addParamGroup(group as GroupSpec<H>);
  }

  /** Adds parameters, for example of a layer that is thawed later. What the group leaves out is as in the constructor. */
  addParamGroup(spec: GroupSpec<H>, ...none: []): void {
    noMore(this.#name, none);
    if (kindOf(spec) !== "Object" || !("params" in spec))
      fail(this.#name, `group ${this.paramGroups.length} is ${given(spec)}: an object with params is expected`);
    const { params, ...own } = spec as { params: Tensor | Iterable<Tensor> } & Record<string, unknown>;
    const { lr, ...rest } = withDefaults(this.#name, this.#defaults, own as Partial<H & { lr: number }>);
    const list = params instanceof Tensor ? [params] : listOf(this.#name, params);
    const seen = new Set<Tensor>(this.paramGroups.flatMap((g) => g.params));
    list.forEach((p, i) => {
      if (!(p instanceof Tensor)) fail(this.#name, `parameter ${i} is ${given(p)}: a tensor is expected`);
      const refuse = (why: string): never => fail(this.#name, `parameter ${i} (${p.describe()}) ${why}`);
      if (p.dtype !== "float32") refuse(`is ${p.dtype}: float32 is expected`);
      if (!p.isLeaf) refuse("was made by a recorded op: only leaves can be optimized");
      if (p.strides !== null) refuse("does not lie dense: clone() it");
      if (seen.has(p)) refuse("is listed twice: each parameter stands in one group, once");
      seen.add(p);
    });
    checkRule(this.#rule, rest as unknown as H);
    this.paramGroups.push(Object.assign(new Group(this.#name, list, lr), rest as unknown as H));
  }

  /** Drops the gradients of all parameters: they become null, or zeros with `setToNone: false`. */
  zeroGrad(
    options?: {
      /** False: gradients that are there become zeros; true by default. */
      setToNone?: boolean;
    },
    ...none: []
  ): void {
    expectOptions(this.#name, options, "setToNone?", none);
    const setToNone = options?.setToNone ?? true;
    for (const { params } of this.paramGroups) {
      for (const p of params) {
        if (setToNone) p.grad = null;
        else {
          noteGrad(p);
          p.own?.sparse?.zero();
          if (p.ownGrad?.requiresGrad) cut(p, p.ownGrad);
          if (p.ownGrad !== null) noGrad(() => zero_(p.ownGrad!));
        }
      }
    }
  }

  /** Changes every parameter that has a gradient. Unrecorded; the parameters' versions go up. */
  step(): void;
  /** Calls `closure` before, with gradients on, which makes the loss and its gradients; promises what it returned. */
  step<R>(closure: () => R): Promise<R>;
  step<R>(closure?: () => R, ...none: []): Promise<R> | undefined {
    noMore(this.#name, none);
    if (closure !== undefined) {
      expectFunction(`${this.#name}.step`, closure);
      const loss = withGrad(true, closure, `${this.#name}.step`);
      this.step();
      // An await that is nothing but this one gives the collector its turn, too.
      const turn = this.paramGroups[0]!.params[0]!.device.upkeep();
      return turn === null ? Promise.resolve(loss) : turn.then(() => loss);
    }
    const groups = guard(() => this.paramGroups.length);
    const all: Segment[][] = [];
    const dense: Tensor[] = [];
    for (let i = 0; i < groups; i++) {
      const { params } = this.paramGroups[i]!;
      guard(() => params.length);
      const segments: Segment[] = [];
      for (const p of params) {
        noteGrad(p);
        const g = this.#gradientOf(p);
        if (g === null) continue;
        alive(this.#name, p);
        alive(this.#name, g);
        if (g.strides !== null) dense.push(noGrad(() => contiguous(g)));
        segments.push({ p, g: g.strides !== null ? dense[dense.length - 1]! : g });
      }
      all.push(segments);
    }
    try {
      const last = this.#rule.begin?.(all.flatMap((segments) => segments.map(({ p }) => p)));
      for (const [i, segments] of all.entries()) if (segments.length > 0) this.#update(i, segments, last);
    } finally {
      this.#rule.end?.();
      for (const g of dense) g.release(`${this.#name}.step()`);
    }
  }

  #gradientOf(p: Tensor): Tensor | null {
    if (this.#rule.gradient !== undefined) return this.#rule.gradient(p);
    p.own?.sparse?.refuse(this.#name);
    return p.ownGrad;
  }

  /** What the rule makes of the hyperparameters as they are. A captured program holds for these: one guard for all. */
  #stepOf(group: ParamGroup<H>, i: number): Step {
    let [values, step] = this.#ready[i] ?? [];
    const keys = this.#keys;
    if (values === undefined || !same(keys, values, group)) {
      const own = Object.fromEntries(keys.map((key) => [key, group[key as keyof H]]));
      checkRule(this.#rule, own as H);
      const h = copied(own);
      values = keys.map((key) => h[key]);
      step = this.#rule.step(h as H);
      this.#ready[i] = [values, step];
    }
    if (recordingNow() !== null)
      guard(
        () => same(keys, values, group),
        () => `${changedKey(keys, values, group)} of group ${i} of ${this.#name}`,
      );
    return step!;
  }

  /**
   * Launches the step for the parameters that have a gradient, up to 64 at a time. Where there is state, steps are counted before.
   */
  #update(i: number, segments: readonly Segment[], last?: ReadonlyMap<Device, Tensor>): void {
    const group = this.paramGroups[i]!;
    const [names, kernel, scalars] = this.#stepOf(group, i);
    const device = segments[0]!.p.device;
    const rate = group.rate(device);
    noteRead(rate);
    for (let begin = 0; begin < segments.length; begin += SEGMENTS) {
      const some = segments.slice(begin, begin + SEGMENTS);
      const outputs: Tensor[] = [];
      const inputs: Tensor[] = [rate];
      const steps: Tensor[] = [];
      const grads: Tensor[] = [];
      const extents: number[] = [some.length];
      for (const { p, g } of some) {
        if (p.device !== device) mixed(this.#name, segments[0]!.p, p);
        if (g.device !== device) mixed(this.#name, p, g);
        outputs.push(p);
        inputs.push(g);
        extents.push(p.numel);
        if (names.length === 0) continue;
        const state = this.#stateOf(p, names);
        for (const name of names) outputs.push(state[name]!);
        steps.push(state.step!);
        grads.push(last?.get(device) ?? g);
        inputs.push(state.step!);
      }
      const together = typeof kernel === "string"; // else each parameter steps, and counts, by itself
      if (steps.length > 0) {
        const ticks = together ? [[steps, grads]] : steps.map((step, j) => [[step], [grads[j]!]]);
        for (const [counts, by] of ticks) launch("tick_f32", counts!, by!, [counts!.length], undefined, this.#name);
      }
      if (together) launch(kernel, outputs, inputs, extents, scalars, this.#name);
      else kernel(outputs, inputs);
    }
  }

  /** The state of `p`, with zeros for what is not there yet. */
  #stateOf(p: Tensor, names: readonly string[]): ParamState {
    let state = this.#state.get(p);
    if (names.some((name) => state?.[name] === undefined)) {
      state = lastingState(() => {
        const { device } = p;
        const all: Record<string, Tensor> = { ...state };
        all.step ??= zeros([1], { device }).keep();
        for (const name of names) all[name] ??= zeros(this.#shapeOf(p, name), { device }).keep();
        return all;
      });
      for (const x of Object.values(state!)) follow(p, x);
      this.#state.set(p, state);
    }
    if (state!.step!.device !== p.device) mixed(this.#name, p, state!.step!);
    return guard(() => this.#state.get(p))!;
  }

  /**
   * State and hyperparameters, with PyTorch's layout in camelCase: what a checkpoint needs. The tensors are the optimizer's own,
   * not copies.
   * https://pytorch.org/docs/stable/generated/torch.optim.Optimizer.state_dict.html
   */
  stateDict(...none: []): OptimizerState<S> {
    noMore(this.#name, none);
    let next = 0;
    const state: Record<number, object> = {};
    const paramGroups = this.paramGroups.map((group) => {
      const { params, ...own } = group;
      const numbers = params.map((p) => {
        const held = this.#state.get(p);
        if (held !== undefined) state[next] = { ...held };
        return next++;
      });
      return { ...copied(own), lr: group.lr, params: numbers };
    });
    return { state: state as Record<number, S>, paramGroups };
  }

  /**
   * Takes over what `stateDict()` gave, copying the tensors. Groups, numbers of parameters, hyperparameters and shapes are
   * checked first; when one is wrong nothing has changed.
   */
  loadStateDict(dict: OptimizerState<S>, ...none: []): void {
    noMore(this.#name, none);
    const subject = `${this.#name}.loadStateDict`;
    const say = (detail: string): never => fail(subject, detail);
    expectObject(subject, "state", dict?.state);
    const { paramGroups } = dict;
    const mine = this.paramGroups;
    if (!Array.isArray(paramGroups)) say(`paramGroups ${given(paramGroups)}: an array is expected`);
    if (paramGroups.length !== mine.length)
      say(`${paramGroups.length} parameter groups were given: the optimizer has ${mine.length}`);
    const target = new Map<number, Tensor>();
    Array.from(paramGroups).forEach((theirs, i) => {
      expectObject(subject, `group ${i}`, theirs);
      const { params, lr, ...own } = theirs;
      const group = mine[i]!;
      if (!Array.isArray(params) || params.length !== group.params.length)
        say(`group ${i} has ${params?.length} parameters: the optimizer's has ${group.params.length}`);
      checkNumber(subject, "lr", lr);
      if (own.initialLr !== undefined) checkNumber(subject, "initialLr", own.initialLr);
      const unknown = Object.keys(own).find((key) => key !== "initialLr" && !(key in this.#defaults));
      if (unknown !== undefined)
        say(`group ${i} has an unknown option ${unknown}: it takes ${Object.keys(this.#defaults).join(", ")}`);
      checkRule(this.#rule, { ...group, ...own } as unknown as H);
      for (const [j, number] of params.entries()) target.set(number, group.params[j]!);
    });
    const loaded = Object.entries(dict.state).map(([key, state]) => {
      const p = target.get(Number(key)) ?? say(`state of parameter ${key}: no group has such a parameter`);
      expectObject(subject, `state ${key}`, state);
      for (const [name, x] of Object.entries(state as ParamState)) this.#fits(p, key, name, x);
      return { p, state: state as ParamState };
    });
    refuseInCapture(subject, "replaces state: load outside the captured function");
    paramGroups.forEach(({ params, lr, ...own }, i) => {
      Object.assign(mine[i]!, copied(own));
      mine[i]!.lr = lr;
    });
    const held = new Set([...this.#state.values()].flatMap(Object.values<Tensor>).map(({ storage }) => storage));
    const kept = new Set(loaded.map(({ p }) => p));
    noGrad(() =>
      scope(() => {
        // What this optimizer holds in another place is copied before anything is written or released.
        const apart = (p: Tensor, name: string, x: Tensor): Tensor =>
          held.has(x.storage) && this.#state.get(p)?.[name] !== x ? clone(x) : x;
        for (const one of loaded)
          one.state = Object.fromEntries(Object.entries(one.state).map(([name, x]) => [name, apart(one.p, name, x)]));
        for (const [p, state] of this.#state) {
          if (kept.has(p)) continue;
          for (const x of Object.values(state)) x.release(`${this.#name}.loadStateDict()`);
          this.#state.delete(p);
        }
        for (const { p, state } of loaded) this.#take(p, state);
      }),
    );
  }

  /** Of the state of `p` with this name. */
  #shapeOf(p: Tensor, name: string): Shape {
    return name === "step" || this.#rule.single?.includes(name) ? [1] : p.shape;
  }

  #fits(p: Tensor, key: string, name: string, x: unknown): void {
    const subject = `${this.#name}.loadStateDict`;
    if (!(x instanceof Tensor)) fail(subject, `state ${key}.${name} is ${given(x)}: a tensor is expected`);
    alive(subject, x);
    const shape = this.#shapeOf(p, name);
    if (!sameShape(x.shape, shape) || x.dtype !== "float32") {
      fail(subject, `state ${key}.${name} is ${show(x.shape)} of ${x.dtype}: ${show(shape)} of float32 is expected`);
    }
    if (x.device !== p.device) mixed(subject, x, p);
  }

  /** Copies in place where there is state, so that captured programs stay valid. */
  #take(p: Tensor, given: ParamState): void {
    const held = this.#state.get(p);
    const names = Object.keys(given);
    if (
      held !== undefined &&
      names.length === Object.keys(held).length &&
      names.every((name) => held[name] !== undefined)
    ) {
      for (const name of names) copy_(held[name]!, given[name]!);
      return;
    }
    const fresh: Record<string, Tensor> = {};
    for (const name of names) fresh[name] = clone(given[name]!).keep();
    // PyTorch's SGD counts no steps: a momentum buffer alone means that there was one.
    if (names.length > 0) fresh.step ??= full([1], 1, { device: p.device }).keep();
    for (const x of Object.values(held ?? {})) x.release(`${this.#name}.loadStateDict()`);
    for (const x of Object.values(fresh)) follow(p, x);
    this.#state.set(p, fresh);
  }
}

/** What is listed, one by one: not a tensor, which lists its rows, nor a module, which may list its stages. */
function listOf<T>(name: string, params: Iterable<T> & { parameters?: unknown }): T[] {
  const listed = !(params instanceof Tensor) && params?.parameters === undefined;
  if (!listed || typeof params?.[Symbol.iterator] !== "function")
    fail(name, `params is ${given(params)}: an array of tensors or of groups is expected, such as model.parameters()`);
  return [...params];
}
