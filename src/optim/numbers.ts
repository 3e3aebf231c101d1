// Hyperparameters, numbers, booleans and lists of them: compared and copied.
import { sameShape } from "../core/shape.ts";

/** The first of these hyperparameters, numbers, booleans and lists of them, that has another value in `own`. */
export function changedKey(keys: readonly string[], values: readonly unknown[], own: object): string | undefined {
  for (let i = 0; i < keys.length; i++) {
    const a = values[i];
    const b = own[keys[i] as never] as unknown;
    if (a === b) continue;
    if (isList(a) ? !isList(b) || !sameShape(a, b) : !Object.is(a, b)) return keys[i];
  }
  return undefined;
}

/** Whether all of them stand in `own` too. */
export const same = (keys: readonly string[], values: readonly unknown[], own: object): boolean =>
  changedKey(keys, values, own) === undefined;

/** Hyperparameters, lists copied: they may be changed in place. */
export function copied(own: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(own).map(([key, v]) => [key, isList(v) ? [...v] : v]));
}

const isList = (v: unknown): v is number[] => Array.isArray(v) || ArrayBuffer.isView(v);
