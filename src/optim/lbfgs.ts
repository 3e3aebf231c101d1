// L-BFGS: a quasi-Newton method that remembers some steps, and calls its closure as often as it needs.
import { checkNumber, fail, given, noMore } from "../core/error.ts";
import { contiguous } from "../core/op.ts";
import { refuseInCapture } from "../core/recording.ts";
import { sameShape, show } from "../core/shape.ts";
import { alive, mixed, Tensor } from "../core/tensor.ts";
import { ANY, AT_LEAST_1, COUNT, SIZE } from "../ops/bounds.ts";
import { expectObject } from "../ops/expect.ts";
import { flatten, places } from "../ops/flat.ts";
import { follow } from "../ops/follow.ts";
import { abs, add_, clone, copy_, matmul, max, mul, neg, sub, sum } from "../ops/index.ts";
import { expectFunction, noGrad, scope, withGrad } from "../ops/modes.ts";
import { Optimizer, type OptimizerState, type ParamGroup, type Params } from "./optimizer.ts";
import { checkRule, type Rule } from "./rule.ts";
import { type Point, strongWolfe } from "./wolfe.ts";

/** Hyperparameters of `LBFGS` besides the learning rate. */
export interface LBFGSHyperparameters {
  /** Most iterations a step; 20 by default. */
  maxIter: number;
  /** Most calls of the closure a step, looked at after each iteration; null, the default, is five quarters of `maxIter`. */
  maxEval: number | null;
  /** A step ends where no element of the gradient is larger than this; 1e-7 by default. */
  toleranceGrad: number;
  /** A step ends where neither parameters nor loss change by more than this; 1e-9 by default. */
  toleranceChange: number;
  /** Changes of parameters and gradients that are remembered; 100 by default. */
  historySize: number;
  /** "strongWolfe" searches along the line; null, the default, goes `lr` times the direction. */
  lineSearchFn: "strongWolfe" | null;
}

/** Options of `LBFGS`. */
export interface LBFGSOptions extends Partial<LBFGSHyperparameters> {
  /** Factor of the direction, and where the line search begins; 1 by default. */
  lr?: number;
}

/** What `LBFGS` remembers: vectors are all parameters end to end. Before the first iteration there are only the two counts. */
export interface LBFGSState {
  /** Calls of the closure. */
  funcEvals: number;
  /** Iterations. */
  nIter: number;
  /** The last direction. */
  d?: Tensor;
  /** How far it was gone. */
  t?: number;
  /** Changes of the gradient, the latest last. */
  oldDirs?: readonly Tensor[];
  /** Changes of the parameters. */
  oldStps?: readonly Tensor[];
  /** 1 / (y s) of these pairs. */
  ro?: readonly number[];
  /** (y s) / (y y) of the last pair: the scale of the Hessian's inverse. */
  HDiag?: number;
  /** The gradient that the last direction was made for, and the loss there. */
  prevFlatGrad?: Tensor;
  /** See `prevFlatGrad`. */
  prevLoss?: number;
  /** Factors of the last two-loop recursion. */
  al?: readonly Tensor[];
}

const RULE: Rule<LBFGSHyperparameters> = {
  name: "LBFGS",
  defaults: {
    lr: 1,
    maxIter: 20,
    maxEval: null,
    toleranceGrad: 1e-7,
    toleranceChange: 1e-9,
    historySize: 100,
    lineSearchFn: null,
  },
  bounds: { maxIter: AT_LEAST_1, historySize: AT_LEAST_1 },
  check({ maxEval, lineSearchFn }) {
    if (maxEval !== null) checkNumber("LBFGS", "maxEval", maxEval, [SIZE[0], "an integer of at least 1, or null,"]);
    if (lineSearchFn !== null && lineSearchFn !== "strongWolfe")
      fail("LBFGS", `lineSearchFn ${given(lineSearchFn)}: "strongWolfe" or null is expected`);
  },
  step: () => [[], () => {}], // never asked for: LBFGS has a step of its own
};

const dot = (a: Tensor, b: Tensor): Tensor => matmul(a, b);
const largest = (x: Tensor): Tensor => max(abs(x));
/** Unrecorded; helpers go. */
const quietly = <T>(f: () => T): T => noGrad(() => scope(f));

/** Values of tensors of one element, by one wait. */
const numbers = (...xs: readonly Tensor[]): Promise<number[]> =>
  Promise.all(xs.map(async (x) => (await x.device.read(x, 1, "float32"))[0]!));

/** The numbers that `f` makes on the device. */
async function ask(f: () => Tensor[]): Promise<number[]> {
  const xs = quietly(f);
  try {
    return await numbers(...xs);
  } finally {
    for (const x of xs) x.release("LBFGS.step()");
  }
}

/** A tensor to read the loss from; a number stays one. */
function lossOf(result: unknown): Tensor | number {
  if (typeof result === "number") return result;
  if (!(result instanceof Tensor) || result.numel !== 1 || result.dtype !== "float32")
    fail("LBFGS.step", `the closure returned ${given(result)}: the loss is expected, a float32 tensor of one element`);
  alive("LBFGS.step", result);
  return result;
}

/** Everything in the memory that is a tensor. */
const tensorsOf = (m: LBFGSState): Tensor[] =>
  [m.d, m.prevFlatGrad, m.oldDirs, m.oldStps, m.al].flat().filter((x) => x !== undefined);

/**
 * The direction -H g, with the inverse H of the Hessian that the remembered pairs (y, s) stand for: Nocedal and Wright, Numerical
 * Optimization, algorithm 7.4.
 */
function direction(g: Tensor, m: Required<Pick<LBFGSState, "oldDirs" | "oldStps" | "ro" | "HDiag">>): Tensor[] {
  const { oldDirs: ys, oldStps: ss, ro } = m;
  const al: Tensor[] = [];
  const q = neg(g);
  for (let i = ys.length - 1; i >= 0; i--) {
    al[i] = mul(dot(ss[i]!, q), ro[i]!);
    add_(q, mul(ys[i]!, neg(al[i]!)));
  }
  const r = mul(q, m.HDiag);
  for (let i = 0; i < ys.length; i++) {
    const be = mul(dot(ys[i]!, r), ro[i]!);
    add_(r, mul(ss[i]!, sub(al[i]!, be)));
  }
  return [r, ...al];
}

/**
 * Limited-memory BFGS: `const loss = await optimizer.step(closure)`, where the closure drops the gradients, makes the loss, calls
 * `backward()` and returns the loss, and is called several times a step. It takes one group of parameters. Reads of the loss decide
 * what comes next, so a step is not for captured functions. Where the closure throws, parameters and state are as before the step.
 * https://pytorch.org/docs/stable/generated/torch.optim.LBFGS.html
 */
export class LBFGS extends Optimizer<LBFGSHyperparameters, LBFGSState> {
  #memory: LBFGSState | null = null;
  #running = false;

  /** `params` are tensors, such as `model.parameters()`, or one group. */
  constructor(params: Params<LBFGSHyperparameters>, options: LBFGSOptions = {}, ...none: []) {
    super(RULE, params, options, none);
    const group = this.#group();
    group.maxEval ??= Math.floor((group.maxIter * 5) / 4);
  }

  /** The one group. */
  #group(): ParamGroup<LBFGSHyperparameters> {
    const { length } = this.paramGroups;
    if (length > 1) fail("LBFGS", `${length} groups of parameters: it takes one`);
    return this.paramGroups[0]!;
  }

  /** An error: `step(closure)` is expected. */
  override step(): never;
  /** Calls `closure` until the step is done; promises what the first call returned. Await it before the next step. */
  override step<R>(closure: () => R): Promise<R>;
  override step<R>(closure?: () => R, ...none: []): Promise<R> {
    noMore("LBFGS", none);
    if (closure === undefined)
      fail(
        "LBFGS",
        "step() without a closure: await step(closure), which makes the loss and its gradients, is expected",
      );
    expectFunction("LBFGS.step", closure);
    refuseInCapture("LBFGS.step", "reads losses to decide what comes next: step outside the captured function");
    if (this.#running) fail("LBFGS", "step() while a step is running: await step(closure) is expected");
    checkRule(RULE, this.#group());
    return this.#step(closure);
  }

  /** A step as a whole, or nothing of it. */
  async #step<R>(closure: () => R): Promise<R> {
    const { params } = this.paramGroups[0]!;
    for (const p of params) {
      alive("LBFGS", p);
      if (p.device !== params[0]!.device) mixed("LBFGS", params[0]!, p);
    }
    const made: Tensor[] = [];
    const own = (x: Tensor): Tensor => {
      made.push(x.keep());
      return x;
    };
    const before = quietly(() => params.map((p) => own(clone(p))));
    this.#running = true;
    try {
      const [result, memory] = await this.#iterate(closure, own);
      made.push(...tensorsOf(this.#memory ?? ({} as LBFGSState)));
      for (const x of tensorsOf(memory)) if (!tensorsOf(this.#memory ?? memory).includes(x)) follow(params[0]!, x);
      this.#memory = memory;
      return result;
    } catch (error) {
      quietly(() => {
        for (const [i, p] of params.entries()) copy_(p, before[i]!);
      });
      throw error;
    } finally {
      this.#running = false;
      const held = new Set(this.#memory === null ? [] : tensorsOf(this.#memory));
      for (const x of made) if (!held.has(x)) x.release("LBFGS.step()");
    }
  }

  async #iterate<R>(closure: () => R, own: (x: Tensor) => Tensor): Promise<[R, LBFGSState]> {
    const { params, lr, ...h } = this.paramGroups[0]!;
    const { maxIter, toleranceGrad, toleranceChange, historySize } = h;
    const maxEval = h.maxEval ?? Math.floor((maxIter * 5) / 4);
    const memory: LBFGSState = { ...(this.#memory ?? { funcEvals: 0, nIter: 0 }) };

    const evaluate = async (): Promise<{ result: R; f: number; g: Tensor; top: number }> => {
      const result = withGrad(true, closure, "LBFGS.step");
      memory.funcEvals++;
      const loss = lossOf(result);
      const g = own(
        quietly(() =>
          flatten(
            params.map((p) => {
              p.own?.sparse?.refuse("LBFGS");
              return p.ownGrad;
            }),
            params,
            "LBFGS",
          ),
        ),
      );
      const [top, f = loss as number] = await ask(() => [
        largest(g),
        ...(typeof loss === "number" ? [] : [clone(contiguous(loss))]),
      ]);
      return { result, f, g, top: top! };
    };
    /** p = x + t d, or p += t d. */
    const go = (d: Tensor, t: number, x?: readonly Tensor[]): void =>
      quietly(() => {
        for (const [i, part] of places(d, params).entries()) {
          if (x !== undefined) copy_(params[i]!, x[i]!);
          add_(params[i]!, part, { alpha: t });
        }
      });

    const begin = memory.funcEvals;
    let { result: first, f, g, top } = await evaluate();
    if (top <= toleranceGrad) return [first, memory];
    for (let n = 1; n <= maxIter; n++) {
      memory.nIter++;
      let d: Tensor;
      if (memory.nIter === 1) {
        d = own(quietly(() => neg(g)));
        Object.assign(memory, { oldDirs: [], oldStps: [], ro: [], HDiag: 1 });
      } else {
        const [y, s] = quietly(() => [own(sub(g, memory.prevFlatGrad!)), own(mul(memory.d!, memory.t!))]) as [
          Tensor,
          Tensor,
        ];
        const [ys, yy] = (await ask(() => [dot(y, s), dot(y, y)])) as [number, number];
        if (ys > 1e-10) {
          const last = <T>(list: readonly T[]): readonly T[] => list.slice(-historySize);
          memory.oldDirs = last([...memory.oldDirs!, y]);
          memory.oldStps = last([...memory.oldStps!, s]);
          memory.ro = last([...memory.ro!, 1 / ys]);
          memory.HDiag = ys / yy;
        }
        [d, ...memory.al] = quietly(() => direction(g, memory as Required<LBFGSState>).map(own)) as [
          Tensor,
          ...Tensor[],
        ];
      }
      Object.assign(memory, { d, prevFlatGrad: g, prevLoss: f });
      const [slope, size, total] = (await ask(() => [dot(g, d), largest(d), sum(abs(g))])) as [number, number, number];
      memory.t = memory.nIter === 1 ? Math.min(1, 1 / total) * lr : lr;
      if (slope > -toleranceChange) break;
      if (h.lineSearchFn === null) {
        go(d, memory.t);
        if (n < maxIter) ({ f, g, top } = await evaluate());
      } else {
        const x = quietly(() => params.map((p) => own(clone(p))));
        const at = async (t: number): Promise<Point> => {
          go(d, t, x);
          const next = await evaluate();
          const [along] = await ask(() => [dot(next.g, d)]);
          return { t, f: next.f, slope: along!, g: next.g };
        };
        const found = await strongWolfe(at, { t: 0, f, slope, g }, memory.t, size);
        go(d, found.t, x);
        for (const part of x) part.release("LBFGS.step()");
        memory.t = found.t;
        ({ f, g } = found);
        [top] = (await ask(() => [largest(g)])) as [number];
      }
      if (memory.funcEvals - begin >= maxEval || top <= toleranceGrad) break;
      if (memory.t * size <= toleranceChange || Math.abs(f - memory.prevLoss!) < toleranceChange) break;
    }
    return [first, memory];
  }

  /** As that of other optimizers; all state is that of parameter 0, see `LBFGSState`. */
  override stateDict(...none: []): OptimizerState<LBFGSState> {
    const { paramGroups } = super.stateDict(...none);
    return { state: this.#memory === null ? {} : { 0: { ...this.#memory } }, paramGroups };
  }

  /** Takes over what `stateDict()` gave, copying the tensors. What does not fit is an error, and nothing has changed then. */
  override loadStateDict(dict: OptimizerState<LBFGSState>, ...none: []): void {
    const state = dict?.state?.[0];
    if (state !== undefined) this.#fits(state);
    super.loadStateDict(state === undefined ? dict : { ...dict, state: {} }, ...none);
    const held = tensorsOf(this.#memory ?? ({} as LBFGSState));
    const [p] = this.paramGroups[0]!.params;
    // What is its own already stays, so that a dict of its own may be loaded again.
    const own = (x: Tensor): Tensor => {
      if (held.includes(x)) return x;
      const copy = clone(x).keep();
      follow(p!, copy);
      return copy;
    };
    this.#memory =
      state === undefined
        ? null
        : quietly(() => {
            const { funcEvals, nIter } = state;
            if (nIter === 0) return { funcEvals, nIter };
            const memory = { ...state };
            for (const key of ["d", "prevFlatGrad"] as const) memory[key] = own(state[key]!);
            for (const key of ["oldDirs", "oldStps", "al"] as const)
              if (state[key] !== undefined) memory[key] = state[key].map(own);
            return memory;
          });
    const now = this.#memory === null ? [] : tensorsOf(this.#memory);
    for (const x of held) if (!now.includes(x)) x.release("LBFGS.loadStateDict()");
  }

  #fits(state: LBFGSState): void {
    const subject = "LBFGS.loadStateDict";
    expectObject(subject, "state 0", state);
    const { params } = this.paramGroups[0]!;
    const n = params.reduce((total, p) => total + p.numel, 0);
    const vector = (name: string, x: unknown, shape: readonly number[] = [n]): void => {
      if (!(x instanceof Tensor)) fail(subject, `state 0.${name} is ${given(x)}: a tensor is expected`);
      alive(subject, x);
      if (!sameShape(x.shape, shape) || x.dtype !== "float32")
        fail(subject, `state 0.${name} is ${show(x.shape)} of ${x.dtype}: ${show(shape)} of float32 is expected`);
      if (x.device !== params[0]!.device) mixed(subject, x, params[0]!);
    };
    for (const key of ["funcEvals", "nIter"] as const) checkNumber(subject, `state 0.${key}`, state[key], COUNT);
    if (state.nIter === 0) return;
    for (const key of ["t", "HDiag", "prevLoss"] as const) checkNumber(subject, `state 0.${key}`, state[key], ANY);
    for (const key of ["d", "prevFlatGrad"] as const) vector(key, state[key]);
    const { oldDirs } = state;
    for (const key of ["oldDirs", "oldStps", "ro", "al"] as const) {
      const list: unknown = state[key];
      if (key === "al" && list === undefined) continue; // the first iteration needs no factors
      if (!Array.isArray(list) || list.length !== oldDirs!.length)
        fail(subject, `state 0.${key} is ${given(list)}: a list as long as oldDirs is expected`);
      Array.from(list).forEach((x, i) => {
        if (key === "ro") checkNumber(subject, `state 0.ro[${i}]`, x, ANY);
        else vector(`${key}[${i}]`, x, key === "al" ? [] : [n]);
      });
    }
  }
}
