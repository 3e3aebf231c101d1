// Runs a program here: step by step on the default device, until one is refused.
import { suffix } from "../../src/core/dtype.ts";
import {
  backward,
  type Device,
  grad,
  noGrad,
  scope,
  setDefaultDevice,
  type Tensor,
  tensor,
  WasmgradError,
  zerosLike,
} from "../../src/index.ts";
import { callOf } from "../goldens/calls.ts";
import { type Data, DTYPES, number, options } from "../goldens/recorded.ts";
import { type Held, type Input, type Outcome, type Program, pattern, type Step } from "./program.ts";

/** In float64, which a device rounds to what it has. */
export function made({ shape, dtype, data, grad: wanted }: Input): Tensor {
  const values = data.map(number);
  const typed =
    dtype === "f32" ? Float64Array.from(values) : dtype === "i32" ? Int32Array.from(values) : Uint8Array.from(values);
  const x = tensor(typed, { shape, dtype: DTYPES[dtype] });
  if (wanted) x.requiresGrad = true;
  return x;
}

const gradientOf = (k: unknown, y: Tensor): Tensor | undefined =>
  k === undefined ? undefined : tensor(Float64Array.from(pattern(k as number, y.numel)), { shape: y.shape });

type Run = (inputs: readonly Tensor[], args: Record<string, unknown>) => Tensor | readonly (Tensor | null)[] | null;

/** Steps that are no ops. `gradient` is made by whoever runs the program, since a captured function may not make data. */
const AUTOGRAD: Record<string, Run> = {
  backward([y], { gradient, retainGraph, createGraph }) {
    backward(y!, (gradient as Tensor | undefined) ?? null, flags(retainGraph, createGraph));
    return null;
  },
  grad([y, ...xs], { gradient, retainGraph, createGraph }) {
    const given = gradient === undefined ? {} : { gradient: gradient as Tensor };
    return grad(y!, xs, { ...given, ...flags(retainGraph, createGraph) });
  },
  gradOf([x]) {
    if (x!.grad === null) throw new WasmgradError("grad_of: there is no gradient");
    return x!.grad;
  },
  dropGrad([x]) {
    x!.grad = null;
    return null;
  },
  requiresGrad_: ([x], { value }) => x!.requiresGrad_(value as boolean),
};
const flags = (retainGraph: unknown, createGraph: unknown): object => ({
  ...(retainGraph === undefined ? {} : { retainGraph }),
  ...(createGraph === undefined ? {} : { createGraph }),
});
export const STEPS = new Set(["backward", "grad", "grad_of", "drop_grad", "requires_grad_", "to"]);

/** The op of a step is here. */
export const exists = (op: string): boolean => STEPS.has(op) || callOf(op) !== null;

const camel = (op: string): string => op.replace(/(?<=[^_])_(\w)/g, (_, c: string) => c.toUpperCase());

export type Env = Map<string, Tensor>;

/** What a step leaves in `env`; names of gradients that are not there go to `none`. */
export function runStep(
  step: Step,
  env: Env,
  none: string[],
  gradient: (k: unknown, y: Tensor) => Tensor | undefined = gradientOf,
): void {
  const { op, out } = step;
  const inputs = step.in.map((name) => env.get(name)!);
  if (!exists(op)) throw new WasmgradError(`${op}: it is not here yet`);
  const args = options(step.args);
  if ("gradient" in args) args.gradient = gradient(args.gradient, inputs[0]!);
  const f: Run =
    op === "to"
      ? ([x], { dtype }) => x!.to(DTYPES[dtype as Data["dtype"]])
      : (AUTOGRAD[camel(op)] ?? (callOf(op) as Run));
  const result = step.noGrad ? noGrad(() => f(inputs, args)) : f(inputs, args);
  if (out === null) return;
  const [names, results] = [[out].flat(), [result].flat() as (Tensor | null)[]];
  if (names.length !== results.length) {
    throw new WasmgradError(`${op}: ${results.length} results, PyTorch has ${names.length}`);
  }
  names.forEach((name, i) => {
    const given = results[i] ?? null;
    if (given === null) none.push(name);
    // Kept: in PyTorch what is named can be read at any time.
    env.set(name, (given ?? zerosLike(inputs[1 + i]!)).keep());
  });
}

export function held(x: Tensor): Held {
  const data = Array.from(x.dataSync(), (v) =>
    Number.isFinite(v) ? v : Number.isNaN(v) ? "nan" : v > 0 ? "inf" : "-inf",
  ) as Held["data"];
  return {
    shape: x.shape,
    dtype: (x.dtype === "bool" ? "bool" : suffix(x.dtype)) as Held["dtype"],
    grad: x.requiresGrad,
    data,
  };
}

/** Runs the steps; gives what was refused. */
export function runSteps(
  steps: readonly Step[],
  env: Env,
  none: string[],
  gradient = gradientOf,
): Pick<Outcome, "refused" | "message" | "crash"> {
  for (let k = 0; k < steps.length; k++) {
    try {
      runStep(steps[k]!, env, none, gradient);
    } catch (error) {
      const crash = error instanceof WasmgradError ? {} : ({ crash: true } as const);
      return { refused: k, message: (error as Error).message, ...crash };
    }
  }
  return {};
}

export function run(p: Program, device: Device): Outcome {
  setDefaultDevice(device);
  return scope(() => {
    const env: Env = new Map(p.inputs.map((x, i) => [`x${i}`, made(x).keep()]));
    const none: string[] = [];
    const given: { g: Tensor; k: number }[] = [];
    const refusal = runSteps(p.steps, env, none, (k, y) => {
      const g = gradientOf(k, y);
      if (g !== undefined) given.push({ g: g.keep(), k: k as number });
      return g;
    });
    const values: Record<string, Held> = {};
    const grads: Record<string, Held | null> = {};
    try {
      for (const [name, x] of env) {
        values[name] = held(x);
        if (name.startsWith("x") && x.requiresGrad) grads[name] = x.grad === null ? null : held(x.grad);
      }
    } catch (error) {
      const { message } = error as Error;
      if (refusal.refused === undefined) return { refused: p.steps.length, message, none, values, grads };
    } finally {
      for (const x of env.values()) if (x.gone === null) x.dispose();
    }
    const written = given.find(
      ({ g, k }) => g.gone !== null || pattern(k, g.numel).some((v, i) => v !== g.dataSync()[i]),
    );
    for (const { g } of given) if (g.gone === null) g.dispose();
    if (written !== undefined) return { ...refusal, none, values, grads, written: written.k };
    return { ...refusal, none, values, grads };
  });
}
