// A line search for the strong Wolfe conditions, by cubic interpolation: Nocedal and Wright, Numerical Optimization, algorithms 3.5
// and 3.6, with the safeguards and constants of minFunc (Mark Schmidt), which PyTorch has too.
import type { Tensor } from "../core/tensor.ts";

/** The function along the line, at t: its value, its slope along the direction, and the gradient. */
export interface Point {
  readonly t: number;
  readonly f: number;
  readonly slope: number;
  readonly g: Tensor;
}

/** f(t) <= f(0) + DECREASE t slope(0), and |slope(t)| <= -CURVATURE slope(0). */
const DECREASE = 1e-4;
const CURVATURE = 0.9;
/** A bracket within which nothing moves by more than this is not looked into. */
const NARROWEST = 1e-9;
const MOST = 25;

/** Where the cubic through two points with their slopes is least, within bounds; their middle where it has no such place. */
export function cubicMinimum(a: Point, b: Point, low = Math.min(a.t, b.t), high = Math.max(a.t, b.t)): number {
  const d1 = a.slope + b.slope - (3 * (a.f - b.f)) / (a.t - b.t);
  const square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const d2 = Math.sqrt(square);
  const [l, r] = a.t <= b.t ? [a, b] : [b, a];
  const least = r.t - (r.t - l.t) * ((r.slope + d2 - d1) / (r.slope - l.slope + 2 * d2));
  return Math.min(Math.max(least, low), high);
}

/**
 * The step from `start` (at t = 0) that holds both conditions, or the best that is found in 25 evaluations. `size` is the largest
 * element of the direction. Gradients that are no more looked at are released, but for that of `start`.
 */
export async function strongWolfe(
  evaluate: (t: number) => Promise<Point>,
  start: Point,
  first: number,
  size: number,
): Promise<Point> {
  const tooHigh = (p: Point): boolean => p.f > start.f + DECREASE * p.t * start.slope;
  const flatEnough = (p: Point): boolean => Math.abs(p.slope) <= -CURVATURE * start.slope;
  let count = 0;
  const next = (t: number): Promise<Point> => {
    count++;
    return evaluate(t);
  };
  const drop = (p: Point, ...others: Point[]): void => {
    if (p !== start && !others.includes(p)) p.g.release("LBFGS.step()");
  };

  // Longer and longer steps, until two have such a point between them.
  let before = start;
  let now = await next(first);
  let bracket: [Point, Point] | null = null;
  while (count <= MOST) {
    if (tooHigh(now) || (count > 2 && now.f >= before.f)) bracket = [before, now];
    else if (flatEnough(now)) {
      drop(before);
      return now;
    } else if (now.slope >= 0) bracket = [before, now];
    if (bracket !== null) break;
    const t = cubicMinimum(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10);
    drop(before);
    before = now;
    now = await next(t);
  }
  if (bracket === null) {
    drop(before);
    bracket = [start, now];
  }

  // Between two points, of which the one at `low` is the better; of equal ones the first.
  const best = (): 0 | 1 => (bracket![0].f <= bracket![1].f ? 0 : 1);
  let low = best();
  let slow = false;
  while (count <= MOST) {
    const [left, right] = [Math.min(bracket[0].t, bracket[1].t), Math.max(bracket[0].t, bracket[1].t)];
    if ((right - left) * size < NARROWEST) break;
    let t: number = cubicMinimum(...bracket);
    // Near an end twice in turn, or at it: a tenth of the bracket away from that end.
    const edge = 0.1 * (right - left);
    const near = Math.min(right - t, t - left) < edge;
    const push: boolean = near && (slow || t >= right || t <= left);
    if (push) t = Math.abs(t - right) < Math.abs(t - left) ? right - edge : left + edge;
    slow = near && !push;
    const p = await next(t);
    const [better, other] = [bracket[low], bracket[1 - low]!];
    if (tooHigh(p) || p.f >= better.f) {
      drop(other, better);
      bracket[1 - low] = p;
      low = best();
      continue;
    }
    if (!flatEnough(p) && p.slope * (other.t - better.t) >= 0) {
      drop(other, better);
      bracket[1 - low] = better;
    } else drop(better, other);
    bracket[low] = p;
    if (flatEnough(p)) break;
  }
  drop(bracket[1 - low]!, bracket[low]);
  return bracket[low];
}
