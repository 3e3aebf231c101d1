// Ops that compute: elementwise, reductions, products, and writes in place.
import { type Draw, type Drawer, type DType, together, type Value } from "./draw.ts";
import { type Ends, exact, positive, UNARY } from "./draw-unary.ts";

const float = (v: Value): boolean => v.dtype === "f32";

// --------------------------------------------------------------------------------------------------------- of one value

function unary(op: string): Drawer {
  const { good, must, ends, exact: stays } = UNARY[op]!;
  return (d) => {
    const anyDtype = op === "clone" || d.chance(0.03);
    const fits = (v: Value): boolean => (anyDtype || float(v)) && (must === undefined || must(v));
    const x = d.some((v) => fits(v) && (good === undefined || good(v) || d.chance(0.05)));
    if (x === null) return false;
    const [lo, hi] = ends(x);
    return d.step(op, [x], {}, [{ shape: x.shape, lo, hi, ...(stays ? {} : { bits: null, dtype: "f32" }) }]) !== null;
  };
}

function softmax(op: string): Drawer {
  return (d) => {
    const x = d.some((v) => float(v) && v.shape.length > 0);
    if (x === null) return false;
    const dim = d.int(2 * x.shape.length) - x.shape.length;
    const ends = op === "softmax" ? { lo: 0, hi: 1 } : { lo: x.lo - x.hi - 3, hi: 0 };
    return d.step(op, [x], { dim }, [{ shape: x.shape, bits: null, ...ends }]) !== null;
  };
}

const cast: Drawer = (d) => {
  const dtype = d.pick(["f32", "i32", "bool"] as const);
  const x = d.some((v) => v.dtype !== dtype && exact(v) && !v.special);
  if (x === null) return false;
  const ends = dtype === "bool" ? { lo: 0, hi: 1 } : { lo: Math.trunc(x.lo), hi: Math.trunc(x.hi) };
  return d.step("to", [x], { dtype }, [{ shape: x.shape, dtype, bits: 0, ...ends }]) !== null;
};

// -------------------------------------------------------------------------------------------------------- of two values

const RANK: Record<DType, number> = { bool: 0, i32: 1, f32: 2 };
const wider = (a: DType, b: DType): DType => (RANK[a] >= RANK[b] ? a : b);
/** Grid values; for whole tensors whole ones, and now and then a fraction. */
const scalar = (d: Draw, whole: boolean): number =>
  whole && d.chance(0.7) ? d.int(7) - 3 : d.pick([0.5, -0.25, 2, -1.5, 0, 1, -1, 3, 0.75, -2]);

/** A second operand for `x`: one that broadcasts, of the same memory now and then, else a new input. */
function partner(d: Draw, x: Value, good: (v: Value) => boolean): Value {
  const fits = (v: Value): boolean => together(v.shape, x.shape) !== null && good(v);
  const here = d.chance(0.15) && good(x) ? x : d.chance(0.75) ? d.some((v) => v !== x && fits(v)) : null;
  if (here !== null) return here;
  const dtype = d.chance(0.06) ? d.pick(["f32", "i32", "bool"] as const) : x.dtype;
  const made = d.input(d.broadcastable(x.shape), { dtype, grad: dtype === "f32" && d.chance(0.6) });
  return good(made) ? made : partnerOf(d, x);
}
const partnerOf = (d: Draw, x: Value): Value => d.input(d.broadcastable(x.shape), { dtype: x.dtype });

function ends(op: string, [a, b]: Ends, [c, e]: Ends): Ends {
  if (op === "add") return [a + c, b + e];
  if (op === "sub") return [a - e, b - c];
  if (op === "maximum") return [Math.max(a, c), Math.max(b, e)];
  if (op === "minimum") return [Math.min(a, c), Math.min(b, e)];
  if (op === "mul") {
    const all = [a * c, a * e, b * c, b * e];
    return [Math.min(...all), Math.max(...all)];
  }
  const least = c > 0 ? c : e < 0 ? -e : 0.25;
  const most = Math.max(-a, b) / least;
  return [a >= 0 && c > 0 ? 0 : -most, most];
}

const fraction = (s: number): number => (Number.isInteger(s) ? 0 : Number.isInteger(s * 2) ? 1 : 2);
function bitsOf(op: string, a: number | null, b: number | null): number | null {
  if (a === null || b === null || op === "div") return null;
  return op === "mul" ? a + b : Math.max(a, b);
}

function binary(op: string): Drawer {
  const kink = op === "maximum" || op === "minimum";
  return (d) => {
    const good = (v: Value): boolean => (!kink || exact(v)) && (float(v) || d.chance(0.5));
    const x = d.some(good);
    if (x === null) return false;
    if (!kink && d.chance(0.25)) {
      const other = scalar(d, x.dtype !== "f32");
      if (op === "div" && other === 0) return false;
      const [lo, hi] = ends(op, [x.lo, x.hi], [other, other]);
      const dtype = op === "div" || !Number.isInteger(other) ? "f32" : wider(x.dtype, "i32");
      return (
        d.step(op, [x], { other }, [{ shape: x.shape, dtype, lo, hi, bits: bitsOf(op, x.bits, fraction(other)) }]) !==
        null
      );
    }
    const divisor = (v: Value): boolean => op !== "div" || v.lo > 0 || v.hi < 0 || d.chance(0.1);
    const y = partner(d, x, (v) => good(v) && divisor(v) && (v.dtype === x.dtype || d.chance(0.3)));
    const [lo, hi] = ends(op, [x.lo, x.hi], [y.lo, y.hi]);
    const dtype = op === "div" ? "f32" : wider(x.dtype, y.dtype);
    const flip = d.chance(0.5) && op !== "div" && op !== "sub";
    return (
      d.step(op, flip ? [y, x] : [x, y], {}, [
        { shape: together(x.shape, y.shape)!, dtype, lo, hi, bits: bitsOf(op, x.bits, y.bits) },
      ]) !== null
    );
  };
}

/** Functions of two whose results jump, of exact values: what is left of a division, whole quotients. */
function division(op: string): Drawer {
  return (d) => {
    const x = d.some((v) => exact(v) && v.dtype !== "bool");
    if (x === null) return false;
    const y = partner(d, x, (v) => exact(v) && v.dtype !== "bool" && (v.lo > 0 || v.hi < 0));
    if (!(y.lo > 0 || y.hi < 0)) return false;
    const most = op === "floor_divide" ? Math.max(-x.lo, x.hi) / Math.min(Math.abs(y.lo), Math.abs(y.hi)) + 1 : 0;
    const size = most || Math.max(-y.lo, y.hi);
    const dtype = wider(x.dtype, y.dtype);
    const bits = op === "floor_divide" ? 0 : bitsOf("add", x.bits, y.bits);
    const result = { shape: together(x.shape, y.shape)!, dtype, lo: -size, hi: size, bits };
    return d.step(op, [x, y], {}, [result]) !== null;
  };
}

/** Smooth functions of two floats. */
const SMOOTH: Record<string, { good: (v: Value) => boolean; ends: (a: Value, b: Value) => Ends }> = {
  atan2: { good: (v) => v.lo > 0 || v.hi < 0, ends: () => [-3.2, 3.2] },
  hypot: { good: (v) => v.lo > 0 || v.hi < 0, ends: (a, b) => [0, Math.max(-a.lo, a.hi) + Math.max(-b.lo, b.hi)] },
  logaddexp: { good: () => true, ends: (a, b) => [Math.max(a.lo, b.lo), Math.max(a.hi, b.hi) + 1] },
  xlogy: { good: positive, ends: (a, b) => [-10 * a.hi, a.hi * Math.log(Math.max(b.hi, 2))] },
  pow: { good: (v) => v.lo > 0.1 && v.hi <= 3, ends: (a, b) => [0, Math.max(1, a.hi) ** b.hi / Math.min(1, a.lo)] },
};
function smooth(op: string): Drawer {
  const { good, ends: of } = SMOOTH[op]!;
  return (d) => {
    const x = d.some((v) => float(v) && good(v));
    if (x === null) return false;
    const y = d.some((v) => float(v) && good(v) && together(v.shape, x.shape) !== null);
    if (y === null) return false;
    const [lo, hi] = of(x, y);
    return d.step(op, [x, y], {}, [{ shape: together(x.shape, y.shape)!, dtype: "f32", lo, hi, bits: null }]) !== null;
  };
}

/** A power by a number. */
const power: Drawer = (d) => {
  const x = d.some((v) => v.lo > 0.2 && v.hi <= 6 && v.dtype !== "bool");
  if (x === null) return false;
  const exponent = d.pick(x.dtype === "f32" ? [2, 3, 0.5, -1, 0, 1, 1.5, -0.5] : [0, 1, 2, 3]);
  const all = [x.lo ** exponent, x.hi ** exponent];
  const result = { shape: x.shape, lo: Math.min(...all), hi: Math.max(...all) };
  return d.step("pow", [x], { exponent }, [{ ...result, bits: x.dtype === "i32" ? 0 : null }]) !== null;
};

/** Blends of three. */
function blend(op: string): Drawer {
  return (d) => {
    const x = d.some(float);
    if (x === null) return false;
    const [a, b] = [partner(d, x, float), partner(d, x, float)];
    if (op === "addcdiv" && !(b.lo > 0 || b.hi < 0)) return false;
    const shape = together(together(x.shape, a.shape) ?? [], b.shape);
    if (shape === null || together(x.shape, a.shape) === null) return false;
    const most = [x, a, b].map((v) => Math.max(1, -v.lo, v.hi));
    const over = op === "addcdiv" ? 1 / Math.min(Math.abs(b.lo), Math.abs(b.hi)) : most[2]!;
    const size = most[0]! + 2 * (most[0]! + most[1]!) * Math.max(1, over);
    const args = op === "lerp" ? {} : { value: d.pick([0.5, -1, 2]) };
    return d.step(op, [x, a, b], args, [{ shape, dtype: "f32", lo: -size, hi: size, bits: null }]) !== null;
  };
}

/** Tests of one or two, whose results are bool. */
function logic(op: string): Drawer {
  return (d) => {
    const x = d.some(exact);
    if (x === null) return false;
    const result = { dtype: "bool", lo: 0, hi: 1, bits: 0 } as const;
    if (/^is|not$/.test(op)) return d.step(op, [x], {}, [{ shape: x.shape, ...result }]) !== null;
    const y = partner(d, x, exact);
    return d.step(op, [x, y], {}, [{ shape: together(x.shape, y.shape)!, ...result }]) !== null;
  };
}

/** Bits of whole numbers. */
function bitwise(op: string): Drawer {
  return (d) => {
    const x = d.some((v) => !float(v));
    if (x === null) return false;
    const y = partner(d, x, (v) => v.dtype === x.dtype);
    const end = x.dtype === "bool" ? [0, 1] : [-64, 64];
    const result = { shape: together(x.shape, y.shape)!, dtype: x.dtype, lo: end[0]!, hi: end[1]!, bits: 0 };
    return d.step(op, [x, y], {}, [result]) !== null;
  };
}

function comparison(op: string): Drawer {
  return (d) => {
    const x = d.some(exact);
    if (x === null) return false;
    const result = { dtype: "bool", lo: 0, hi: 1, bits: 0 } as const;
    if (d.chance(0.4))
      return d.step(op, [x], { other: scalar(d, x.dtype !== "f32") }, [{ shape: x.shape, ...result }]) !== null;
    const y = partner(d, x, (v) => exact(v) && (v.dtype === x.dtype || d.chance(0.3)));
    return d.step(op, [x, y], {}, [{ shape: together(x.shape, y.shape)!, ...result }]) !== null;
  };
}

/** A bool that broadcasts to `shape`. */
const maskFor = (d: Draw, shape: readonly number[]): Value =>
  d.some((v) => v.dtype === "bool" && together(v.shape, shape)?.join() === shape.join()) ??
  d.input(d.broadcastable(shape), { dtype: "bool" });

const where: Drawer = (d) => {
  const x = d.some(float);
  if (x === null) return false;
  const y = partner(d, x, float);
  const shape = together(x.shape, y.shape)!;
  const mask = maskFor(d, shape);
  const bits = bitsOf("add", x.bits, y.bits);
  const both = { lo: Math.min(x.lo, y.lo), hi: Math.max(x.hi, y.hi) };
  return d.step("where", [mask, x, y], {}, [{ shape, dtype: "f32", bits, ...both }]) !== null;
};

const maskedFill: Drawer = (d) => {
  const x = d.some(float);
  if (x === null) return false;
  const value = scalar(d, false);
  const both = { lo: Math.min(x.lo, value), hi: Math.max(x.hi, value), bits: bitsOf("add", x.bits, 2) };
  return d.step("masked_fill", [x, maskFor(d, x.shape)], { value }, [{ shape: x.shape, ...both }]) !== null;
};

const clamp: Drawer = (d) => {
  const x = d.some((v) => float(v) && exact(v));
  if (x === null) return false;
  const [min, max] = [-1, -0.5, 0, 0.25].map((b) => b + d.int(2) / 4).slice(0, 2);
  const args = d.weighted([
    [{ min, max: max! + 1 }, 2],
    [{ min }, 1],
    [{ max }, 1],
  ]);
  return d.step("clamp", [x], args, [{ shape: x.shape }]) !== null;
};

// ----------------------------------------------------------------------------------------------------------- reductions

const reduced = (shape: readonly number[], dims: readonly number[], keepdim: boolean): number[] =>
  keepdim ? shape.map((n, i) => (dims.includes(i) ? 1 : n)) : shape.filter((_, i) => !dims.includes(i));

/** Over all, one or several dims. */
function reduction(op: string): Drawer {
  const extreme = op.startsWith("am");
  return (d) => {
    const x = d.some((v) => (float(v) || d.chance(op === "sum" ? 0.5 : 0.1)) && (!extreme || exact(v)));
    if (x === null) return false;
    const rank = x.shape.length;
    const all = x.shape.map((_, i) => i);
    const whole = rank === 0 || d.chance(0.25);
    const dims = whole ? all : all.filter(() => d.chance(0.5));
    if (!whole && dims.length === 0) dims.push(d.int(rank));
    const n = dims.reduce((k, i) => k * x.shape[i]!, 1);
    if (extreme && n === 0 && d.chance(0.9)) return false;
    const keepdim = !whole && d.chance(0.4);
    const args = whole ? {} : { dim: dims.map((i) => (d.chance(0.3) ? i - rank : i)), keepdim };
    const shape = reduced(x.shape, dims, keepdim);
    if (extreme) return d.step(op, [x], args, [{ shape }]) !== null;
    const power = Number.isInteger(Math.log2(n));
    const bits = op === "sum" || x.bits === null ? x.bits : power ? x.bits + Math.log2(n) : null;
    const sum = op === "sum" ? { lo: Math.min(0, x.lo * n), hi: Math.max(0, x.hi * n) } : { lo: x.lo, hi: x.hi };
    const dtype = op === "sum" && x.dtype === "bool" ? "i32" : x.dtype;
    return d.step(op, [x], args, [{ shape, dtype, bits, ...sum, special: x.special || n === 0 }]) !== null;
  };
}

/** max, min: over all, or values and indices of a dim; argmax, argmin. */
function extreme(op: string): Drawer {
  return (d) => {
    const x = d.some((v) => (float(v) || d.chance(0.1)) && exact(v));
    if (x === null) return false;
    const rank = x.shape.length;
    const index = { dtype: "i32", lo: 0, hi: 64, bits: 0 } as const;
    if (rank === 0 || d.chance(0.25)) {
      if (x.shape.includes(0)) return false;
      return d.step(op, [x], {}, [{ shape: [], ...(op.startsWith("arg") ? index : {}) }]) !== null;
    }
    const at = d.int(rank);
    if (x.shape[at] === 0) return false;
    const keepdim = d.chance(0.4);
    const shape = reduced(x.shape, [at], keepdim);
    const results = op.startsWith("arg")
      ? [{ shape, ...index }]
      : [{ shape }, { shape, ...index, special: false, grad: false }];
    return d.step(op, [x], { dim: d.chance(0.3) ? at - rank : at, keepdim }, results) !== null;
  };
}

// ------------------------------------------------------------------------------------------------------------- products

const product = (d: Draw, op: string, [a, b, c]: Value[], k: number, shape: readonly number[]): boolean => {
  const most = Math.max(-a!.lo, a!.hi) * Math.max(-b!.lo, b!.hi) * k + (c ? Math.max(-c.lo, c.hi) : 0);
  const bits = bitsOf("add", bitsOf("mul", a!.bits, b!.bits), c ? c.bits : 0);
  return d.step(op, c ? [a!, b!, c] : [a!, b!], {}, [{ shape, lo: -most, hi: most, bits, dtype: "f32" }]) !== null;
};

const matmul: Drawer = (d) => {
  const a = d.some((v) => float(v) && v.shape.length > 0);
  if (a === null) return false;
  const k = a.shape[a.shape.length - 1]!;
  const rows = a.shape.slice(0, -1);
  const fits = (v: Value): boolean =>
    float(v) && v.shape.length <= 2 && (v.shape.length === 1 ? v.shape[0] : v.shape[0]) === k && v.shape.length > 0;
  const other = d.chance(0.4) ? d.some(fits) : null;
  const b = other ?? d.input(d.chance(0.25) ? [k] : [k, 1 + d.int(3)], { grad: d.chance(0.6) });
  return product(d, "matmul", [a, b], k, [...rows, ...b.shape.slice(1)]);
};

/** Batches of matrices that broadcast. */
const batches: Drawer = (d) => {
  const a = d.some((v) => float(v) && v.shape.length >= 3);
  if (a === null) return false;
  const k = a.shape[a.shape.length - 1]!;
  const lead = a.shape.slice(0, -2);
  const n = 1 + d.int(3);
  const b = d.input([...d.broadcastable(lead), k, n], { grad: d.chance(0.6) });
  return product(d, "matmul", [a, b], k, [...together(lead, b.shape.slice(0, -2))!, a.shape[a.shape.length - 2]!, n]);
};

const linear: Drawer = (d) => {
  const x = d.some((v) => float(v) && v.shape.length > 0);
  if (x === null) return false;
  const k = x.shape[x.shape.length - 1]!;
  const n = 1 + d.int(3);
  const weight = d.input([n, k], { grad: d.chance(0.7) });
  const bias = d.chance(0.6) ? [d.input([n], { grad: d.chance(0.7) })] : [];
  return product(d, "linear", [x, weight, ...bias], k, [...x.shape.slice(0, -1), n]);
};

// --------------------------------------------------------------------------------------------------------------- writes

/** What may be written: mostly what is not a leaf; now and then what PyTorch refuses. */
function target(d: Draw, good: (v: Value) => boolean = () => true): { x: Value; noGrad: boolean } | null {
  const x = d.some((v) => !v.lent && good(v) && (!(v.leaf && v.grad) || d.chance(0.05)), true);
  if (x === null) return null;
  return { x, noGrad: d.chance(x.leaf && x.grad ? 0.6 : 0.06) };
}

function binaryWrite(op: string): Drawer {
  const plain = op.slice(0, -1);
  return (d) => {
    const found = target(d, (v) => float(v) || d.chance(0.1));
    if (found === null) return false;
    const { x, noGrad } = found;
    if (op !== "copy_" && d.chance(0.3)) {
      const other = scalar(d, x.dtype !== "f32");
      if (op === "div_" && other === 0) return false;
      const [lo, hi] = ends(plain, [x.lo, x.hi], [other, other]);
      return d.write(op, x, [], { other }, { lo, hi, bits: bitsOf(plain, x.bits, fraction(other)) }, noGrad);
    }
    const fits = (v: Value): boolean =>
      together(v.shape, x.shape)?.join() === x.shape.join() &&
      (v.dtype === x.dtype || (d.chance(0.1) && exact(v) && !v.special)) &&
      (op !== "div_" || v.lo > 0 || v.hi < 0);
    const near = d.chance(0.3) ? d.some((v) => v.memory === x.memory && fits(v)) : null;
    const other =
      near ??
      (d.chance(0.6) ? d.some(fits) : null) ??
      d.input(d.broadcastable(x.shape), { dtype: x.dtype, grad: float(x) && d.chance(0.6) });
    if (op === "div_" && !fits(other)) return false;
    const after = op === "copy_" ? ([other.lo, other.hi] as const) : ends(plain, [x.lo, x.hi], [other.lo, other.hi]);
    const bits = op === "copy_" ? other.bits : bitsOf(plain, x.bits, other.bits);
    return d.write(op, x, [other], {}, { lo: after[0], hi: after[1], bits }, noGrad);
  };
}

const fill: Drawer = (d) => {
  const found = target(d);
  if (found === null) return false;
  const value = scalar(d, found.x.dtype !== "f32");
  const kept = found.x.dtype === "f32" ? value : Math.trunc(value);
  return d.write("fill_", found.x, [], { value }, { lo: kept, hi: kept, bits: 2 }, found.noGrad);
};
const zero: Drawer = (d) => {
  const found = target(d);
  return found !== null && d.write("zero_", found.x, [], {}, { lo: 0, hi: 0, bits: 0 }, found.noGrad);
};
const maskedFillWrite: Drawer = (d) => {
  const found = target(d, float);
  if (found === null) return false;
  const value = scalar(d, false);
  const after = { lo: value, hi: value, bits: 2 };
  return d.write("masked_fill_", found.x, [maskFor(d, found.x.shape)], { value }, after, found.noGrad);
};
function unaryWrite(op: string): Drawer {
  const { must, ends: of, exact: stays } = UNARY[op.slice(0, -1)]!;
  return (d) => {
    const found = target(d, (v) => float(v) && (must === undefined || must(v)));
    if (found === null) return false;
    const [lo, hi] = of(found.x);
    return d.write(op, found.x, [], {}, { lo, hi, bits: stays ? found.x.bits : null }, found.noGrad);
  };
}

const drawn = (names: string, f: (op: string) => Drawer): Record<string, Drawer> =>
  Object.fromEntries(names.split(" ").map((op) => [op, f(op)]));

/** By group and op. Which of them are here is asked when a program is drawn. */
export const OPS: Readonly<Record<string, Readonly<Record<string, Drawer>>>> = {
  unary: drawn(Object.keys(UNARY).join(" "), unary),
  softmax: drawn("softmax log_softmax", softmax),
  cast: { to: cast },
  binary: {
    ...drawn("add sub mul div maximum minimum", binary),
    ...drawn("fmod remainder floor_divide", division),
    ...drawn(Object.keys(SMOOTH).join(" "), smooth),
    ...drawn("lerp addcmul addcdiv", blend),
    ...{ "pow by a number": power },
  },
  compare: {
    ...drawn("eq ne lt le gt ge", comparison),
    ...drawn("isnan isinf isfinite logical_not logical_and logical_or logical_xor", logic),
    ...drawn("bitwise_and bitwise_or bitwise_xor", bitwise),
  },
  choose: { where, masked_fill: maskedFill, clamp },
  reduce: { ...drawn("sum mean amax amin", reduction), ...drawn("max min argmax argmin", extreme) },
  product: { matmul, "matmul of batches": batches, linear },
  write: {
    ...drawn("add_ sub_ mul_ div_ copy_", binaryWrite),
    ...drawn("tanh_ relu_ sigmoid_ exp_ neg_ sqrt_ abs_ floor_ round_ reciprocal_ expm1_ atan_ square_", unaryWrite),
    ...{ fill_: fill, zero_: zero, masked_fill_: maskedFillWrite },
  },
};
