// Results of a function: a leaf, or arrays and plain objects of leaves, told by a test.

const isPlain = (v: unknown): v is object =>
  v !== null && typeof v === "object" && Object.getPrototypeOf(v) === Object.prototype;

/** The leaves, in order. */
export function leavesIn<T>(value: unknown, isLeaf: (v: unknown) => v is T, found: T[] = []): T[] {
  if (isLeaf(value)) found.push(value);
  else if (Array.isArray(value)) for (const v of value) leavesIn(v, isLeaf, found);
  else if (isPlain(value)) for (const v of Object.values(value)) leavesIn(v, isLeaf, found);
  return found;
}

/** Puts other leaves where `value` had `leaves`, in their order. */
export function rebuilder<T>(
  value: unknown,
  leaves: readonly T[],
  isLeaf: (v: unknown) => v is T,
): (results: readonly T[]) => unknown {
  const place = new Map(leaves.map((t, i) => [t, i]));
  const build = (v: unknown, results: readonly T[]): unknown => {
    if (isLeaf(v)) return results[place.get(v)!];
    if (Array.isArray(v)) return v.map((x) => build(x, results));
    if (isPlain(v)) return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, build(x, results)]));
    return v;
  };
  if (isLeaf(value)) return (results) => results[0];
  return (results) => build(value, results);
}
