// Times at batch sizes that were not measured, and the size from which on the second device is the faster one.

/** Time in ms by batch size, for each of the two devices. */
export type Times = readonly [Map<number, number>, Map<number, number>];

const sorted = (times: ReadonlyMap<number, number>): [number, number][] => [...times].sort((a, b) => a[0] - b[0]);

/** Growth of the time with the batch in the logarithms, where one point is all that is known. */
const USUAL_SLOPE = 0.5;

/** The time at any batch size: linear between the points in their logarithms, beyond them by the nearest two. */
export function timeAt(times: ReadonlyMap<number, number>, batch: number): number {
  const points = sorted(times);
  const next = points.findIndex(([n]) => n >= batch);
  if (points[next]?.[0] === batch) return points[next]![1];
  if (points.length === 1) return points[0]![1] * (batch / points[0]![0]) ** USUAL_SLOPE;
  const i = Math.min(points.length - 1, Math.max(1, next === -1 ? points.length - 1 : next));
  const [[n0, t0], [n1, t1]] = [points[i - 1]!, points[i]!];
  let slope = Math.log(t1 / t0) / Math.log(n1 / n0);
  if (next <= 0) slope = Math.min(1, Math.max(0, slope));
  return next === 0 ? t0 * (batch / n0) ** slope : t1 * (batch / n1) ** slope;
}

/** The sizes between which the second device becomes the faster one for good, and where; null where it does not. */
export function bracket([a, b]: Times): { low: number; high: number; crossing: number } | null {
  const common = sorted(a).filter(([n]) => b.has(n));
  /** Logarithm of how often the second's time holds in the first's. */
  const gains = common.map(([n, t]) => Math.log(t / b.get(n)!));
  const last = gains.findLastIndex((gain) => gain <= 0);
  if (last === -1 || last === gains.length - 1) return null;
  const [low, high] = [common[last]![0], common[last + 1]![0]];
  const part = -gains[last]! / (gains[last + 1]! - gains[last]!);
  return { low, high, crossing: Math.min(high, Math.max(low + 1, low * (high / low) ** part)) };
}

export function crossoverOf(times: Times): number | null {
  const [a, b] = times;
  const common = sorted(a).filter(([n]) => b.has(n));
  const [n, t] = common.at(-1) ?? [0, 0];
  if (common.length === 0 || t <= b.get(n)!) return null;
  const found = bracket(times);
  return found === null ? 1 : Math.round(found.crossing);
}
