// Results of a function: a tensor, or arrays and plain objects of tensors.
import { Tensor } from "../core/tensor.ts";

const isPlain = (v: unknown): v is object =>
  v !== null && typeof v === "object" && Object.getPrototypeOf(v) === Object.prototype;

/** The tensors in a result, in order. @internal */
export function tensorsIn(value: unknown, found: Tensor[] = []): Tensor[] {
  if (value instanceof Tensor) found.push(value);
  else if (Array.isArray(value)) for (const v of value) tensorsIn(v, found);
  else if (isPlain(value)) for (const v of Object.values(value)) tensorsIn(v, found);
  return found;
}

/** Puts others where `value` had its tensors, in their order. @internal */
export function replacing(value: unknown): (results: readonly Tensor[]) => unknown {
  const place = new Map(tensorsIn(value).map((t, i) => [t, i]));
  const build = (v: unknown, results: readonly Tensor[]): unknown => {
    if (v instanceof Tensor) return results[place.get(v)!];
    if (Array.isArray(v)) return v.map((x) => build(x, results));
    if (isPlain(v)) return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, build(x, results)]));
    return v;
  };
  if (value instanceof Tensor) return (results) => results[0];
  return (results) => build(value, results);
}
