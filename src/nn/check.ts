// Checks of constructor arguments. Messages read `Linear: inFeatures -3: the rule`.

import { checkNumber, fail, given } from "../core/error.ts";
import { FRACTION, INTEGER, SIZE } from "../ops/bounds.ts";
import type { Pair } from "../ops/conv.ts";

/** A positive integer. @internal */
export function positive(layer: string, name: string, value: unknown): number {
  checkNumber(layer, name, value, SIZE);
  return value;
}

/** @internal */
export function integer(layer: string, name: string, value: unknown): number {
  checkNumber(layer, name, value, INTEGER);
  return value;
}

/** A number from 0 to 1. @internal */
export function fraction(layer: string, name: string, value: unknown): number {
  checkNumber(layer, name, value, FRACTION);
  return value;
}

/** @internal */
export function oneOf<T extends string>(layer: string, name: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) fail(layer, `${name} ${given(value)}: one of ${allowed.join(", ")} is expected`);
  return value as T;
}

/** One integer or two, each at least `least`, as they were given. @internal */
export function pairOf(layer: string, name: string, value: unknown, least: number): Pair {
  const list = Array.isArray(value) ? value : [value, value];
  if (list.length !== 2 || !list.every((v) => Number.isInteger(v) && v >= least)) {
    fail(layer, `${name} ${given(value)}: an integer of at least ${least}, or two of them, is expected`);
  }
  return value as Pair;
}

/** @internal */
export const both = (value: Pair): readonly [number, number] => (typeof value === "number" ? [value, value] : value);
