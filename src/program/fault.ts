// What a kernel's fault says to the user: only a kernel can see the values.
import { denseOf, WALK } from "../row/nest.ts";
import { factsOf } from "./kernels/facts.ts";
import { rows as loss } from "./kernels/loss.ts";
import { layouts } from "./kernels/table.ts";

/** The rows of the families with kernels that can report a fault. */
export const FAULTY = loss;

const bits = new DataView(new ArrayBuffer(4));

/**
 * `crossEntropy: label 12 in row 3 is outside [0, 10)`: the sentence of the kernel's record, in which names in braces stand for the
 * row's extents, the index and the value (`value:f32` where it is the bits of a float).
 */
export function faultMessage(row: string, op: string, words: readonly number[], index: number, value: number): string {
  const kernel = denseOf(row);
  // Over views the nest stands in the place of the number of elements.
  const extents = kernel === row ? words : [words.slice(0, WALK).reduce((n, size) => n * size, 1)];
  bits.setInt32(0, value);
  const said: Record<string, number> = { index, value, "value:f32": bits.getFloat32(0) };
  for (const [i, { name }] of (layouts(FAULTY).get(kernel)?.extents ?? []).entries()) said[name] = extents[i]!;
  const sentence = factsOf(kernel).faults ?? `value {value} at {index} of [${extents}] breaks the rule of ${kernel}`;
  return `${op}: ${sentence.replace(/\{(.+?)\}/g, (_, name: string) => String(said[name]))}`;
}
