// What numbers may be, each with the words for it, for `checkNumber`; without one a number is finite and at least 0.
import { type Bound, checkNumber, expectFlag } from "../core/error.ts";

/** @internal */
export const ANY: Bound = [() => true, "a number"];
/** @internal */
export const NOT_NAN: Bound = [(v) => !Number.isNaN(v), "a number"];
/** @internal */
export const FINITE: Bound = [Number.isFinite, "a finite number"];
/** @internal */
export const NOT_0: Bound = [(v) => Number.isFinite(v) && v !== 0, "a finite number other than 0"];
/** @internal */
export const FRACTION: Bound = [(v) => v >= 0 && v <= 1, "a number from 0 to 1"];
/** @internal */
export const BELOW_1: Bound = [(v) => v >= 0 && v < 1, "a number of at least 0 and below 1"];
/** @internal */
export const UP_TO_1: Bound = [(v) => v > 0 && v <= 1, "a number above 0 and up to 1"];
/** @internal */
export const ABOVE_0: Bound = [(v) => v > 0 && v < Number.POSITIVE_INFINITY, "a number above 0"];
/** Infinity too. @internal */
export const POSITIVE: Bound = [(v) => v > 0, "a number above 0"];
/** Infinity too. @internal */
export const NONNEGATIVE: Bound = [(v) => v >= 0, "a number of at least 0"];
/** @internal */
export const INTEGER: Bound = [Number.isInteger, "an integer"];
/** @internal */
export const SIZE: Bound = [(v) => Number.isInteger(v) && v > 0, "a positive integer"];
/** @internal */
export const COUNT: Bound = [(v) => Number.isInteger(v) && v >= 0, "an integer of at least 0"];
/** @internal */
export const INT32: Bound = [(v) => v === (v | 0), "an int32"];
/** @internal */
export const AT_LEAST_1: Bound = [SIZE[0], "an integer of at least 1"];

/** By name; null is for what may be something else than a number, too. @internal */
export type Bounds<H> = { readonly [K in keyof H]?: Bound | null };

/** Throws unless what is true or false by default is that, and each number is as its bound says, or without one at least 0. @internal */
export function checkAll<H extends object>(name: string, defaults: object, own: object, bounds: Bounds<H> = {}): void {
  for (const key in defaults) {
    const kind = typeof defaults[key as never];
    const bound = bounds[key as never] as Bound | null | undefined;
    if (kind === "boolean") expectFlag(name, key, own[key as never]);
    else if (bound || (bound === undefined && kind === "number")) checkNumber(name, key, own[key as never], bound);
  }
}
