// Products of matrices. Operands are read as they lie, in the dense forms nn, nt and tn or in the strided one; what neither reads is
// copied first.

import { fail, noMore } from "../core/error.ts";
import { asStrides } from "../core/layout.ts";
import { empty } from "../core/make.ts";
import { apply, contiguous, launch, type Op, save } from "../core/op.ts";
import { type Shape, sameShape, show } from "../core/shape.ts";
import { alive, stridesOf, type Tensor, turned } from "../core/tensor.ts";
import { compose, done, like } from "./compose.ts";
import { expectDtype, sameDtypes } from "./expect.ts";
import { expand, sumTo } from "./reduce.ts";
import { reshape, t, transpose } from "./shape.ts";
import { broadcast, twoLoops, withoutGaps } from "./strides.ts";

/** What a result is to lie like, where it has that shape. */
interface ResultLayout {
  readonly shape: Shape;
  readonly strides: readonly number[];
}

/** How matrices lie: their lines, rows or `turned` columns, are runs `pitch` apart. `steps`: along each dim in front. */
interface Lines {
  turned: boolean;
  pitch: number;
  readonly steps: readonly number[];
}

/** The lines of `[..., rows, columns]` broadcast to `lead`; null where neither are runs. A vector is a matrix of one row. */
function linesOf(shape: Shape, strides: readonly number[], lead: Shape): Lines | null {
  const last = shape.length - 1;
  const [rows, columns] = [shape[last - 1] ?? 1, shape[last]!];
  const [down, across] = [strides[last - 1]!, strides[last]!];
  const before = last - 1 - lead.length;
  const step = (_: number, i: number): number => (before + i < 0 || shape[before + i] === 1 ? 0 : strides[before + i]!);
  const steps = lead.length === 0 ? NO_DIMS : lead.map(step);
  if (columns === 1 || across === 1) return { turned: false, pitch: rows === 1 ? columns : down, steps };
  return rows === 1 || down === 1 ? { turned: true, pitch: across, steps } : null;
}
const NO_DIMS: Shape = [];
const lines = (x: Tensor, lead = NO_DIMS): Lines | null => linesOf(x.shape, stridesOf(x), lead);
const liesTurned = (x: Tensor): boolean => x.strides !== null && lines(x)?.turned === true;
/** `x` itself where a product reads it as it lies, else a dense copy. */
const readable = (x: Tensor): Tensor => (x.strides === null || lines(x) !== null ? x : contiguous(x));

/** Lines of a, b and c, and two loops over products: their sizes, and steps of a, b and c, outer and inner. */
interface ProductNest {
  readonly m: number;
  readonly lines: readonly Lines[];
  readonly sizes: readonly [number, number];
  readonly steps: readonly number[];
}
const ONE = { sizes: [1, 1], steps: [0, 0, 0, 0, 0, 0] } as const;

/** Null where it takes more than two loops. */
function nestOf(lead: Shape, m: number, lines: readonly Lines[]): ProductNest | null {
  const [a, b, c] = lines as [Lines, Lines, Lines];
  let d = lead.length;
  // Rows of all products against one b are one tall product.
  for (; d > 0; d--) {
    const [size, down, out] = [lead[d - 1]!, a.steps[d - 1]!, c.steps[d - 1]!];
    if (size === 1) continue;
    if (a.turned || b.steps[d - 1] !== 0 || (m !== 1 && (down !== m * a.pitch || out !== m * c.pitch))) break;
    if (m === 1) [a.pitch, c.pitch] = [down, out];
    m *= size;
  }
  const loops = d === 0 ? ONE : twoLoops(lead.slice(0, d), [a.steps, b.steps, c.steps]);
  return loops && { m, lines, sizes: loops.sizes, steps: loops.steps };
}

/** Which factor is given as its transpose. */
const [NEITHER, FIRST, SECOND] = [-1, 0, 1];

/**
 * c = a b of `[..., m, k]` and `[..., k, n]` over `lead`, to which the dims in front broadcast. c lies as `wanted`, where it can, else
 * dense.
 */
function product(
  op: string,
  shape: Shape,
  k: number,
  lead: Shape,
  factors: readonly [Tensor, Tensor],
  transposed: number,
  bias: Tensor | null,
  wanted: ResultLayout | null,
): Tensor {
  const [m, n] = [shape[shape.length - 2] ?? 1, shape[shape.length - 1]!];
  const read: Tensor[] = [factors[0], factors[1]];
  const copy = (i: number, x: Tensor): void => {
    const old = read[i]!;
    read[i] = contiguous(x);
    if (x !== read[i] && x !== old) done(x);
    if (old !== factors[i]) done(old);
  };
  /** Of a factor, which is copied where it has no lines. */
  const lie = (i: number): Lines => {
    let found = lines(read[i]!, lead);
    if (found === null) {
      copy(i, read[i]!);
      found = lines(read[i]!, lead)!;
    }
    if (i === transposed) found.turned = !found.turned;
    return found;
  };
  let y: Tensor | null = null;
  let nest: ProductNest | null = null;
  if (wanted !== null && sameShape(wanted.shape, shape)) {
    const c = linesOf(shape, wanted.strides, lead);
    if (c?.turned === false) nest = nestOf(lead, m, [lie(0), lie(1), c]);
    if (nest !== null) y = empty(shape, read[0]!.dtype, op, read[0]!.device, asStrides(shape, wanted.strides));
  }
  y ??= like(read[0]!, op, shape);
  nest ??= nestOf(lead, m, [lie(0), lie(1), lines(y, lead)!]);
  for (let i = 0; nest === null; i++) {
    copy(i, expand(read[i]!, [...lead, ...read[i]!.shape.slice(-2)]));
    nest = nestOf(lead, m, [lie(0), lie(1), lines(y, lead)!]);
  }
  row(op, y, read, bias, n, k, nest);
  for (let i = 0; i < 2; i++) if (read[i] !== factors[i]) read[i]!.release("the op that made it");
  return y;
}

/** Launches one of the dense forms, where the factors lie so, or the strided one. */
function row(
  op: string,
  y: Tensor,
  read: Tensor[],
  bias: Tensor | null,
  n: number,
  k: number,
  nest: ProductNest,
): void {
  const { m, sizes, steps } = nest;
  const [a, b, c] = nest.lines as [Lines, Lines, Lines];
  const [outer, inner] = sizes;
  const dense =
    outer === 1 &&
    !(a.turned && (b.turned || bias !== null)) &&
    a.pitch === (a.turned ? m : k) &&
    b.pitch === (b.turned ? k : n) &&
    c.pitch === n &&
    (inner === 1 || steps[5] === m * n);
  const form = dense ? (a.turned ? "tn" : b.turned ? "nt" : "nn") : "strided";
  const extents = dense ? [inner, m, n, k] : [outer, inner, m, n, k];
  const scalars = dense
    ? [steps[1]!, steps[3]!]
    : [a.turned ? 1 : 0, b.turned ? 1 : 0, a.pitch, b.pitch, c.pitch].concat(steps);
  if (bias !== null) {
    read.push(bias);
    scalars.push(0); // no relu
  }
  launch(bias === null ? FORMS[form] : FORMS_BIAS[form], [y], read, extents, scalars, op);
}
const FORMS = { nn: "matmul_nn_f32", nt: "matmul_nt_f32", tn: "matmul_tn_f32", strided: "matmul_strided_f32" };
const FORMS_BIAS = { ...FORMS, nn: "matmul_nn_bias_f32", nt: "matmul_nt_bias_f32", strided: "matmul_strided_bias_f32" };

/** Both operands at least matrices: [..., m, k] and [..., k, n]. The layout is that of the result. */
const Matmul: Op<ResultLayout | null> = {
  name: "matmul",
  strided: true,
  fit: sumTo,
  forward(inputs, wanted, wants) {
    sameDtypes("matmul", inputs);
    const [a, b] = inputs as readonly [Tensor, Tensor];
    const m = a.shape[a.ndim - 2]!;
    const k = a.shape[a.ndim - 1]!;
    const k2 = b.shape[b.ndim - 2]!;
    const n = b.shape[b.ndim - 1]!;
    if (k !== k2) fail("matmul", `${show(a.shape)} and ${show(b.shape)}: inner dimensions differ (${k} and ${k2})`);
    if (wants !== 0) save(wants & A ? b : null, wants & B ? a : null);
    const [aTurned, bTurned] = [turned(a), turned(b)];
    const dense = (a.strides === null || aTurned) && (b.strides === null || bTurned) && !(aTurned && bTurned);
    if (dense && wanted === null && a.ndim === 2 && b.ndim === 2) {
      const c = like(a, "matmul", [m, n]);
      launch(
        aTurned ? "matmul_tn_f32" : bTurned ? "matmul_nt_f32" : "matmul_nn_f32",
        [c],
        [a, b],
        [1, m, n, k],
        [m * k, k * n],
        "matmul",
      );
      return c;
    }
    const lead = broadcast("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
    return product("matmul", [...lead, m, n], k, lead, [a, b], NEITHER, null, wanted);
  },
  vjp(given, { inputs: [a, b], saved: [forA, forB] }) {
    const g = readable(given);
    // The gradient of a turned operand is computed as that is stored, and comes back as such a view.
    return [
      () => (liesTurned(a!) ? last(times(forA!, last(g), layout(a!, true))) : times(g, last(forA!), layout(a!))),
      () => (liesTurned(b!) ? last(times(last(g), forB!, layout(b!, true))) : times(last(forB!), g, layout(b!))),
    ];
  },
};
/** Bits of `wants`. */
const [A, B, BIAS] = [1, 2, 4];
const times = (a: Tensor, b: Tensor, wanted: ResultLayout | null): Tensor => apply(Matmul, [a, b], wanted);
const last = (x: Tensor): Tensor => transpose(x, -2, -1);

/** How the gradient of `x` (transposed) lies best: as `x` where that fills a run of memory, so that views are undone without a copy. */
function layout(x: Tensor, transposed = false): ResultLayout | null {
  if (x.strides === null || !withoutGaps(x.shape, x.strides)) return null;
  const order = <T>(list: readonly T[]): T[] =>
    transposed ? [...list.slice(0, -2), list[list.length - 1]!, list[list.length - 2]!] : [...list];
  return { shape: order(x.shape), strides: order(x.strides) };
}

/**
 * The product of matrices, `[m, k]` and `[k, n]` to `[m, n]`; of batches of them, `[..., m, k]` and `[..., k, n]`, whose leading
 * dims broadcast; of vectors, `[k]` and `[k]` to `[]`; or of one of each. Floats of one dtype.
 * https://pytorch.org/docs/stable/generated/torch.matmul.html
 */
export function matmul(a: Tensor, b: Tensor, ...none: []): Tensor {
  noMore("matmul", none);
  expectDtype("matmul", a, "float32", "first operand");
  expectDtype("matmul", b, "float32", "second operand");
  if (a.ndim === 0 || b.ndim === 0)
    fail("matmul", `${show(a.shape)} and ${show(b.shape)}: both operands need at least 1 dim`);
  if (a.ndim > 1 && b.ndim > 1) return times(a, b, null);
  if (a.shape[a.ndim - 1] !== b.shape[Math.max(0, b.ndim - 2)]) {
    fail(
      "matmul",
      `${show(a.shape)} and ${show(b.shape)}: inner dimensions differ (${a.shape[a.ndim - 1]} and ${b.shape[Math.max(0, b.ndim - 2)]})`,
    );
  }
  return compose(() => {
    const x = a.ndim === 1 ? reshape(a, [1, a.numel]) : a;
    const y = b.ndim === 1 ? reshape(b, [b.numel, 1]) : b;
    const c = times(x, y, null);
    const shape = c.shape.slice(0, -2);
    if (a.ndim > 1) return reshape(c, [...shape, c.shape[c.ndim - 2]!]);
    return reshape(c, b.ndim > 1 ? [...shape, c.shape[c.ndim - 1]!] : shape);
  });
}

/** The product of two matrices, `[m, k]` and `[k, n]` to `[m, n]`: floats of one dtype. https://pytorch.org/docs/stable/generated/torch.mm.html */
export function mm(a: Tensor, b: Tensor, ...none: []): Tensor {
  alive("mm", a, none);
  alive("mm", b);
  if (a.ndim !== 2 || b.ndim !== 2) fail("mm", `${show(a.shape)} and ${show(b.shape)}: two matrices are expected`);
  return matmul(a, b);
}

const Linear: Op = {
  name: "linear",
  strided: true,
  forward(inputs, _, wants) {
    sameDtypes("linear", inputs);
    const [x, w, given] = inputs as readonly [Tensor, Tensor, Tensor?];
    const n = w.shape[0]!;
    const k = w.shape[1]!;
    const shape = x.shape.slice() as number[];
    shape[shape.length - 1] = n;
    if (wants !== 0) save(wants & A ? w : null, wants & B ? x : null);
    const bias = given === undefined ? null : contiguous(given);
    let y: Tensor;
    if (x.strides === null && w.strides === null) {
      y = like(x, "linear", shape);
      const rows = rowsOf(shape);
      if (bias === null) launch("matmul_nt_f32", [y], [x, w], [1, rows, n, k], [0, 0], "linear");
      else launch("matmul_nt_bias_f32", [y], [x, w, bias], [1, rows, n, k], [0, 0, 0], "linear");
    } else y = product("linear", shape, k, shape.slice(0, -2), [x, w], SECOND, bias, null);
    if (bias !== null && bias !== given) done(bias);
    return y;
  },
  vjp(given, { inputs: [x, w, b], saved: [forX, forW], wants }) {
    // Sums read what lies dense.
    const g = given.ndim === 2 && (wants & BIAS) === 0 ? readable(given) : contiguous(given);
    return [
      () => {
        if (g.ndim === 1) return matmul(g, forX!);
        return liesTurned(x!) ? last(times(last(forX!), last(g), layout(x!, true))) : times(g, forX!, layout(x!));
      },
      () => (liesTurned(w!) ? t(across(flat(forW!), flat(g))) : across(flat(g), flat(forW!))),
      () => sumTo(flat(g), b!.shape),
    ];
  },
};

/** aᵀ b of matrices, without a view of the first. */
const across = (a: Tensor, b: Tensor): Tensor => apply(Across, [a, b], null);
const Across: Op = {
  name: "matmul",
  strided: true,
  forward(inputs, _, wants) {
    const [a, b] = inputs as readonly [Tensor, Tensor];
    const [k, m, n] = [a.shape[0]!, a.shape[1]!, b.shape[1]!];
    if (wants !== 0) save(a, b);
    if (a.strides !== null || b.strides !== null)
      return product("matmul", [m, n], k, NO_DIMS, [a, b], FIRST, null, null);
    const c = like(a, "matmul", [m, n]);
    launch("matmul_tn_f32", [c], [a, b], [1, m, n, k], [a.numel, b.numel], "matmul");
    return c;
  },
  vjp: (g, { saved: [a, b] }) => [() => matmul(b!, t(g)), () => matmul(a!, g)],
};

function rowsOf(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length - 1; i++) n *= shape[i]!;
  return n;
}

const flat = (x: Tensor): Tensor => (x.ndim === 2 ? x : reshape(x, [rowsOf(x.shape), x.shape[x.ndim - 1]!]));

/**
 * x Wᵀ + b: x `[..., in]`, weight `[out, in]`, bias `[out]` or null (the default), to `[..., out]`. Floats of one dtype.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null, ...none: []): Tensor {
  noMore("linear", none);
  expectDtype("linear", x, "float32");
  expectDtype("linear", weight, "float32", "weight");
  if (bias !== null) expectDtype("linear", bias, "float32", "bias");
  if (weight.ndim !== 2) fail("linear", `weight ${show(weight.shape)}: [out,in] is expected`);
  if (x.ndim === 0 || x.shape[x.ndim - 1] !== weight.shape[1]) {
    fail(
      "linear",
      `input ${show(x.shape)} and weight ${show(weight.shape)}: the input's last dim must be ${weight.shape[1]}`,
    );
  }
  if (bias !== null && (bias.ndim !== 1 || bias.shape[0] !== weight.shape[0])) {
    fail("linear", `bias ${show(bias.shape)} and weight ${show(weight.shape)}: the bias must be [${weight.shape[0]}]`);
  }
  return apply(Linear, bias === null ? [x, weight] : [x, weight, bias], null);
}
