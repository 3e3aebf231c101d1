// Elementwise kernels of two tensors, dense or broadcast by strides (0 where a dimension is spread).
import { one, type Registry } from "../kernel.ts";
import { DIMS, strided, strides } from "./copy.ts";
import { COMPARISONS, comparison } from "./unary.ts";

const ARITHMETIC: Record<string, string> = { add: "p + q", sub: "p - q", mul: "p * q" };
/** NaN wins in both. */
const FLOAT: Record<string, string> = {
  ...ARITHMETIC,
  div: "p / q",
  maximum: "select(select(q, p, p > q || isNan_(p)), q, isNan_(q))",
  minimum: "select(select(q, p, p < q || isNan_(p)), q, isNan_(q))",
};

function pair(name: string, type: string, value: string, to: string): Registry {
  const buffers = `y:${to} a:${type} b:${type}`;
  return {
    [`${name}_${type}`]: one({
      buffers,
      extents: "n",
      body: `let p = a[i]; let q = b[i]; y[i] = ${value};`,
    }),
    [`${name}_broadcast_${type}`]: one({
      buffers,
      extents: DIMS,
      scalars: `${strides("s")} ${strides("t")}`,
      body: `${strided("i", ["s", "t"])}
  let p = a[u32(at_s)]; let q = b[u32(at_t)]; y[i] = ${value};`,
    }),
  };
}

export const binary: Registry = Object.assign(
  {},
  ...Object.entries(FLOAT).map(([name, value]) => pair(name, "f32", value, "f32")),
  ...Object.entries({ ...ARITHMETIC, maximum: "max(p, q)", minimum: "min(p, q)" }).map(([name, value]) =>
    pair(name, "i32", value, "i32"),
  ),
  ...COMPARISONS.flatMap((name) =>
    ["f32", "i32"].map((type) => pair(name, type, comparison(name, "p", "q", type), "i32")),
  ),
);
