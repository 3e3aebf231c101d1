// Activations and losses. What bends takes exact values alone, so that a tie is one in PyTorch too; none takes NaN, of which PyTorch has one
// gradient in vectors and another in what is left over. Numbers are such as float32 holds, which is what a row does.
import type { Draw, Drawer, Value } from "./draw.ts";

const float = (v: Value): boolean => v.dtype === "f32" && !v.special;
const exact = (v: Value): boolean => float(v) && v.bits !== null;
const size = (v: Value): number => Math.max(Math.abs(v.lo), Math.abs(v.hi));
const within = (most: number) => (v: Value) => float(v) && size(v) <= most;

interface Activation {
  readonly must: (v: Value) => boolean;
  readonly args?: (d: Draw) => object;
}
const ACTIVATIONS: Record<string, Activation> = {
  leaky_relu: { must: exact, args: (d) => ({ negative_slope: d.pick([0.25, 0.5, 2, -1]) }) },
  hardtanh: { must: exact, args: (d) => (d.chance(0.5) ? {} : { min_val: d.pick([-2, -0.25]), max_val: 0.5 }) },
  relu6: { must: exact },
  hardsigmoid: { must: exact },
  hardswish: { must: (v) => exact(v) && size(v) < 3 },
  hardshrink: { must: exact, args: (d) => ({ lambd: d.pick([0.5, 1, 0]) }) },
  softshrink: { must: exact, args: (d) => ({ lambd: d.pick([0.5, 1, 0]) }) },
  threshold: { must: exact, args: (d) => ({ threshold: d.pick([0, 0.5]), value: d.pick([0, -1, 2]) }) },
  rrelu: { must: exact, args: () => ({ lower: 0.25, upper: 0.75 }) },
  elu: { must: exact, args: (d) => ({ alpha: d.pick([1, 0.5, 2]) }) },
  selu: { must: exact },
  celu: { must: exact, args: (d) => ({ alpha: d.pick([1, 0.5, 2]) }) },
  gelu: { must: within(20), args: (d) => (d.chance(0.5) ? {} : { approximate: d.pick(["none", "tanh"]) }) },
  silu: { must: within(50) },
  mish: { must: within(15) },
  softplus: { must: within(9), args: (d) => (d.chance(0.5) ? {} : { beta: d.pick([0.5, 2]), threshold: 20 }) },
  softsign: { must: float },
  logsigmoid: { must: float },
  tanhshrink: { must: float },
};

function activation(op: string): Drawer {
  const { must, args } = ACTIVATIONS[op]!;
  return (d) => {
    const x = d.some(must);
    if (x === null) return false;
    const most = 2 * Math.max(1, size(x));
    return d.step(op, [x], args?.(d) ?? {}, [{ shape: x.shape, lo: -most, hi: most, bits: null }]) !== null;
  };
}

const prelu: Drawer = (d) => {
  const x = d.some(exact);
  if (x === null) return false;
  const channels = x.shape.length > 1 && d.chance(0.5) ? x.shape[1]! : 1;
  const weight = d.input([channels], { grad: d.chance(0.7) });
  const most = 2 * size(x);
  return d.step("prelu", [x, weight], {}, [{ shape: x.shape, lo: -most, hi: most, bits: null }]) !== null;
};

const glu: Drawer = (d) => {
  const x = d.some((v) => within(50)(v) && v.shape.some((n) => n % 2 === 0));
  if (x === null) return false;
  const dim = x.shape.findIndex((n) => n % 2 === 0);
  const shape = x.shape.map((n, i) => (i === dim ? n / 2 : n));
  return d.step("glu", [x], { dim: d.chance(0.5) ? dim : dim - x.shape.length }, [{ shape, bits: null }]) !== null;
};

const softmin: Drawer = (d) => {
  const x = d.some((v) => float(v) && v.shape.length > 0);
  if (x === null) return false;
  return (
    d.step("softmin", [x], { dim: d.int(x.shape.length) }, [{ shape: x.shape, lo: 0, hi: 1, bits: null }]) !== null
  );
};

// --------------------------------------------------------------------------------------------------------------- losses

/** A loss of these inputs with terms of this shape. */
function loss(d: Draw, op: string, inputs: readonly Value[], args: object, shape: readonly number[]): boolean {
  const reduction = d.pick(["mean", "sum", "none"]);
  const n = shape.reduce((a, b) => a * b, 1);
  if (n === 0) return false;
  const most = Math.max(...inputs.map(size), 1) ** 2 * 20;
  const result = { shape: reduction === "none" ? shape : [], dtype: "f32", bits: null } as const;
  const hi = reduction === "sum" ? most * n : most;
  return d.step(op, inputs, { ...args, reduction }, [{ ...result, lo: -hi, hi }]) !== null;
}

const alike = (x: Value, y: Value): boolean => x.shape.join() === y.shape.join();
/** A target for `x`: of its shape. */
function targetFor(d: Draw, x: Value, must: (v: Value) => boolean, grad = true): Value | null {
  const good = (v: Value): boolean => v !== x && alike(v, x) && must(v) && (grad || !v.grad);
  const here = d.chance(0.5) ? d.some(good) : null;
  if (here !== null) return here;
  const made = d.input(x.shape, { grad: grad && d.chance(0.5) });
  return good(made) ? made : null;
}

interface Pair {
  readonly x: (v: Value) => boolean;
  readonly target: (v: Value) => boolean;
  /** The target has no gradient in PyTorch. */
  readonly fixed?: true;
  readonly args?: (d: Draw) => object;
}
const small = within(8);
const positive = (v: Value): boolean => small(v) && v.lo > 0;
const PAIRS: Record<string, Pair> = {
  l1_loss: { x: exact, target: exact },
  smooth_l1_loss: { x: exact, target: exact, args: (d) => ({ beta: d.pick([1, 0.5, 0]) }) },
  huber_loss: { x: exact, target: exact, args: (d) => ({ delta: d.pick([1, 0.5]) }) },
  binary_cross_entropy_with_logits: { x: small, target: small },
  soft_margin_loss: { x: small, target: small, fixed: true },
  kl_div: { x: small, target: positive },
  "kl_div of logarithms": { x: small, target: within(4), args: () => ({ log_target: true }) },
  poisson_nll_loss: { x: within(4), target: (v) => exact(v) && v.lo > 0, args: (d) => ({ full: d.chance(0.5) }) },
  "poisson_nll_loss of counts": { x: positive, target: small, args: () => ({ log_input: false }) },
};

function pair(name: string): Drawer {
  const { x: must, target, fixed, args } = PAIRS[name]!;
  return (d) => {
    const x = d.some(must);
    const y = x === null ? null : targetFor(d, x, target, fixed !== true);
    return x !== null && y !== null && loss(d, name.split(" ")[0]!, [x, y], args?.(d) ?? {}, x.shape);
  };
}

/** 1 and -1, in a shape. */
function signs(d: Draw, shape: readonly number[]): Value {
  const mask = d.input(shape, { dtype: "bool" });
  const [x] = d.step("to", [mask], { dtype: "f32" }, [{ shape, dtype: "f32", bits: 0, lo: 0, hi: 1 }])!;
  const [twice] = d.step("mul", [x!], { other: 2 }, [{ shape, lo: 0, hi: 2 }])!;
  return d.step("sub", [twice!], { other: 1 }, [{ shape, lo: -1, hi: 1 }])![0]!;
}

const hinge: Drawer = (d) => {
  const x = d.some(exact);
  if (x === null) return false;
  return loss(d, "hinge_embedding_loss", [x, signs(d, x.shape)], { margin: d.pick([1, 0.5]) }, x.shape);
};
const ranking: Drawer = (d) => {
  const x = d.some(exact);
  const y = x === null ? null : targetFor(d, x, exact);
  if (x === null || y === null) return false;
  return loss(d, "margin_ranking_loss", [x, y, signs(d, x.shape)], { margin: d.pick([0, 0.5]) }, x.shape);
};
const gaussian: Drawer = (d) => {
  const x = d.some(small);
  const y = x === null ? null : targetFor(d, x, small);
  const variance = x === null ? null : targetFor(d, x, positive);
  if (x === null || y === null || variance === null) return false;
  return loss(d, "gaussian_nll_loss", [x, y, variance], { full: d.chance(0.5) }, x.shape);
};

const rowsOf = (v: Value): boolean => v.shape.length === 2 && !v.shape.includes(0);
/** Distances between rows; no ties, which roundings would decide. */
function distance(op: string): Drawer {
  return (d) => {
    const x = d.some((v) => small(v) && rowsOf(v));
    if (x === null) return false;
    const [y, z] = [targetFor(d, x, small), targetFor(d, x, small)];
    if (y === null || z === null) return false;
    const rows = x.shape.slice(0, 1);
    const p = d.pick([1, 2, 3]);
    if (op === "triplet_margin_loss") return loss(d, op, [x, y, z], { margin: 0.78125, p, eps: 2 ** -20 }, rows);
    if (op === "cosine_embedding_loss") return loss(d, op, [x, y, signs(d, rows)], { margin: -0.3125 }, rows);
    if (op === "cosine_similarity") {
      const dim = d.int(2);
      const ends = { lo: -1, hi: 1, bits: null };
      return d.step(op, [x, y], { dim }, [{ shape: [x.shape[1 - dim]!], ...ends }]) !== null;
    }
    const keepdim = d.chance(0.5);
    const most = (size(x) + size(y)) * x.shape[1]!;
    const shape = keepdim ? [...rows, 1] : rows;
    return d.step(op, [x, y], { p, keepdim, eps: 2 ** -20 }, [{ shape, lo: 0, hi: most, bits: null }]) !== null;
  };
}

/** Labels of int32 from `least` up to below the number of classes. */
function labels(d: Draw, shape: readonly number[], classes: number, least: number): Value {
  const drawn = d.input(shape, { dtype: "i32" });
  const ends = { lo: least, hi: classes - 1 };
  return d.step("clamp", [drawn], { min: least, max: classes - 1 }, [{ shape, ...ends }])![0]!;
}

function classes(op: string): Drawer {
  return (d) => {
    const x = d.some((v) => (op.includes("margin_loss") ? exact : small)(v) && rowsOf(v));
    if (x === null) return false;
    const rows = x.shape.slice(0, 1);
    const c = x.shape[1]!;
    if (op === "multilabel_margin_loss") return loss(d, op, [x, labels(d, x.shape, c, -1)], {}, rows);
    if (op === "multi_margin_loss")
      return loss(d, op, [x, labels(d, rows, c, 0)], { p: d.pick([1, 2]), margin: d.pick([1, 0.5]) }, rows);
    if (op === "multilabel_soft_margin_loss") {
      const y = targetFor(d, x, small);
      return y !== null && loss(d, op, [x, y], {}, rows);
    }
    const smoothing = op === "nll_loss" || d.chance(0.5) ? {} : { label_smoothing: 0.25 };
    const probabilities = op === "cross_entropy" && d.chance(0.4) ? targetFor(d, x, small) : null;
    if (probabilities !== null) return loss(d, op, [x, probabilities], smoothing, rows);
    return loss(
      d,
      op,
      [x, labels(d, rows, c, 0)],
      { ...smoothing, ...(d.chance(0.3) ? { ignore_index: 1 } : {}) },
      rows,
    );
  };
}

const ctc: Drawer = (d) => {
  const x = d.some((v) => exact(v) && size(v) <= 20 && v.shape.length === 3 && !v.shape.includes(0) && v.shape[2]! > 1);
  if (x === null) return false;
  const [time, n, c] = x.shape as [number, number, number];
  const [p] =
    d.step("log_softmax", [x], { dim: 2 }, [{ shape: x.shape, lo: x.lo - x.hi - 3, hi: 0, bits: null }]) ?? [];
  if (p === undefined) return false;
  const most = 1 + d.int(3);
  const lengths = Array.from({ length: n }, () => d.int(most + 1));
  const times = Array.from({ length: n }, () => 1 + d.int(time));
  const targets = labels(d, [n, most], c, 1);
  const args = { input_lengths: times, target_lengths: lengths, zero_infinity: true };
  return loss(d, "ctc_loss", [p, targets], args, [n]);
};

const drawn = (names: readonly string[], f: (op: string) => Drawer): Record<string, Drawer> =>
  Object.fromEntries(names.map((op) => [op, f(op)]));

/** By group and op, as those of draw-ops.ts. */
export const LOSSES: Readonly<Record<string, Readonly<Record<string, Drawer>>>> = {
  ctc: { ctc_loss: ctc },
  activate: { ...drawn(Object.keys(ACTIVATIONS), activation), prelu, glu, softmin },
  loss: {
    ...drawn(Object.keys(PAIRS), pair),
    ...{ hinge_embedding_loss: hinge, margin_ranking_loss: ranking, gaussian_nll_loss: gaussian },
    ...drawn("triplet_margin_loss cosine_embedding_loss cosine_similarity pairwise_distance".split(" "), distance),
    ...drawn(
      "multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss cross_entropy nll_loss".split(" "),
      classes,
    ),
  },
};
