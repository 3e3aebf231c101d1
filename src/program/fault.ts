// What a kernel's fault says to the user: only a kernel can see the values.
import { denseOf, WALK } from "../row/nest.ts";
import { factsOf } from "./kernels/facts.ts";

const bits = new DataView(new ArrayBuffer(4));

/** `crossEntropy: label 12 in row 3 is outside [0, 10)`: the sentence of the kernel's record with the numbers of the row. */
export function faultMessage(row: string, op: string, words: readonly number[], index: number, value: number): string {
  const kernel = denseOf(row);
  // Over views the nest stands in the place of the number of elements.
  const extents = kernel === row ? words : [words.slice(0, WALK).reduce((n, size) => n * size, 1)];
  bits.setInt32(0, value);
  const rule = factsOf(kernel).faults ?? `: value {value} at {index} of [${extents}] breaks the rule of ${kernel}`;
  const [, names, sentence] = /^(.*?): (.*)$/.exec(rule) as unknown as [string, string, string];
  const said: Record<string, number> = { index, value, bits: bits.getFloat32(0) };
  for (const [i, name] of names.split(" ").entries()) said[name] = extents[i]!;
  return `${op}: ${sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(said[name]))}`;
}
