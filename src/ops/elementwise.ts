// What elementwise ops are made by: those of one tensor, of two that broadcast, of a tensor and a number.
import { type DType, isFloat, suffix } from "../core/dtype.ts";
import { noMore } from "../core/error.ts";
import { empty } from "../core/make.ts";
import { apply, type Gradient, launch, type Op, save } from "../core/op.ts";
import { sameShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { shifted, walk } from "../row/nest.ts";
import { word } from "../row/words.ts";
import { compose, like } from "./compose.ts";
import { toFloat } from "./copy.ts";
import { launchEach } from "./each.ts";
import { expectDtype, sameDtypes } from "./expect.ts";
import { noGrad } from "./modes.ts";
import { sumTo } from "./reduce.ts";
import { broadcast, broadcastStrides, oneLoop } from "./strides.ts";

/** What writes in place need of a function that `unary` made. @internal */
export interface Unary {
  readonly op: Op;
  readonly saves: "x" | "y" | "";
  /** Null where it is composed. */
  readonly kernel: string | null;
}
const made = new WeakMap<object, Unary>();
/** What is known of a function that `unary` made. @internal */
export const unaryOf = (f: object): Unary | undefined => made.get(f);

/**
 * An elementwise op over kernel `<name>_f32`, or composed: `how` gives its values then, and no gradient passes there. Its gradient, of
 * what is saved: the input x, the output y, or nothing. int32 and bool come as float32, but where it is "strict".
 * @internal
 */
export function unary(
  name: string,
  saves: Unary["saves"],
  vjp: (g: Tensor, of: Tensor) => Gradient,
  how?: "strict" | ((x: Tensor) => Tensor),
): (x: Tensor, ...none: []) => Tensor {
  const kernel = typeof how === "function" ? null : `${name}_f32`;
  const op: Op = {
    name,
    strided: true,
    forward([x], _, wants) {
      expectDtype(name, x!, "float32");
      const y = kernel === null ? silently(() => (how as (x: Tensor) => Tensor)(x!)) : like(x!, name);
      if (kernel !== null) {
        if (x!.strides === null) launch(kernel, [y], [x!], [x!.numel], undefined, name);
        else launchEach(kernel, y, [x!], undefined, name);
      }
      if (wants !== 0 && saves !== "") save(saves === "x" ? x! : y);
      return y;
    },
    vjp: (g, { saved: [of] }) => [vjp(g, of!)],
  };
  const f = (x: Tensor, ...none: []): Tensor => {
    noMore(name, none);
    if (how === "strict" || !(x instanceof Tensor) || isFloat(x.dtype)) return apply(op, [x], null);
    return compose(() => apply(op, [toFloat(x)], null));
  };
  made.set(f, { op, saves, kernel });
  return f;
}

/** A composition for its values alone. @internal */
export const silently = (f: () => Tensor): Tensor => noGrad(() => compose(f));

/** The kernel `<name>_vjp_f32(g, y)`; `of` gives its gradients, which double backward needs. @internal */
export function unaryVjp(
  name: string,
  of: (gg: Tensor, g: Tensor, y: Tensor) => [Gradient, Gradient],
): (g: Tensor, y: Tensor) => Tensor {
  const kernel = `${name}_vjp_f32`;
  const label = `${name} gradient`;
  const op: Op = {
    name: `${name}Vjp`,
    strided: true,
    forward([g, y], _, wants) {
      const gx = like(y!, label);
      launchEach(kernel, gx, [g!, y!], undefined, name);
      if (wants !== 0) save(g!, y!);
      return gx;
    },
    vjp: (gg, { saved: [g, y] }) => of(gg, g!, y!),
  };
  return (g, y) => apply(op, [g, y], null);
}

/** x op s for a number s, which is baked into a captured program. @internal */
export function scalarOp(
  name: string,
  kernel: string,
  vjp: (g: Tensor, s: number, x: Tensor) => Tensor,
  saves = false,
) {
  const scalar = `${kernel}_scalar_f32`;
  const op: Op<number> = {
    name,
    strided: true,
    forward([x], s) {
      expectDtype(name, x!, "float32");
      const y = like(x!, name);
      if (x!.strides === null) launch(scalar, [y], [x!], [x!.numel], [word(s)], name);
      else launchEach(scalar, y, [x!], [word(s)], name);
      if (saves) save(x!);
      return y;
    },
    vjp: (g, { params, saved: [x] }) => [vjp(g, params, x!)],
  };
  return (x: Tensor, s: number): Tensor => apply(op, [x], s);
}

const KERNELS = ["add", "sub", "mul", "div", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge"];
const names = (form: string): Record<string, string> => Object.fromEntries(KERNELS.map((k) => [k, k + form]));
/** Names of kernels, made once: a name put together at each launch would be hashed at each launch. */
const NAMES = {
  f32: { plain: names("_f32"), broadcast: names("_broadcast_f32") },
  i32: { plain: names("_i32"), broadcast: names("_broadcast_i32") },
};

/** Launches `<kernel>_<dtype>` into the dense `out`, or the form that reads by strides, which views have. @internal */
export function launchBinary(kernel: string, name: string, a: Tensor, b: Tensor, out: Tensor): void {
  const kernels = NAMES[suffix(a.dtype)];
  if (a.strides === null && b.strides === null && sameShape(a.shape, b.shape)) {
    launch(kernels.plain[kernel]!, [out], [a, b], [out.numel], undefined, name);
    return;
  }
  const both = [a, b];
  const steps = oneLoop(both, out);
  if (steps !== null) {
    launch(kernels.broadcast[kernel]!, [out], both, [1, 1, 1, 1, 1, out.numel], steps, name);
    return;
  }
  const strides = [broadcastStrides(a, out.shape), broadcastStrides(b, out.shape)];
  for (let n = walk(name, out.shape, strides); n !== null; n = n.next) {
    const operands = [shifted(a, n.from[0]!), shifted(b, n.from[1]!)];
    const words = [...n.strides[0]!, ...n.strides[1]!];
    launch(kernels.broadcast[kernel]!, [shifted(out, n.start)], operands, n.extents, words, name);
  }
}

/**
 * An op of two tensors of one dtype that broadcast, over the dense kernel `<kernel>_<dtype>`. `saves` is given the operands and the result.
 * @internal
 */
export function pairwise(
  name: string,
  kernel: string,
  vjp?: Op["vjp"],
  saves?: (a: Tensor, b: Tensor, y: Tensor, wants: number) => void,
): Op {
  const kernels = { f32: `${kernel}_f32`, i32: `${kernel}_i32` };
  const op: Op = {
    name,
    fit: sumTo,
    strided: true,
    forward(inputs, _, wants) {
      const [a, b] = inputs as [Tensor, Tensor];
      if (!isFloat(a.dtype) || !isFloat(b.dtype)) sameDtypes(name, inputs);
      const y = empty(broadcast(name, a.shape, b.shape), a.dtype === b.dtype ? a.dtype : "float32", name, a.device);
      launchEach(kernels[suffix(a.dtype)], y, inputs, undefined, name);
      if (wants !== 0) saves?.(a, b, y, wants);
      return y;
    },
  };
  return vjp === undefined ? op : { ...op, vjp };
}

/** Whose values the gradients need: none, both, or of each operand the other's. */
type Saves = "none" | "both" | "other";

/** An elementwise op of two tensors, over kernel `<name>_<dtype>`; `result` is its dtype, from the wider one of its inputs. @internal */
export function binary(
  name: string,
  result: (dtype: DType) => DType,
  vjp?: Op["vjp"],
  saves: Saves = "none",
  kernel = name,
): Op {
  const op: Op = {
    name,
    fit: sumTo,
    strided: true,
    forward([a, b], _, wants) {
      // float16 and float32 give float32
      if (!isFloat(a!.dtype) || !isFloat(b!.dtype)) sameDtypes(name, [a!, b!]);
      const wide = a!.dtype === b!.dtype ? a!.dtype : "float32";
      const y = empty(broadcast(name, a!.shape, b!.shape), result(wide), name, a!.device);
      launchBinary(kernel, name, a!, b!, y);
      if (saves === "other") save(wants & A ? b! : null, wants & B ? a! : null);
      else if (saves === "both") save(b!, a!);
      return y;
    },
  };
  return vjp === undefined ? op : { ...op, vjp };
}
/** Bit of `wants` for the first operand. */
const A = 1;
/** Bit of `wants` for the second operand. @internal */
export const B = 2;
