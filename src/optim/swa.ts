// Averages of weights over a run, for `optim.swaUtils`: AveragedModel, and ways to average.
import { checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { refuseInCapture } from "../core/recording.ts";
import { sameShape, show } from "../core/shape.ts";
import { alive, mixed, Tensor } from "../core/tensor.ts";
import { type AnyModule, Module } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { FRACTION } from "../ops/bounds.ts";
import { compose } from "../ops/compose.ts";
import { toFloat } from "../ops/copy.ts";
import { add, add_, clone, copy_, detach, div, eq, mul, sub, zeros } from "../ops/index.ts";
import { noGrad } from "../ops/modes.ts";
import { stepBy } from "../row/under.ts";
import { put, set } from "./terms.ts";

export { SWALR, type SWALROptions } from "./lr/swalr.ts";

/** What the average of one parameter becomes, of its shape; `numAveraged`, float32 [], counts the models that are in it. */
export type AvgFn = (averaged: Tensor, current: Tensor, numAveraged: Tensor) => Tensor;
/** The same for all parameters at once, in place in `averaged`. */
export type MultiAvgFn = (averaged: readonly Tensor[], current: readonly Tensor[], numAveraged: Tensor) => void;

function checkDecay(name: string, decay: number, none: readonly unknown[]): void {
  noMore(name, none);
  checkNumber(name, "decay", decay, FRACTION);
}

/** Exponential moving averages, for `avgFn`: decay average + (1 - decay) parameter; 0.999 by default. */
export function getEmaAvgFn(decay = 0.999, ...none: []): AvgFn {
  checkDecay("getEmaAvgFn", decay, none);
  return (averaged, current) => add(mul(averaged, decay), mul(current, 1 - decay));
}

/**
 * Exponential moving averages, for `multiAvgFn`: decay average + (1 - decay) parameter, as `lerp` has it; 0.999 by default.
 * https://docs.pytorch.org/docs/stable/optim.html#custom-averaging-strategies
 */
export function getEmaMultiAvgFn(decay = 0.999, ...none: []): MultiAvgFn {
  checkDecay("getEmaMultiAvgFn", decay, none);
  return (averaged, current) =>
    averaged.forEach((x, i) => {
      const way = sub(current[i]!, x);
      if (decay > 0.5) add_(x, way, { alpha: 1 - decay });
      else set(x, sub(current[i]!, mul(way, decay)));
    });
}

/** Equal weights for all models, for `avgFn`, which is the default: average + (parameter - average) / (numAveraged + 1). */
export function getSwaAvgFn(...none: []): AvgFn {
  noMore("getSwaAvgFn", none);
  return (averaged, current, n) => add(averaged, div(sub(current, averaged), add(n, 1)));
}

/** Equal weights for all models, for `multiAvgFn`. */
export function getSwaMultiAvgFn(...none: []): MultiAvgFn {
  noMore("getSwaMultiAvgFn", none);
  return (averaged, current, n) => {
    const count = add(n, 1);
    averaged.forEach((x, i) => {
      add_(x, div(sub(current[i]!, x), count));
    });
  };
}

/** Options of `AveragedModel`. */
export interface AveragedModelOptions {
  /** How a parameter's average goes on; equal weights for all models by default. */
  avgFn?: AvgFn;
  /** How all averages go on at once, in place: `getEmaMultiAvgFn(0.999)`. */
  multiAvgFn?: MultiAvgFn;
  /** Averages buffers of floats too; false by default: they are copied from the model, as all others are. */
  useBuffers?: boolean;
  /**
   * A second model of the same kind, which becomes the average: where the model has `#private` fields or a `forward` that is a
   * property, which no copy can have.
   */
  module?: AnyModule;
}

/**
 * The average of a model's weights over a run: of equal weights (SWA) or exponential (EMA). It has a copy of the model, whose
 * parameters `updateParameters(model)` moves on, behind the optimizer's steps or inside of a captured function. The first call copies the
 * model's; averaging functions are called then too, and what they make is not used. `useBuffers` apart, options are PyTorch's;
 * instead of its `device`: `await averaged.to(device)`.
 * https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.AveragedModel.html
 */
export class AveragedModel<A extends unknown[] = [Tensor], R = Tensor> extends Module<A, R> {
  /** @internal */
  static override readonly name: string = "AveragedModel";
  /** How many models are in the average: int32 [], a buffer. */
  declare nAveraged: Tensor;
  /** The copy whose parameters are averages. */
  module: Module<A, R>;
  readonly #avgFn: AvgFn | undefined;
  readonly #multiAvgFn: MultiAvgFn;
  readonly #useBuffers: boolean;

  /** Copies the model with all that hangs on it: modules, parameters, buffers, lists and plain objects. */
  constructor(model: Module<A, R>, options: AveragedModelOptions = {}, ...none: []) {
    super();
    if (!(model instanceof Module)) fail(NAME, `${given(model)} was given: a module is expected`);
    expectOptions(NAME, options, "avgFn multiAvgFn useBuffers? module", none);
    const { avgFn, multiAvgFn, useBuffers = false, module } = options;
    for (const [key, f] of Object.entries({ avgFn, multiAvgFn }))
      if (f !== undefined && typeof f !== "function") fail(NAME, `${key} ${given(f)}: a function is expected`);
    if (avgFn !== undefined && multiAvgFn !== undefined)
      fail(NAME, "avgFn and multiAvgFn were given: one of them is expected");
    if (module !== undefined && (!(module instanceof Module) || (module as unknown) === model))
      fail(NAME, `module ${given(module)}: a second model is expected`);
    refuseInCapture(NAME, "makes a model that lasts: make it outside the captured function");
    if (module !== undefined) {
      pairsOf(NAME, module, model);
      noGrad(() => {
        for (const [x, y] of pairsOf(NAME, module, model).flat()) copy_(x, y);
      });
    }
    const device = model.parameters()[0]?.device;
    this.registerBuffer("nAveraged", zeros([], { dtype: "int32", ...(device && { device }) }));
    this.module = (module ?? copyOf(model)) as Module<A, R>;
    this.#avgFn = avgFn;
    this.#multiAvgFn = multiAvgFn ?? getSwaMultiAvgFn();
    this.#useBuffers = useBuffers;
  }

  /** Applies the average. */
  forward(...inputs: A): R {
    return this.module.forward(...inputs);
  }

  /**
   * Takes the model's parameters as they are into the average, ordered as launched: behind steps that are under way, and in a
   * captured function at its place. Shapes and devices must be those of the average's.
   */
  updateParameters(model: AnyModule, ...none: []): void {
    const name = `${NAME}.updateParameters`;
    noMore(name, none);
    if (!(model instanceof Module)) fail(name, `${given(model)} was given: a module is expected`);
    const [parameters, buffers] = pairsOf(name, this.module, model);
    const averaged = [...parameters, ...(this.#useBuffers ? buffers : [])].filter(([x]) => x.dtype === "float32");
    const rest = [...parameters, ...buffers].filter((pair) => !averaged.includes(pair));
    const update = (): Tensor =>
      compose(() => {
        const n = toFloat(this.nAveraged);
        const avgFn = this.#avgFn;
        if (avgFn !== undefined) {
          const values = averaged.map(([x, y]) => avgFn(detach(x), detach(y), n));
          values.forEach((v, i) => {
            const { shape } = averaged[i]![0];
            if (!(v instanceof Tensor) || !sameShape(v.shape, shape) || v.dtype !== "float32")
              fail(name, `avgFn gave ${given(v)} for ${show(shape)}: float32 of the same shape is expected`);
          });
          values.forEach((v, i) => {
            set(averaged[i]![0], v);
          });
        } else {
          this.#multiAvgFn(
            averaged.map(([x]) => detach(x)),
            averaged.map(([, y]) => detach(y)),
            n,
          );
        }
        const first = eq(n, 0);
        for (const [x, y] of averaged) put(x, y, first);
        for (const [x, y] of rest) copy_(x, y);
        return add_(this.nAveraged, 1);
      });
    // Behind a step that a lost gradient held back, and of which nobody was told yet, there is nothing to average either.
    const gradient = parameters.map(([, y]) => y.ownGrad).find((g) => g !== null);
    const { device } = this.nAveraged;
    const { under } = device;
    if (gradient !== undefined) device.under = stepBy(gradient.storage.serial);
    try {
      noGrad(update);
    } finally {
      device.under = under;
    }
  }
}

const NAME = "AveragedModel";

type Pairs = [average: Tensor, of: Tensor][];

/** Parameters and buffers of both, side by side; throws where the models are not alike. */
function pairsOf(name: string, own: AnyModule, model: AnyModule): [parameters: Pairs, buffers: Pairs] {
  const pairs = (what: string, xs: [string, Tensor][], ys: [string, Tensor][]): Pairs => {
    if (xs.length !== ys.length) fail(name, `a model of ${ys.length} ${what} was given: the average has ${xs.length}`);
    return xs.map(([key, x], i) => {
      const y = ys[i]![1];
      alive(name, x);
      alive(name, y);
      if (!sameShape(x.shape, y.shape) || x.dtype !== y.dtype) {
        const is = `${show(y.shape)} of ${y.dtype}`;
        fail(name, `${ys[i]![0]} is ${is}: the average's ${key} is ${show(x.shape)} of ${x.dtype}`);
      }
      if (x.device !== y.device) mixed(name, x, y);
      return [x, y];
    });
  };
  return [
    pairs("parameters", own.namedParameters(), model.namedParameters()),
    pairs("buffers", own.namedBuffers(), model.namedBuffers()),
  ];
}

/**
 * A model with the same structure and values: what several modules share is shared in the copy, too. Functions, and objects of classes
 * that are no modules, are the same in both.
 */
function copyOf(model: AnyModule): AnyModule {
  const made = new Map<unknown, unknown>();
  const put = <T>(of: unknown, value: T): T => {
    made.set(of, value);
    return value;
  };
  const copy = (v: unknown): unknown => {
    if (typeof v !== "object" || v === null) return v;
    if (made.has(v)) return made.get(v);
    if (v instanceof Module) return copyModule(v);
    if (v instanceof Tensor) return put(v, copyTensor(v));
    if (Array.isArray(v)) {
      const list = put(v, [] as unknown[]);
      for (const item of v) list.push(copy(item));
      return list;
    }
    if (ArrayBuffer.isView(v) && !(v instanceof DataView)) return put(v, (v as Float32Array).slice());
    const of = Object.getPrototypeOf(v);
    return of === Object.prototype || of === null ? fill(put(v, Object.create(of) as object), v) : v;
  };
  const fill = (own: object, from: object, skip: (key: string | symbol) => boolean = () => false): object => {
    for (const key of Reflect.ownKeys(from)) {
      if (skip(key)) continue;
      const property = Object.getOwnPropertyDescriptor(from, key)!;
      if ("value" in property) property.value = copy(property.value);
      Object.defineProperty(own, key, property);
    }
    return own;
  };
  const copyModule = (m: AnyModule): AnyModule => {
    if (Object.hasOwn(m, "forward")) {
      const rule = "a method is expected, or a second model: { module }";
      fail(NAME, `forward of ${m.constructor.name} is a property, which stays bound to its module: ${rule}`);
    }
    // Of the constructors Module's alone, by which the object gets the fields that are private there.
    const own = put(m, Reflect.construct(Module, [], m.constructor) as AnyModule);
    fill(own, m, (key) => {
      const options = typeof key === "string" ? m.bufferOptions(key) : undefined;
      if (options === undefined) return false;
      own.registerBuffer(key as string, copy(m[key as keyof AnyModule]) as Tensor | null, options);
      return true;
    });
    own.training = m.training;
    return own;
  };
  return copyModule(model);
}

/** The same values in a storage of its own, which no scope releases. */
function copyTensor(x: Tensor): Tensor {
  const values = noGrad(() => clone(x)).keep();
  if (!(x instanceof Parameter)) {
    if (x.isLeaf && x.requiresGrad) values.requiresGrad = true;
    return values;
  }
  const p = new Parameter(values, x.requiresGrad);
  values.release(NAME);
  p.name = x.name;
  return p;
}
