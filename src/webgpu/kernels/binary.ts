// Elementwise kernels of two tensors, dense or broadcast by strides (0 where a dimension is spread).
import { one, type Registry } from "../kernel.ts";
import { strided } from "./copy.ts";
import { COMPARISONS, comparison } from "./unary.ts";

const ARITHMETIC: Record<string, string> = { add: "p + q", sub: "p - q", mul: "p * q" };
/** NaN wins in both. */
const FLOAT: Record<string, string> = {
  ...ARITHMETIC,
  div: "p / q",
  maximum: "select(select(q, p, p > q || isNan_(p)), q, isNan_(q))",
  minimum: "select(select(q, p, p < q || isNan_(p)), q, isNan_(q))",
};

const pair = (name: string, type: string, value: string): Registry => ({
  [`${name}_${type}`]: one({ body: `let p = a[i]; let q = b[i]; y[i] = ${value};` }),
  [`${name}_broadcast_${type}`]: one({
    body: `${strided("i", ["s", "t"])}
  let p = a[u32(at_s)]; let q = b[u32(at_t)]; y[i] = ${value};`,
  }),
});

export const binary: Registry = Object.assign(
  {},
  ...Object.entries(FLOAT).map(([name, value]) => pair(name, "f32", value)),
  ...Object.entries({ ...ARITHMETIC, maximum: "max(p, q)", minimum: "min(p, q)" }).map(([name, value]) =>
    pair(name, "i32", value),
  ),
  ...COMPARISONS.flatMap((name) => ["f32", "i32"].map((type) => pair(name, type, comparison(name, "p", "q", type)))),
);
