// A program of the fuzzer: inputs and steps, as plain JSON, in the form of recorded programs (../goldens/programs.ts) with a
// few steps of autograd: backward, grad, grad_of, drop_grad, requires_grad_, and `noGrad` on any.
import type { Step as RecordedStep } from "../goldens/programs.ts";
import type { Data, Value } from "../goldens/recorded.ts";

export interface Input extends Data {
  /** A leaf that requires grad. */
  readonly grad?: true;
}

/**
 *   backward         in [y]; gradient: a number that names a pattern, retain_graph, create_graph
 *   grad             in [y, ...xs]; gradient, create_graph, retain_graph; out: one gradient an x
 *   grad_of          in [x]: its .grad        drop_grad   in [x]: sets it to null
 *   requires_grad_   in [x]; value
 */
export interface Step extends Omit<RecordedStep, "out"> {
  readonly out: string | readonly string[] | null;
  readonly noGrad?: true;
}

export interface Program {
  /** Family, seed and number: how it was drawn. */
  readonly name: string;
  /** `x0`, `x1`, ... */
  readonly inputs: readonly Input[];
  readonly steps: readonly Step[];
}

/** A tensor as it is when the program has ended. */
export interface Held extends Data {
  /** It requires grad. */
  readonly grad: boolean;
}

/** What a program gives. */
export interface Outcome {
  /** The step that was refused, after which the program ends. */
  readonly refused?: number;
  readonly message?: string;
  /** The error was not one of the library's own. */
  readonly crash?: true;
  /** The gradient of this number, which was given to backward, is no longer what it was. */
  readonly written?: number;
  /** Gradients that are not there: zeros stand for them. */
  readonly none?: readonly string[];
  readonly values: Readonly<Record<string, Held>>;
  /** Of the inputs that require grad. */
  readonly grads: Readonly<Record<string, Held | null>>;
}

/** What PyTorch gives. */
export interface Answer {
  /** Why it cannot be compared. */
  readonly dropped?: string;
  /** In float64; `size` is the largest absolute value on the way. */
  readonly wide: Outcome & { readonly size: number };
  readonly narrow: Pick<Outcome, "values" | "grads">;
}

/** The gradient that a number names: answer.py has the same. */
export const pattern = (k: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => (((i * 5 + k * 3) % 7) - 3) / 4);

const word = (v: Value): string => String(v);

function shown({ shape, dtype, data }: Data): string {
  const values = data.length > 12 ? `${data.slice(0, 12).map(word).join(" ")} ...` : data.map(word).join(" ");
  return `${dtype} [${shape}]  ${values}`;
}

function line({ op, args, in: names, out, noGrad }: Step): string {
  const given = Object.entries(args).map(([key, v]) => `${key}=${JSON.stringify(v)}`);
  const left = out === null || op.endsWith("_") ? "" : `${[out].flat().join(", ")} = `;
  return `${left}${op}(${[...names, ...given].join(", ")})${noGrad ? "   # without grad" : ""}`;
}

/** A program as a person reads it. */
export function printed(p: Program): string {
  const inputs = p.inputs.map((x, i) => `x${i}: ${shown(x)}${x.grad ? "  requires grad" : ""}`);
  return [...inputs, ...p.steps.map((s, k) => `${k}: ${line(s)}`)].map((text) => `    ${text}`).join("\n");
}

export const printedValue = (x: Held | null | undefined): string =>
  x === null || x === undefined ? "none" : `${shown(x)}${x.grad ? "  requires grad" : ""}`;
