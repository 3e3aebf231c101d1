// Elementwise kernels of one tensor, of a tensor and a number, and the gradients that need only g and y.
import { type Implementation, one, type Registry } from "../kernel.ts";

/** Of x, and where there is one of the number s. */
const map = (value: string): Implementation => one({ body: `let v = x[i]; y[i] = ${value};` });
const vjp = (value: string): Implementation => one({ body: `let d = g[i]; let v = y[i]; gx[i] = ${value};` });

const SIGNS: Record<string, string> = { eq: "==", lt: "<", le: "<=", gt: ">", ge: ">=" };
export const COMPARISONS: readonly string[] = [...Object.keys(SIGNS), "ne"];

/** `p OP q` as 0 or 1. Floats by their bits: a driver may flush subnormals and need not know NaN. */
export function comparison(name: string, p: string, q: string, type: string): string {
  if (name === "ne") return `1 - ${comparison("eq", p, q, type)}`;
  if (type === "i32") return `i32(${p} ${SIGNS[name]} ${q})`;
  return `i32(order_(${p}) ${SIGNS[name]} order_(${q}) && ordered_(${p}, ${q}))`;
}

export const unary: Registry = {
  neg_f32: map("bitcast<f32>(bitcast<u32>(v) ^ 0x80000000u)"),
  abs_f32: map("bitcast<f32>(bitcast<u32>(v) & 0x7fffffffu)"),
  sqrt_f32: map("sqrt_(v)"),
  relu_f32: map("relu_(v)"),
  floor_f32: map("floor(v)"),
  ceil_f32: map("ceil(v)"),
  round_f32: map("round(v)"),
  trunc_f32: map("trunc(v)"),
  exp_f32: map("exp_(v)"),
  log_f32: map("log_(v)"),
  tanh_f32: map("tanh_(v)"),
  sigmoid_f32: map("sigmoid_(v)"),
  sin_f32: map("sin_(v)"),
  cos_f32: map("cos_(v)"),
  // Loads and stores change the width.
  cast_f32_f16: map("v"),
  cast_f16_f32: map("v"),
  cast_f32_i32: map("f32(v)"),
  cast_i32_f32: map(
    "select(i32(clamp(v, -2147483648.0, 2147483520.0)), 2147483647, v >= 2147483648.0) * i32(!isNan_(v))",
  ),
  cast_bool_f32: map("i32((bitcast<u32>(v) & 0x7fffffffu) != 0u)"),
  cast_bool_i32: map("i32(v != 0)"),
  tanh_vjp_f32: vjp("d * (1.0 - v * v)"),
  sigmoid_vjp_f32: vjp("d * v * (1.0 - v)"),
  relu_vjp_f32: vjp("select(d, 0.0, v <= 0.0)"),
  sqrt_vjp_f32: vjp("d / (2.0 * v)"),
  add_scalar_f32: map("v + s"),
  mul_scalar_f32: map("v * s"),
  div_scalar_f32: map("v / s"),
  rsub_scalar_f32: map("s - v"),
  rdiv_scalar_f32: map("s / v"),
  atleast_scalar_f32: map(`select(v, s, ${comparison("lt", "v", "s", "f32")} != 0)`),
  atmost_scalar_f32: map(`select(v, s, ${comparison("gt", "v", "s", "f32")} != 0)`),
  ...Object.fromEntries(
    COMPARISONS.flatMap((name) => [
      [`${name}_scalar_f32`, map(comparison(name, "v", "s", "f32"))],
      [`${name}_scalar_i32`, map(comparison(name, "v", "s", "i32"))],
    ]),
  ),
};
