// Values as Python writes them, for what a layer prints.
import type { Pair } from "../ops/conv.ts";

/** A number as Python prints it. @internal */
export function pyNumber(value: number): string {
  const text = value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

/** A pair as Python prints it: `2` stays `2`, two become `(2, 3)`. @internal */
export const pyPair = (value: Pair): string => (typeof value === "number" ? String(value) : `(${value.join(", ")})`);

/** @internal */
export const pyBool = (value: boolean): string => (value ? "True" : "False");

/** A number that PyTorch has as a float: a whole one gets its `.0`. @internal */
export const pyFloat = (value: number): string =>
  pyNumber(value) + (Number.isInteger(value) && Math.abs(value) < 1e16 ? ".0" : "");
