// Recorded programs: steps of ops by PyTorch's names on named tensors.
import type { Device, Tensor } from "../../src/index.ts";
import { callOf } from "./calls.ts";
import { checkOutputs, type Differentiated, SUMS } from "./compare.ts";
import { type Kwargs, options } from "./recorded.ts";

export interface Step {
  readonly op: string;
  /** PyTorch's keyword names. */
  readonly args: Kwargs;
  readonly in: readonly string[];
  /** A list where the op gives several. Ops ending in `_` repeat the name of what they write to. */
  readonly out: string | readonly string[];
}
export interface RecordedProgram extends Differentiated {
  readonly steps: readonly Step[];
  readonly returns: readonly string[];
}

/** The ops of a program that are not here yet. */
export const lackingIn = (c: RecordedProgram): string[] => [
  ...new Set(c.steps.map(({ op }) => op).filter((op) => callOf(op) === null)),
];

export function runStep(step: Step, tensors: Map<string, Tensor>): void {
  const result = callOf(step.op)!(
    step.in.map((name) => tensors.get(name)!),
    options(step.args),
  );
  const [names, results] = [[step.out].flat(), [result].flat() as Tensor[]];
  if (names.length !== results.length)
    throw new Error(`${step.op}: ${results.length} results, PyTorch has ${names.length}`);
  names.forEach((name, i) => void tensors.set(name, results[i]!));
}

export function checkProgram(c: RecordedProgram, device: Device): Promise<void> {
  return checkOutputs(c, device, SUMS, (inputs) => {
    const tensors = new Map(inputs.map((x, i) => [`x${i}`, x]));
    for (const step of c.steps) runStep(step, tensors);
    return c.returns.map((name) => tensors.get(name)!);
  });
}
