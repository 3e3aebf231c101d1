// Unary, binary and copying kernels of the reference: one line of f64 arithmetic each.
import { WasmgradError } from "../../src/index.ts";
import { digamma, erf, erfc, erfinv, floorDivide, lgamma, pow, remainder, round, trigamma } from "./functions.ts";
import { f32, i32, type Kernel, type Kernels, ReferenceStorage, View } from "./view.ts";

export const elementwise: Kernels = {};

// Unary: y[i] = f(x[i]).
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const unary: Record<string, (x: number) => number> = {
  neg: (x) => -x,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  sigmoid,
  relu: (x) => Math.max(x, 0), // NaN stays NaN
  abs: Math.abs,
  sin: Math.sin,
  cos: Math.cos,
  ...{ floor: Math.floor, ceil: Math.ceil, trunc: Math.trunc, round },
  ...{ expm1: Math.expm1, log1p: Math.log1p, log2: Math.log2, log10: Math.log10, erf, erfc, tan: Math.tan },
  ...{ sinh: Math.sinh, cosh: Math.cosh, asin: Math.asin, acos: Math.acos, atan: Math.atan },
  ...{ asinh: Math.asinh, acosh: Math.acosh, atanh: Math.atanh, lgamma, digamma, trigamma, erfinv },
  gelu: (x) => x * normal(x),
};
const normal = (x: number) => erfc(-x * Math.SQRT1_2) / 2;
const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const bell = (x: number) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);
// |f'|: how the scale of a sum goes through f.
const slope: Record<string, (x: number) => number> = {
  neg: () => 1,
  exp: Math.exp,
  log: (x) => 1 / x,
  sqrt: (x) => 0.5 / Math.sqrt(x),
  tanh: (x) => 1 - Math.tanh(x) ** 2,
  sigmoid: (x) => sigmoid(x) * sigmoid(-x),
  relu: (x) => (x <= 0 ? 0 : 1),
  abs: () => 1,
  sin: Math.cos,
  cos: Math.sin,
  ...{ floor: () => 0, ceil: () => 0, trunc: () => 0, round: () => 0 },
  ...{ expm1: Math.exp, log1p: (x) => 1 / (1 + x), log2: (x) => 1 / x / Math.LN2, log10: (x) => 1 / x / Math.LN10 },
  ...{ erf: bell, erfc: bell, tan: (x) => 1 + Math.tan(x) ** 2, sinh: Math.cosh, cosh: Math.sinh },
  ...{ asin: (x) => 1 / Math.sqrt(1 - x * x), acos: (x) => 1 / Math.sqrt(1 - x * x), atan: (x) => 1 / (1 + x * x) },
  ...{ lgamma: digamma, digamma: trigamma, trigamma: (x) => 2 / x ** 3 },
  erfinv: (x) => 1 / bell(erfinv(x)),
  gelu: (x) => normal(x) + x * density(x),
  asinh: (x) => 1 / Math.sqrt(x * x + 1),
  acosh: (x) => 1 / Math.sqrt(x * x - 1),
  atanh: (x) => 1 / (1 - x * x),
};
for (const [name, f] of Object.entries(unary)) {
  elementwise[`${name}_f32`] = ([y], [x], [n]) => {
    for (let i = 0; i < n; i++) {
      const s = x.s(i) && x.s(i) * Math.abs(slope[name](x.v[i]));
      y.set(i, f(x.v[i]), s, x.terms);
    }
  };
}

// gx[i] = f(g[i], y[i]), linear in g.
const vjps: Record<string, (g: number, y: number) => number> = {
  tanh: (g, y) => g * (1 - y * y),
  sigmoid: (g, y) => g * y * (1 - y),
  relu: (g, y) => (y <= 0 ? 0 : g),
  sqrt: (g, y) => g / (2 * y),
  gelu: (g, x) => g * (normal(x) + x * density(x)),
};
for (const [name, f] of Object.entries(vjps)) {
  elementwise[`${name}_vjp_f32`] = ([gx], [g, y], [n]) => {
    for (let i = 0; i < n; i++) {
      const s = g.s(i) && Math.abs(f(g.s(i), y.v[i]));
      gx.set(i, f(g.v[i], y.v[i]), s, g.terms);
    }
  };
}

/** Constants of ops, which rows hold rounded. */
const CONSTANTS = new Map(
  [Math.PI, Math.LN2, Math.LN10, 2 / Math.sqrt(Math.PI), Math.sqrt(Math.PI) / 2, Math.PI / 180, 180 / Math.PI].flatMap(
    (c) => [[Math.fround(c), c] as const, [Math.fround(-c), -c] as const],
  ),
);
const whole = (c: number): number => CONSTANTS.get(c) ?? c;

// y[i] = f(x[i], s), s a scalar.
const scalars: Record<string, [f: (x: number, s: number) => number, slope: (x: number, s: number) => number]> = {
  add: [(x, s) => x + s, () => 1],
  mul: [(x, s) => x * s, (_, s) => s],
  div: [(x, s) => x / s, (_, s) => 1 / s],
  rsub: [(x, s) => s - x, () => 1],
  rdiv: [(x, s) => s / x, (x, s) => s / (x * x)],
  atleast: [(x, s) => (x < s ? s : x), () => 1],
  atmost: [(x, s) => (x > s ? s : x), () => 1],
};
for (const [name, [f, slope]] of Object.entries(scalars)) {
  elementwise[`${name}_scalar_f32`] = ([y], [x], [n], [word]) => {
    const c = whole(f32(word));
    for (let i = 0; i < n; i++) {
      y.set(i, f(x.v[i], c), x.s(i) && x.s(i) * Math.abs(slope(x.v[i], c)), x.terms);
    }
  };
}

const comparisons: Record<string, (a: number, b: number) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};
for (const [name, f] of Object.entries(comparisons)) {
  for (const [dtype, read] of [["f32", f32] as const, ["i32", i32] as const]) {
    elementwise[`${name}_scalar_${dtype}`] = ([y], [x], [n], [word]) => {
      const c = read(word);
      for (let i = 0; i < n; i++) y.set(i, Number(f(x.v[i], c)));
    };
  }
}

function map(f: (x: number) => number): Kernel {
  return ([y], [x], [n]) => {
    for (let i = 0; i < n; i++) y.set(i, f(x.v[i]));
  };
}
elementwise.cast_f32_i32 = map((x) => x);

elementwise.cast_i32_f32 = map(
  (x) => (Number.isNaN(x) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(x))) + 0), // no -0
);
elementwise.cast_bool_f32 = map((x) => Number(x !== 0));
elementwise.cast_bool_i32 = map((x) => Number(x !== 0));

// Copies, of any dtype.
const move = (y: View, i: number, x: View, j: number) => y.set(i, x.v[j], x.s(j), x.storage.terms);

elementwise.copy_b32 = ([y], [x], [n]) => {
  for (let i = 0; i < n; i++) move(y, i, x, i);
};
// A storage of float16 rounds by itself.
elementwise.cast_f32_f16 = elementwise.copy_b32;
elementwise.cast_f16_f32 = elementwise.copy_b32;
elementwise.fill_f32 = ([y], _, [n], [word]) => {
  for (let i = 0; i < n; i++) y.set(i, f32(word));
};
elementwise.fill_i32 = ([y], _, [n], [word]) => {
  for (let i = 0; i < n; i++) y.set(i, i32(word));
};
elementwise.arange_f32 = ([y], _, [n], [start, step]) => {
  for (let i = 0; i < n; i++) y.set(i, f32(start) + i * f32(step));
};
elementwise.arange_i32 = ([y], _, [n], [start, step]) => {
  for (let i = 0; i < n; i++) y.set(i, i32(start + Math.imul(i, step)));
};

/** Visits the cells of dense extents in order: f(place in the dense array, place by each set of strides). */
function walk(
  extents: readonly number[],
  strides: readonly (readonly number[])[],
  f: (i: number, at: number[]) => void,
): void {
  const count = extents.reduce((a, b) => a * b, 1);
  for (let i = 0; i < count; i++) {
    const at = strides.map(() => 0);
    let rest = i;
    for (let d = extents.length - 1; d >= 0; d--) {
      const index = rest % extents[d];
      rest = (rest - index) / extents[d];
      strides.forEach((stride, k) => {
        at[k] += index * i32(stride[d]);
      });
    }
    f(i, at);
  }
}

elementwise.permute_b32 = ([y], [x], extents, strides) => {
  walk(extents, [[...strides]], (i, [j]) => move(y, i, x, j));
};
elementwise.scatter_b32 = ([y], [x], extents, strides) => {
  walk(extents, [[...strides]], (i, [j]) => move(y, j, x, i));
};
elementwise.scatter_add_f32 = ([y], [before, x], extents, strides) => {
  walk(extents, [[...strides]], (i, [j]) => pair("add", (a, b) => a + b, y, j, before, j, x, i));
};
// y | c a b
elementwise.where_f32 = ([y], [c, a, b], [n]) => {
  for (let i = 0; i < n; i++) move(y, i, c.v[i] !== 0 ? a : b, i);
};
for (const [name, loses] of [
  ["maximum", comparisons.lt],
  ["minimum", comparisons.gt],
] as const) {
  elementwise[`${name}_vjp_f32`] = ([gx], [g, x, o], [n]) => {
    for (let i = 0; i < n; i++) {
      const part = x.v[i] === o.v[i] ? 0.5 : loses(x.v[i], o.v[i]) ? 0 : 1;
      gx.set(i, part === 0 ? 0 : g.v[i] * part, g.s(i) * part, g.terms);
    }
  };
}
elementwise.transpose_b32 = ([y], [x], [batch, m, n]) => {
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) move(y, (b * n + j) * m + i, x, (b * m + i) * n + j);
    }
  }
};

// Binary: y[i] = f(a[i], b[i]); the scale of a sum goes through by the chain rule.
const binary: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max, // NaN wins in both
  minimum: Math.min,
};
const integer: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  maximum: Math.max,
  minimum: Math.min,
};
function scaleOf(name: string, a: View, i: number, b: View, j: number): number {
  if (a.s(i) === 0 && b.s(j) === 0) return 0;
  if (name === "mul") return Math.hypot(a.s(i) * b.v[j], a.v[i] * b.s(j));
  if (name === "div") return Math.hypot(a.s(i) / b.v[j], (a.v[i] * b.s(j)) / b.v[j] ** 2);
  if (name === "add" || name === "sub") return Math.hypot(a.size(i), b.size(j));
  return Math.max(a.s(i), b.s(j));
}
function pair(
  name: string,
  f: (a: number, b: number) => number,
  y: View,
  i: number,
  a: View,
  j: number,
  b: View,
  k: number,
) {
  y.set(i, f(a.v[j], b.v[k]), scaleOf(name, a, j, b, k), a.terms + b.terms);
}
function addBinary(name: string, dtype: string, f: (a: number, b: number) => number): void {
  elementwise[`${name}_${dtype}`] = ([y], [a, b], [n]) => {
    for (let i = 0; i < n; i++) pair(name, f, y, i, a, i, b, i);
  };
  elementwise[`${name}_broadcast_${dtype}`] = ([y], [a, b], extents, strides) => {
    walk(extents, [strides.slice(0, 6), strides.slice(6, 12)], (i, [j, k]) => pair(name, f, y, i, a, j, b, k));
  };
}
/** Of these there is no kernel that broadcasts: rows over views of the dense one do that. */
const pairs: Record<string, (a: number, b: number) => number> = {
  ...{ atan2: Math.atan2, pow, hypot: Math.hypot, fmod: (a, b) => a % b, remainder, floor_divide: floorDivide },
};
const wholePairs: Record<string, (a: number, b: number) => number> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  pow: (a, b) => (b < 0 ? Math.trunc(a ** b) + 0 : Number(BigInt.asIntN(32, BigInt(a) ** BigInt(b)))),
};
for (const [name, f] of Object.entries(wholePairs)) {
  elementwise[`${name}_i32`] = ([y], [a, b], [n]) => {
    for (let i = 0; i < n; i++) y.set(i, f(a.v[i], b.v[i]));
  };
}
for (const [name, f] of [["trunc_divide_i32", Math.trunc] as const, ["floor_divide_i32", Math.floor] as const]) {
  elementwise[name] = ([y], [a, b], [n], _, op) => {
    for (let i = 0; i < n; i++) {
      if (b.v[i] === 0)
        throw new WasmgradError(`${op}: ${a.v[i]} at ${i} of [${n}] is divided by 0: an int32 has no infinity`);
      y.set(i, f(a.v[i] / b.v[i]) | 0);
    }
  };
}
for (const [name, f] of Object.entries(pairs)) {
  elementwise[`${name}_f32`] = ([y], [a, b], [n]) => {
    for (let i = 0; i < n; i++) y.set(i, f(a.v[i], b.v[i]));
  };
}
for (const [name, f] of Object.entries(binary)) addBinary(name, "f32", f);
for (const [name, f] of Object.entries(integer)) addBinary(name, "i32", f);
for (const [name, f] of Object.entries(comparisons)) {
  addBinary(`${name}`, "f32", (a, b) => Number(f(a, b)));
  addBinary(`${name}`, "i32", (a, b) => Number(f(a, b)));
}

/** The row over views of a dense kernel: each input gathered, then that kernel. */
export const walked =
  (dense: Kernel): Kernel =>
  (y, inputs, extents, scalars, op) => {
    const n = extents.reduce((a, b) => a * b, 1);
    const gathered = inputs.map((x, k) => {
      const { device, terms } = x.storage;
      const g = new View({ storage: new ReferenceStorage(device, 4 * n, "gathered", false), offset: 0 });
      walk(extents, [scalars.slice(6 * k, 6 * k + 6)], (i, [j]) => g.set(i, x.v[j], x.s(j), terms));
      g.storage.terms = terms;
      return g;
    });
    dense(y, gathered, [n], scalars.slice(6 * inputs.length), op);
  };

for (const name of ["copy", "permute", "scatter", "transpose"]) {
  elementwise[`${name}_b16`] = elementwise[`${name}_b32`];
}
