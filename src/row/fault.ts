// What a kernel's fault says to the user: only a kernel can see the values.
import { denseOf, WALK } from "./nest.ts";

/** `crossEntropy: label 12 in row 3 is outside [0, 10)`; the shapes come from the row's extents. */
export function faultMessage(row: string, op: string, words: readonly number[], index: number, value: number): string {
  const kernel = denseOf(row);
  // Over views the nest stands in the place of the number of elements.
  const extents = kernel === row ? words : [words.slice(0, WALK).reduce((n, size) => n * size, 1)];
  if (kernel.startsWith("cross_entropy") || kernel.startsWith("nll")) {
    const [rows, classes] = extents;
    return `${op}: label ${value} in row ${index} is outside [0, ${classes}): input [${rows},${classes}], target [${rows}]`;
  }
  if (kernel.startsWith("bce")) {
    const bits = new DataView(new ArrayBuffer(4));
    bits.setInt32(0, value);
    return `${op}: input ${bits.getFloat32(0)} at ${index} of [${extents.join(",")}] is outside [0, 1]`;
  }
  return `${op}: value ${value} at ${index} of [${extents.join(",")}] breaks the rule of ${kernel}`;
}
