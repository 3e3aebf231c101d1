// Views of a value: each drawer takes one that is there and draws the arguments.
import { numel } from "../../src/core/shape.ts";
import type { Draw, Drawer, Value } from "./draw.ts";

type Shape = readonly number[];

/** A dim of a shape, counted from the front or, as often, from the end. */
function dimOf(d: Draw, rank: number): { dim: number; at: number } {
  const at = d.int(rank);
  return { at, dim: d.chance(0.5) ? at : at - rank };
}

const replaced = (shape: Shape, at: number, n: number): number[] => shape.map((size, i) => (i === at ? n : size));
const without = (shape: Shape, at: number): number[] => shape.filter((_, i) => i !== at);

function view(d: Draw, op: string, x: Value, args: object, shapes: readonly Shape[]): boolean {
  const noGrad = d.chance(0.015);
  return (
    d.step(
      op,
      [x],
      { ...args },
      shapes.map((shape) => ({ shape, of: x, blind: noGrad && x.grad })),
      noGrad,
    ) !== null
  );
}

/** A value with at least so many dims; where there are none, nothing. */
const withRank = (d: Draw, least: number): Value | null => d.some((v) => v.shape.length >= least);

function shuffled(d: Draw, n: number): number[] {
  const list = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = d.int(i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

/** Another shape with as many elements: sizes split or merged. */
function reshaped(d: Draw, shape: Shape): number[] {
  const n = numel(shape);
  if (n === 0) return [...shape].reverse();
  const out: number[] = [];
  let rest = n;
  for (let i = d.int(3); i > 0; i--) {
    const divisors = Array.from({ length: rest }, (_, k) => k + 1).filter((k) => rest % k === 0);
    const k = d.pick(divisors);
    out.push(k);
    rest /= k;
  }
  out.push(rest);
  return out;
}

function sizes(d: Draw, op: string, x: Value, shape: readonly number[]): boolean {
  const given =
    numel(shape) > 0 && shape.length > 0 && d.chance(0.3) ? replaced(shape, d.int(shape.length), -1) : shape;
  return view(d, op, x, { shape: given }, [shape]);
}

/** In PyTorch's words: `split_size` or a number of chunks to lengths. */
function cuts(size: number, length: number): number[] {
  const out: number[] = [];
  for (let from = 0; from < size; from += length) out.push(Math.min(length, size - from));
  return out;
}

export const VIEWS: Readonly<Record<string, Drawer>> = {
  transpose(d) {
    const x = withRank(d, 2);
    if (x === null) return false;
    const [a, b] = [dimOf(d, x.shape.length), dimOf(d, x.shape.length)];
    const shape = [...x.shape];
    [shape[a.at], shape[b.at]] = [shape[b.at]!, shape[a.at]!];
    return view(d, "transpose", x, { dim0: a.dim, dim1: b.dim }, [shape]);
  },
  t(d) {
    const x = d.some((v) => v.shape.length === 2);
    return x !== null && view(d, "t", x, {}, [[x.shape[1]!, x.shape[0]!]]);
  },
  permute(d) {
    const x = withRank(d, 1);
    if (x === null) return false;
    const dims = shuffled(d, x.shape.length);
    return view(d, "permute", x, { dims }, [dims.map((i) => x.shape[i]!)]);
  },
  movedim(d) {
    const x = withRank(d, 2);
    if (x === null) return false;
    const [a, b] = [d.int(x.shape.length), d.int(x.shape.length)];
    const shape = without(x.shape, a);
    shape.splice(b, 0, x.shape[a]!);
    return view(d, "movedim", x, { source: a, destination: b }, [shape]);
  },
  expand(d) {
    const x = d.some((v) => v.shape.includes(1)) ?? withRank(d, 0)!;
    const lead = d.chance(0.4) ? [1 + d.int(2)] : [];
    const shape = [...lead, ...x.shape.map((n) => (n === 1 ? 1 + d.int(3) : n))];
    const given = shape.map((n, i) => (i >= lead.length && d.chance(0.3) && n === x.shape[i - lead.length] ? -1 : n));
    return view(d, "expand", x, { shape: given }, [shape]);
  },
  narrow(d) {
    const x = withRank(d, 1);
    if (x === null) return false;
    const { at, dim } = dimOf(d, x.shape.length);
    const start = d.int(x.shape[at]! + 1);
    const length = d.int(x.shape[at]! - start + 1);
    return view(d, "narrow", x, { dim, start, length }, [replaced(x.shape, at, length)]);
  },
  select(d) {
    const x = d.some((v) => v.shape.length > 0 && Math.max(...v.shape) > 0);
    if (x === null) return false;
    const { at, dim } = dimOf(d, x.shape.length);
    const n = x.shape[at]!;
    if (n === 0) return false;
    const index = d.int(n);
    return view(d, "select", x, { dim, index: d.chance(0.3) ? index - n : index }, [without(x.shape, at)]);
  },
  slice(d) {
    const x = withRank(d, 1);
    if (x === null) return false;
    const { at, dim } = dimOf(d, x.shape.length);
    const n = x.shape[at]!;
    const from = d.chance(0.3) ? null : d.int(n + 1) - (d.chance(0.3) ? n : 0);
    const to = d.chance(0.3) ? null : d.int(n + 2) - (d.chance(0.3) ? n : 0);
    const step = d.weighted([
      [1, 2],
      [2, 2],
      [3, 1],
    ]);
    const place = (i: number): number => Math.max(0, Math.min(n, i < 0 ? i + n : i));
    const length = Math.max(0, Math.ceil((place(to ?? n) - place(from ?? 0)) / step));
    return view(d, "slice", x, { dim, start: from, end: to, step }, [replaced(x.shape, at, length)]);
  },
  diagonal(d) {
    const x = withRank(d, 2);
    if (x === null) return false;
    const rank = x.shape.length;
    const dims = shuffled(d, rank);
    const [a, b] = [dims[0]!, dims[1]!];
    const offset = d.int(5) - 2;
    const [m, n] = [x.shape[a]!, x.shape[b]!];
    const length = Math.max(0, offset >= 0 ? Math.min(m, n - offset) : Math.min(m + offset, n));
    const shape = [...x.shape.filter((_, i) => i !== a && i !== b), length];
    return view(d, "diagonal", x, { offset, dim1: a, dim2: d.chance(0.5) ? b : b - rank }, [shape]);
  },
  view(d) {
    const x = withRank(d, 0)!;
    return sizes(d, "view", x, reshaped(d, x.shape));
  },
  reshape(d) {
    const x = withRank(d, 0)!;
    return sizes(d, "reshape", x, reshaped(d, x.shape));
  },
  flatten(d) {
    const x = withRank(d, 1);
    if (x === null) return false;
    const rank = x.shape.length;
    const from = d.int(rank);
    const to = from + d.int(rank - from);
    const shape = [...x.shape.slice(0, from), numel(x.shape.slice(from, to + 1)), ...x.shape.slice(to + 1)];
    return view(d, "flatten", x, { start_dim: from, end_dim: d.chance(0.5) ? to : to - rank }, [shape]);
  },
  squeeze(d) {
    const x = d.some((v) => v.shape.includes(1)) ?? withRank(d, 1);
    if (x === null) return false;
    if (d.chance(0.3)) return view(d, "squeeze", x, {}, [x.shape.filter((n) => n !== 1)]);
    const { at, dim } = dimOf(d, x.shape.length);
    return view(d, "squeeze", x, { dim }, [x.shape[at] === 1 ? without(x.shape, at) : x.shape]);
  },
  unsqueeze(d) {
    const x = d.some((v) => v.shape.length < 4);
    if (x === null) return false;
    const { at, dim } = dimOf(d, x.shape.length + 1);
    const shape = [...x.shape];
    shape.splice(at, 0, 1);
    return view(d, "unsqueeze", x, { dim }, [shape]);
  },
  unbind(d) {
    const x = d.some((v) => v.shape.some((n) => n > 0 && n <= 4));
    if (x === null) return false;
    const { at, dim } = dimOf(d, x.shape.length);
    const n = x.shape[at]!;
    if (n === 0 || n > 4) return false;
    return view(
      d,
      "unbind",
      x,
      { dim },
      Array.from({ length: n }, () => without(x.shape, at)),
    );
  },
  split(d) {
    const x = withRank(d, 1);
    if (x === null) return false;
    const { at, dim } = dimOf(d, x.shape.length);
    const n = x.shape[at]!;
    if (n === 0) return false;
    const first = 1 + d.int(n);
    const listed = d.chance(0.5);
    const lengths = listed ? [first, n - first] : cuts(n, first);
    return view(
      d,
      "split",
      x,
      { split_size: listed ? lengths : first, dim },
      lengths.map((k) => replaced(x.shape, at, k)),
    );
  },
  chunk(d) {
    const x = withRank(d, 1);
    if (x === null) return false;
    const { at, dim } = dimOf(d, x.shape.length);
    const n = x.shape[at]!;
    if (n === 0) return false;
    const chunks = 1 + d.int(4);
    const lengths = cuts(n, Math.ceil(n / chunks));
    return view(
      d,
      "chunk",
      x,
      { chunks, dim },
      lengths.map((k) => replaced(x.shape, at, k)),
    );
  },
  contiguous(d) {
    const x = withRank(d, 0)!;
    return view(d, "contiguous", x, {}, [x.shape]);
  },
};
