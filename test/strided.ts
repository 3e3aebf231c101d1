// Views as plain JavaScript, to hold ours against: a view is a shape, and for each of its elements the place in the array that
// it looks at. Nothing here knows of strides, but `stepsOf`, which finds them where there are any.
import type * as w from "../src/index.ts";

export interface Model {
  readonly shape: readonly number[];
  /** Places in the base, row by row. */
  readonly at: readonly number[];
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
export const whole = (shape: readonly number[]): Model => ({ shape, at: range(size(shape)) });

/** All indices of a shape, row by row. */
function indices(shape: readonly number[]): number[][] {
  let list: number[][] = [[]];
  for (const n of shape) list = list.flatMap((index) => range(n).map((i) => [...index, i]));
  return list;
}

/** A view of a shape, whose element `index` is element `f(index)` of `m`. */
function pick(m: Model, shape: readonly number[], f: (index: readonly number[]) => readonly number[]): Model {
  const place = (index: readonly number[]): number => m.shape.reduce((sum, n, d) => sum * n + f(index)[d]!, 0);
  return { shape, at: indices(shape).map((index) => m.at[place(index)]!) };
}

/** The steps of its dims, null for those of size 1; undefined where no steps show these places in this shape. */
export function stepsOf({ shape, at }: Model): (number | null)[] | undefined {
  if (at.length === 0) return shape.map(() => null);
  const steps = shape.map((n, d) => (n === 1 ? null : at[size(shape.slice(d + 1))]! - at[0]!));
  const fits = indices(shape).every((index, i) => {
    const there = index.reduce((sum, k, d) => sum + k * (steps[d] ?? 0), at[0]!);
    return there === at[i];
  });
  return fits ? steps : undefined;
}

/** Whether two of its elements lie in one place. */
export const doubled = ({ at }: Model): boolean => new Set(at).size < at.length;

/** In another shape: a view where steps can show it, else null. */
const shaped = (m: Model, shape: readonly number[]): Model | null => {
  const to = { shape, at: m.at };
  return stepsOf(to) === undefined ? null : to;
};

export interface ViewOp {
  readonly name: string;
  readonly ours: (x: w.Tensor) => w.Tensor;
  /** Null where PyTorch has no view: `view` is refused there, `reshape` and `flatten` copy. */
  readonly model: (m: Model) => Model | null;
  /** One of several. */
  readonly several?: true;
}

const without = <T>(list: readonly T[], d: number): T[] => list.filter((_, i) => i !== d);
const last = (m: Model): number => m.shape.length - 1;
const middle = (x: { shape: readonly number[] }): number => (x.shape[0] ?? 1) * (x.shape[1] ?? 1);

/** Items `from`, `from + step`, .. of a dim, `n` of them. */
function cut(m: Model, d: number, from: number, n: number, step = 1): Model {
  const shape = m.shape.map((s, i) => (i === d ? n : s));
  return pick(m, shape, (index) => index.map((k, i) => (i === d ? from + k * step : k)));
}
function chosen(m: Model, d: number, at: number): Model {
  return pick(m, without(m.shape, d), (index) => [...index.slice(0, d), at, ...index.slice(d)]);
}
/** Dim i of the result is dim order[i]. */
function ordered(m: Model, order: readonly number[]): Model {
  return pick(
    m,
    order.map((d) => m.shape[d]!),
    (index) => order.map((_, d) => index[order.indexOf(d)]!),
  );
}

/** One of each kind, for all of at least two dims and one element in the last. */
export const VIEW_OPS: readonly ViewOp[] = [
  {
    name: "view",
    ours: (x) => x.view([middle(x), ...x.shape.slice(2)]),
    model: (m) => shaped(m, [middle(m), ...m.shape.slice(2)]),
  },
  {
    name: "reshape",
    ours: (x) => x.reshape([...x.shape].reverse()),
    model: (m) => shaped(m, [...m.shape].reverse()),
  },
  {
    name: "transpose",
    ours: (x) => x.transpose(0, -1),
    model: (m) => ordered(m, [last(m), ...range(last(m)).slice(1), 0]),
  },
  {
    name: "permute",
    ours: (x) => x.permute([...range(x.ndim).slice(1), 0]),
    model: (m) => ordered(m, [...range(m.shape.length).slice(1), 0]),
  },
  {
    name: "expand",
    ours: (x) => x.expand([2, ...x.shape]),
    model: (m) => pick(m, [2, ...m.shape], (index) => index.slice(1)),
  },
  {
    name: "narrow",
    ours: (x) => x.narrow(-1, x.shape.at(-1)! > 1 ? 1 : 0, Math.max(1, x.shape.at(-1)! - 1)),
    model: (m) => cut(m, last(m), m.shape.at(-1)! > 1 ? 1 : 0, Math.max(1, m.shape.at(-1)! - 1)),
  },
  { name: "select", ours: (x) => x.select(1, -1), model: (m) => chosen(m, 1, m.shape[1]! - 1) },
  {
    name: "slice",
    ours: (x) => x.slice(-1, null, null, 2),
    model: (m) => cut(m, last(m), 0, Math.ceil(m.shape.at(-1)! / 2), 2),
  },
  {
    name: "diagonal",
    ours: (x) => x.diagonal(1, -1, 0),
    model: (m) => {
      const n = Math.max(0, Math.min(m.shape.at(-1)!, m.shape[0]! - 1));
      return pick(m, [...m.shape.slice(1, -1), n], (index) => {
        const k = index.at(-1)!;
        return [k + 1, ...index.slice(0, -1), k];
      });
    },
  },
  { name: "squeeze", ours: (x) => x.squeeze(), model: (m) => ({ shape: m.shape.filter((n) => n !== 1), at: m.at }) },
  {
    name: "unsqueeze",
    ours: (x) => x.unsqueeze(1),
    model: (m) => ({ shape: [m.shape[0]!, 1, ...m.shape.slice(1)], at: m.at }),
  },
  {
    name: "unbind",
    ours: (x) => x.unbind(1).at(-1)!,
    model: (m) => chosen(m, 1, m.shape[1]! - 1),
    several: true,
  },
  {
    name: "split",
    ours: (x) => x.split(2, -1).at(-1)!,
    model: (m) => {
      const n = m.shape.at(-1)!;
      const from = 2 * Math.floor((n - 1) / 2);
      return cut(m, last(m), from, n - from);
    },
    several: true,
  },
  {
    name: "chunk",
    ours: (x) => x.chunk(2, 1)[0]!,
    model: (m) => cut(m, 1, 0, Math.ceil(m.shape[1]! / 2)),
    several: true,
  },
  {
    name: "flatten",
    ours: (x) => x.flatten(0, 1),
    model: (m) => shaped(m, [middle(m), ...m.shape.slice(2)]),
  },
  {
    name: "movedim",
    ours: (x) => x.movedim(0, -1),
    model: (m) => ordered(m, [...range(m.shape.length).slice(1), 0]),
  },
];

/** Whether an op is defined for a view: two dims, and something in the dims that it takes an item of. */
export const takes = (op: ViewOp, m: Model): boolean =>
  m.shape.length >= 2 && m.shape.at(-1)! > 0 && (!/select|unbind|chunk/.test(op.name) || m.shape[1]! > 0);

export interface Pair {
  readonly name: string;
  readonly base: readonly number[];
  readonly a: ViewOp;
  readonly b: ViewOp;
  readonly first: Model;
  /** Null where b makes no view of the first. */
  readonly second: Model | null;
  /** What b gives, its places counted in the base, be it a view or a copy; null where it is refused. */
  readonly shown: Model | null;
  /** A write to the second reaches nothing of several. */
  readonly several: boolean;
}

const BASES = [
  [2, 3, 4],
  [3, 1, 2, 3],
  [3, 4, 2, 1],
  [0, 2, 3],
];

/** Every ordered pair of them, on every base that both take. */
export function pairs(): Pair[] {
  const list: Pair[] = [];
  for (const a of VIEW_OPS) {
    for (const b of VIEW_OPS) {
      for (const base of BASES) {
        const from = whole(base);
        const first = takes(a, from) ? a.model(from) : null;
        if (first === null || !takes(b, first)) continue;
        const second = b.model(first);
        const copy = { shape: b.name === "reshape" ? [...first.shape].reverse() : merged(first), at: first.at };
        const shown = second ?? (b.name === "view" ? null : copy);
        const several = (a.several ?? false) || (b.several ?? false);
        list.push({ name: `${a.name}, then ${b.name}, of [${base}]`, base, a, b, first, second, shown, several });
      }
    }
  }
  return list;
}
const merged = (m: Model): number[] => [middle(m), ...m.shape.slice(2)];
