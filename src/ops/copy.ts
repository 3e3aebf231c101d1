// The same values elsewhere: in a storage of their own, in another dtype, off the tape.

import { type DType, isFloat, suffix } from "../core/dtype.ts";
import { noMore } from "../core/error.ts";
import { alias, empty } from "../core/make.ts";
import { apply, cast, type Op, readStrided } from "../core/op.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { like } from "./compose.ts";
import { launchEach } from "./each.ts";

/**
 * Another tensor over the same storage, of the same shape and dtype, off the tape: no gradients flow through it. What is
 * written into one is seen in the other.
 */
export function detach(x: Tensor, ...none: []): Tensor {
  alive("detach", x, none);
  return alias(x);
}

const Clone: Op = {
  name: "clone",
  strided: true,
  forward([x]) {
    const y = like(x!, "clone");
    readStrided("clone", y, x!);
    return y;
  },
  vjp: (g) => [g],
};

/** A copy with storage of its own, of the same shape and dtype; gradients flow through. */
export function clone(x: Tensor, ...none: []): Tensor {
  noMore("clone", none);
  return apply(Clone, [x], null);
}

/** As float32; like the others, a tensor that is so already is returned as it is. @internal */
export function toFloat(x: Tensor, ...none: []): Tensor {
  noMore("float", none);
  return toDtype(x, "float32");
}

/**
 * As float16, on devices that have it: 11 bits of precision, infinity from 65520 on. Kernels compute with float32.
 * @internal
 */
export function toHalf(x: Tensor, ...none: []): Tensor {
  noMore("half", none);
  return toDtype(x, "float16");
}

/** int32: floats are cut towards zero. @internal */
export function toInt(x: Tensor, ...none: []): Tensor {
  noMore("int", none);
  return toDtype(x, "int32");
}

/** True where not zero. @internal */
export function toBool(x: Tensor, ...none: []): Tensor {
  noMore("bool", none);
  return toDtype(x, "bool");
}

/** @internal */
export function toDtype(x: Tensor, dtype: DType): Tensor {
  alive("to", x);
  if (x.dtype === dtype) return x;
  if (isFloat(dtype)) return cast(isFloat(x.dtype) ? x : convert(x, "float32"), dtype);
  return dtype === "int32" && x.dtype === "bool" ? apply(Relabel, [x], null) : convert(x, dtype);
}

const Relabel: Op = {
  name: "int",
  strided: true,
  forward([x]) {
    const y = empty(x!.shape, "int32", "int", x!.device);
    readStrided("int", y, x!);
    return y;
  },
};

function convert(x: Tensor, dtype: DType): Tensor {
  const name = dtype.replace(/\d+$/, "");
  const kernel = `cast_${dtype === "bool" ? dtype : suffix(dtype)}_${suffix(x.dtype)}`;
  const op: Op = {
    name,
    strided: true,
    forward([t]) {
      const y = empty(t!.shape, dtype, name, t!.device);
      launchEach(kernel, y, [t!], undefined, name);
      return y;
    },
  };
  return apply(op, [x], null);
}
