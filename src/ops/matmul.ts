// Products of matrices. Transposed operands are absorbed by the kernel's form: nn, nt, tn.
import { fail } from "../core/error.ts";
import { apply, contiguous, launch, type Op, save } from "../core/op.ts";
import { numel, type Shape, sameShape, show } from "../core/shape.ts";
import { type Tensor, turned } from "../core/tensor.ts";
import { sameDtypes } from "./binary.ts";
import { compose, like } from "./compose.ts";
import { expectDtype } from "./expect.ts";
import { sumTo } from "./reduce.ts";
import { expand, reshape, t, transpose } from "./shape.ts";
import { broadcast } from "./strides.ts";

/** Launches c = a b over [batch, m, n, k]; `a` and `b` may be transposed views, not both. */
function launchMatmul(a: Tensor, b: Tensor, c: Tensor, batch: number, aStride: number, bStride: number): void {
  const m = c.shape[c.ndim - 2]!;
  const n = c.shape[c.ndim - 1]!;
  const k = a.shape[a.ndim - 1]!;
  const form = turned(a) ? "matmul_tn_f32" : turned(b) ? "matmul_nt_f32" : "matmul_nn_f32";
  launch(form, [c], [a, b], [batch, m, n, k], [aStride, bStride], "matmul");
}

/** Both operands at least matrices: [..., m, k] and [..., k, n]. */
const Matmul: Op = {
  name: "matmul",
  strided: true,
  fit: sumTo,
  forward(inputs, _, wants) {
    sameDtypes("matmul", inputs);
    const saves = [wants & A ? inputs[1]! : null, wants & B ? inputs[0]! : null];
    const helpers: Tensor[] = [];
    const own = (x: Tensor): Tensor => {
      helpers.push(x);
      return x;
    };
    // Matrices are read as they lie, or transposed; what lies in another way is copied first.
    const readable = (x: Tensor): Tensor => (x.strides === null || turned(x) ? x : own(contiguous(x)));
    let [a, b] = inputs as [Tensor, Tensor];
    const m = a.shape[a.ndim - 2]!;
    const k = a.shape[a.ndim - 1]!;
    const k2 = b.shape[b.ndim - 2]!;
    const n = b.shape[b.ndim - 1]!;
    if (k !== k2) fail("matmul", `${show(a.shape)} and ${show(b.shape)}: inner dimensions differ (${k} and ${k2})`);
    [a, b] = [readable(a), readable(b)];
    if (a.ndim === 2 && b.ndim === 2 && !(turned(a) && turned(b))) {
      const c = like(a, "matmul", [m, n]);
      launchMatmul(a, b, c, 1, m * k, k * n);
      save(...saves);
      for (const h of helpers) h.release("matmul");
      return c;
    }
    const [aBatch, bBatch] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const lead = broadcast("matmul", aBatch, bBatch);
    if (turned(a) && turned(b)) a = own(contiguous(a));
    const batch = numel(lead);
    // A batch that is broadcast in part is copied; one that is broadcast as a whole has stride 0.
    const whole = (s: Shape): boolean => numel(s) === 1 || sameShape(s, lead);
    if (!whole(aBatch)) a = own(contiguous(own(expand(a, [...lead, m, k]))));
    if (!whole(bBatch)) b = own(contiguous(own(expand(b, [...lead, k, n]))));
    const c = like(a, "matmul", [...lead, m, n]);
    const stride = (x: Tensor, size: number): number => (numel(x.shape.slice(0, -2)) === 1 && batch !== 1 ? 0 : size);
    // Rows of all batches against one b are one tall product.
    if (bBatch.length === 0 && !turned(a) && batch > 1) {
      launch(turned(b) ? "matmul_nt_f32" : "matmul_nn_f32", [c], [a, b], [1, batch * m, n, k], [0, 0], "matmul");
    } else launchMatmul(a, b, c, batch, stride(a, m * k), stride(b, k * n));
    for (const h of helpers) h.release("matmul");
    save(...saves);
    return c;
  },
  vjp(g, { inputs: [a, b], saved: [forA, forB] }) {
    // The gradient of a transposed view is computed in the layout that is stored, and comes back as such a view.
    return [
      () => (turned(a!) ? last(product(forA!, last(g))) : product(g, last(forA!))),
      () => (turned(b!) ? last(product(last(g), forB!)) : product(last(forB!), g)),
    ];
  },
};
/** Bits of `wants`. */
const [A, B] = [1, 2];
const product = (a: Tensor, b: Tensor): Tensor => apply(Matmul, [a, b], null);
const last = (x: Tensor): Tensor => transpose(x, -2, -1);

/**
 * The product of matrices, `[m, k]` and `[k, n]` to `[m, n]`; of batches of them, `[..., m, k]` and `[..., k, n]`, whose leading
 * dims broadcast; of vectors, `[k]` and `[k]` to `[]`; or of one of each. Floats of one dtype.
 * https://pytorch.org/docs/stable/generated/torch.matmul.html
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  expectDtype("matmul", a, "float32", "first operand");
  expectDtype("matmul", b, "float32", "second operand");
  if (a.ndim === 0 || b.ndim === 0)
    fail("matmul", `${show(a.shape)} and ${show(b.shape)}: both operands need at least 1 dim`);
  if (a.ndim > 1 && b.ndim > 1) return apply(Matmul, [a, b], null);
  if (a.shape[a.ndim - 1] !== b.shape[Math.max(0, b.ndim - 2)]) {
    fail(
      "matmul",
      `${show(a.shape)} and ${show(b.shape)}: inner dimensions differ (${a.shape[a.ndim - 1]} and ${b.shape[Math.max(0, b.ndim - 2)]})`,
    );
  }
  return compose(() => {
    const x = a.ndim === 1 ? reshape(a, [1, a.numel]) : a;
    const y = b.ndim === 1 ? reshape(b, [b.numel, 1]) : b;
    const c = apply(Matmul, [x, y], null);
    const shape = c.shape.slice(0, -2);
    if (a.ndim > 1) return reshape(c, [...shape, c.shape[c.ndim - 2]!]);
    return reshape(c, b.ndim > 1 ? [...shape, c.shape[c.ndim - 1]!] : shape);
  });
}

/** The product of two matrices, `[m, k]` and `[k, n]` to `[m, n]`: floats of one dtype. https://pytorch.org/docs/stable/generated/torch.mm.html */
export function mm(a: Tensor, b: Tensor): Tensor {
  if (a.ndim !== 2 || b.ndim !== 2) fail("mm", `${show(a.shape)} and ${show(b.shape)}: two matrices are expected`);
  return matmul(a, b);
}

const Linear: Op = {
  name: "linear",
  forward(inputs, _, wants) {
    sameDtypes("linear", inputs);
    const [x, w, b] = inputs;
    const n = w!.shape[0]!;
    const k = w!.shape[1]!;
    const shape = x!.shape.slice();
    shape[shape.length - 1] = n;
    const y = like(x!, "linear", shape);
    const rows = rowsOf(shape);
    if (b === undefined) launch("matmul_nt_f32", [y], [x!, w!], [1, rows, n, k], [0, 0], "linear");
    else launch("matmul_nt_bias_f32", [y], [x!, w!, b], [1, rows, n, k], [0, 0, 0], "linear");
    save(wants & A ? w! : null, wants & B ? x! : null);
    return y;
  },
  vjp(g, { inputs: [, , b], saved: [w, x] }) {
    return [() => matmul(g, w!), () => across(flat(g), flat(x!)), () => sumTo(flat(g), b!.shape)];
  },
};

/** aᵀ b of matrices, without a view of the first where that is dense. */
const across = (a: Tensor, b: Tensor): Tensor =>
  a.strides !== null || b.strides !== null ? matmul(t(a), b) : apply(Across, [a, b], null);
const Across: Op = {
  name: "matmul",
  forward([a, b]) {
    const c = like(a!, "matmul", [a!.shape[1]!, b!.shape[1]!]);
    save(a!, b!);
    launch("matmul_tn_f32", [c], [a!, b!], [1, c.shape[0]!, c.shape[1]!, a!.shape[0]!], [a!.numel, b!.numel], "matmul");
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
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
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
