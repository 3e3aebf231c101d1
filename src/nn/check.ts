// Checks of constructor arguments. Messages read `Linear: inFeatures -3: the rule`.

import { fail } from "../core/error.ts";
import type { Pair } from "../ops/conv.ts";

/** A positive integer. @internal */
export function positive(layer: string, name: string, value: unknown): number {
  if (!(Number.isInteger(value) && (value as number) > 0))
    fail(layer, `${name} ${given(value)}: a positive integer is expected`);
  return value as number;
}

/** @internal */
export function integer(layer: string, name: string, value: unknown): number {
  if (!Number.isInteger(value)) fail(layer, `${name} ${given(value)}: an integer is expected`);
  return value as number;
}

/** A number from 0 to 1. @internal */
export function fraction(layer: string, name: string, value: unknown): number {
  if (!(typeof value === "number" && value >= 0 && value <= 1)) {
    fail(layer, `${name} ${given(value)}: a number from 0 to 1 is expected`);
  }
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

/** Options that the layer does not know are errors: a misspelt one would be ignored. @internal */
export function known(layer: string, options: object, names: readonly string[]): void {
  if (options === null || typeof options !== "object" || Array.isArray(options)) {
    fail(layer, `options ${given(options)}: an object is expected`);
  }
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      fail(layer, `unknown option ${name}: ${names.length > 0 ? `it takes ${names.join(", ")}` : "it takes none"}`);
    }
  }
}

function given(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(",")}]`;
  return typeof value === "object" && value !== null ? "{...}" : String(value);
}
