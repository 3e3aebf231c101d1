// Elements held between bounds, numbers or tensors, and the gradients, which stop where a bound took their place.
import { isFloat } from "../core/dtype.ts";
import { expectOptions, fail } from "../core/error.ts";
import { apply, type Op, save } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { word } from "../row/words.ts";
import { mul } from "./binary.ts";
import { ge, gt, le, lt } from "./compare.ts";
import { compose, done, like } from "./compose.ts";
import { clone, toFloat } from "./copy.ts";
import { constant } from "./create.ts";
import { launchEach } from "./each.ts";
import { silently } from "./elementwise.ts";
import { expectNumber } from "./expect.ts";
import { formula } from "./formula.ts";
import { beside } from "./promote.ts";
import { where } from "./where.ts";

/** x, or `s` where x is beyond it. */
function bounded(kernel: string, x: Tensor, s: number): Tensor {
  const y = like(x, "clamp");
  launchEach(kernel, y, [x], [word(s)], "clamp");
  return y;
}

/** Between numbers: the gradient goes through where x is at or between them, and nowhere for NaN. */
const Clamp: Op<{ min: number; max: number }> = {
  name: "clamp",
  strided: true,
  forward([x], { min, max }) {
    save(x!);
    return silently(() => {
      if (Number.isNaN(min) && Number.isNaN(max)) return mul(x!, Number.NaN);
      if (x!.dtype === "float32") {
        const low = min === Number.NEGATIVE_INFINITY ? x! : bounded("atleast_scalar_f32", x!, min);
        if (max === Number.POSITIVE_INFINITY) return low === x ? clone(low) : low;
        const y = bounded("atmost_scalar_f32", low, max);
        if (low !== x) done(low);
        return y;
      }
      const low = min === Number.NEGATIVE_INFINITY ? x! : where(lt(x!, min), min, x!);
      return max === Number.POSITIVE_INFINITY ? (low === x ? clone(low) : low) : where(gt(low, max), max, low);
    });
  },
  vjp: (g, { saved: [x], params: { min, max } }) => [
    () => compose(() => where(ge(x!, min), where(le(x!, max), g, 0), 0)),
  ],
};

/** Bounds of `clamp`. */
export interface ClampOptions {
  /** Nothing below it stays; none by default. */
  min?: Tensor | number | null;
  /** Nothing above it stays, not even `min`; none by default. */
  max?: Tensor | number | null;
}

/**
 * Each element, held between bounds: numbers, or tensors that broadcast. At a bound the gradient is that of `x`; NaN stays.
 * https://pytorch.org/docs/stable/generated/torch.clamp.html
 */
export function clamp(x: Tensor, bounds: ClampOptions, ...none: []): Tensor {
  alive("clamp", x);
  expectOptions("clamp", bounds ?? null, "min max", none);
  const { min = null, max = null } = bounds;
  if (min === null && max === null) fail("clamp", `${show(x.shape)}: at least one of min and max is expected`);
  for (const [v, none] of [[min, Number.NEGATIVE_INFINITY] as const, [max, Number.POSITIVE_INFINITY] as const]) {
    if (v === null || v === none || v instanceof Tensor) continue;
    expectNumber("clamp", v, x);
    if (beside(x, v) !== x.dtype && x.dtype === "int32") return compose(() => clamp(toFloat(x), bounds));
  }
  if (typeof (min ?? 0) === "number" && typeof (max ?? 0) === "number") {
    // A number that is NaN does nothing by itself, and beside another bound makes all NaN: as in PyTorch.
    const nan = min !== null && max !== null && (Number.isNaN(min) || Number.isNaN(max));
    return apply(Clamp, [x], {
      min: nan ? Number.NaN : ((min ?? Number.NEGATIVE_INFINITY) as number),
      max: nan ? Number.NaN : ((max ?? Number.POSITIVE_INFINITY) as number),
    });
  }
  if (!isFloat(x.dtype)) {
    return compose(() => {
      const low = min === null ? x : where(lt(x, min), min, x);
      return max === null ? low : where(gt(low, max), max, low);
    });
  }
  const bound = (v: Tensor | number): Tensor => (v instanceof Tensor ? toFloat(v) : constant(v, x));
  return compose(() => {
    if (max === null) return apply(AtLeast, [x, bound(min!)], null);
    if (min === null) return apply(AtMost, [x, bound(max)], null);
    return apply(Between, [x, bound(min), bound(max)], null);
  });
}

/** 0 or g, by what is true of both. */
const both = (p: Tensor, q: Tensor, g: Tensor | number, other: Tensor | number): Tensor =>
  where(p, where(q, g, other), other);
/** Between tensors: a NaN among the three gives NaN, of which none has a gradient. */
const AtLeast: Op = /* @__PURE__ */ formula(
  "clamp",
  (_, x, min) => where(ge(x!, min!), x!, where(lt(x!, min!), min!, Number.NaN)),
  (g, _, x, min) => [() => where(ge(x!, min!), g, 0), () => where(lt(x!, min!), g, 0)],
);
const AtMost: Op = /* @__PURE__ */ formula(
  "clamp",
  (_, x, max) => where(le(x!, max!), x!, where(gt(x!, max!), max!, Number.NaN)),
  (g, _, x, max) => [() => where(le(x!, max!), g, 0), () => where(gt(x!, max!), g, 0)],
);
const Between: Op = /* @__PURE__ */ formula(
  "clamp",
  (_, x, min, max) => {
    const low = where(ge(x!, min!), x!, where(lt(x!, min!), min!, Number.NaN));
    return where(le(low, max!), low, where(gt(low, max!), max!, Number.NaN));
  },
  (g, _, x, min, max) => [
    () => both(ge(x!, min!), le(x!, max!), g, 0),
    () => both(lt(x!, min!), lt(min!, max!), g, 0),
    () => where(gt(x!, max!), g, where(lt(max!, min!), g, 0)),
  ],
);

const Held = /* @__PURE__ */ formula<number>(
  "clamp",
  (least, x) => clamp(x, { min: least }),
  (g) => [() => g],
);
/** What lies below `least` is that; the gradient passes there too, as of what PyTorch clamps off the tape. @internal */
export const held = (least: number, x: Tensor): Tensor => apply(Held, [x], least);
