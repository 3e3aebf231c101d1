// What kernels compute, for pieces (piece.ts): in the order of the kernel, so that the bits are the same.

/** Opcodes behind the prefix 0xfd: https://webassembly.github.io/spec/core/binary/instructions.html#vector-instructions */
// biome-ignore format: a table
export const CODES: Readonly<Record<string, number>> = {
  "i=": 0x37, "i!=": 0x38, "i<": 0x39, "i>": 0x3b, "i<=": 0x3d, "i>=": 0x3f, "=": 0x41, "!=": 0x42, "<": 0x43, ">": 0x44, "<=": 0x45, ">=": 0x46,
  not: 0x4d, "&": 0x4e, "&~": 0x4f, or: 0x50, xor: 0x51, ceil: 0x67, floor: 0x68, trunc: 0x69, nearest: 0x6a, "i+": 0xae, "i-": 0xb1, "i*": 0xb5, imin: 0xb6, imax: 0xb8, abs: 0xe0, neg: 0xe1, sqrt: 0xe3, "+": 0xe4, "-": 0xe5, "*": 0xe6,
  "/": 0xe7, min: 0xe8, max: 0xe9, pmin: 0xea, pmax: 0xeb, int: 0xf8, float: 0xfa,
};

/** How many operands an opcode takes where it is not two. */
export const TAKES: Readonly<Record<string, number>> = {
  ...{ not: 1, ceil: 1, floor: 1, trunc: 1, nearest: 1, abs: 1, neg: 1, sqrt: 1, int: 1, float: 1, "?": 3 },
};

/** By a constant number of bits: the opcode and the number. */
export const SHIFTS: Readonly<Record<string, readonly [number, number]>> = {
  ...{ "<<23": [0xab, 23], ">>1": [0xac, 1], ">>31": [0xac, 31] },
};

/**
 * Where the build has the relaxed instructions it is written with them: `a b *. c +.` is a * b + c and `a b *- c -.` is c - a * b, with one rounding
 * where the build's kernels have one (lib/simd.ts); ? of whole lanes takes one instruction instead of three.
 */
export const RELAXED: Readonly<Record<string, readonly [relaxed: readonly number[], plain: readonly number[]]>> = {
  ...{
    "*.": [[], [0xe6]],
    "+.": [[0x105], [0xe4]],
    "*-": [[], [0xe6, 0xe1]],
    "-.": [[0x106], [0xe4]],
    "?": [[0x10b], [0x52]],
  },
};

// Exponentials as assembly/lib/math.ts has them; the names are those that the values have there.
const [LOG2E, FAR] = ["1.44269504", "87.33"];
const [MAGIC, MAGIC127] = ["12582912", "12583039"];
const LN2 = ["-0.693359375", "2.12194440e-4"] as const;
const POWER =
  "0.0082902722 R *. 0.0418981612 +. R *. 0.1666763872 +. R *. 0.4999914765 +. R *. 0.9999997020 +. R *. 1 +.";
const RATIO = "R R * =Q -0.0027659638 Q *. 0.1666661799 +. Q *. 2 +. =E";
const REST = (of: string): string => `N ${LN2[0]} *. ${of} +. =R N ${LN2[1]} *. R +. =R`;
const EXP_ALL = [
  `x 89 pmin -104 pmax =U U ${LOG2E} *. ${MAGIC} +. =T T ${MAGIC} - =N ${REST("U")}`,
  `T ${MAGIC} i- =N N >>1 =H ${POWER} H <<23 1 i+ * N H i- <<23 1 i+ *`,
].join(" ");
/** Past the limit (`expLimit`) and of NaN it is EXP_ALL. */
const exp = (rest: string, limit: string): string =>
  `x ${LOG2E} *. ${MAGIC127} +. =T T ${MAGIC127} - =N ${rest} ${POWER} T <<23 * =Y ` +
  `x abs ${limit} < not =F F far{ ${EXP_ALL} Y F ? =Y } Y`;
const EXP = exp(REST("x"), FAR);
const EXP_FUSED = exp("N -0.69314718 *. x +. =R", "24 1.000244140625 1.000244140625 *. -1.00048828125 +. 0 > &");
const TANH = [
  `x abs =A A A + 20 pmin =Z Z ${LOG2E} *. ${MAGIC127} +. =T T ${MAGIC127} - =N ${REST("Z")} T <<23 =S`,
  `${RATIO} E R - =B R R + S * =D S 1 - B *. D +. S 1 + B *. D +. / x A xor or`,
].join(" ");
const SIGMOID = [
  `x ${LOG2E} *- ${MAGIC127} -. =T T ${MAGIC127} - =N N ${LN2[0]} *- x -. =R N ${LN2[1]} *- R -. =R ${RATIO} E R + =A`,
  `A A E R - T <<23 * + / =Y x abs ${FAR} > =F F far{ ${EXP_ALL} 1 x >>31 ? Y F ? =Y } Y`,
].join(" ");

const COMPARED = { eq: "=", ne: "!=", lt: "<", le: "<=", gt: ">", ge: ">=" };

/**
 * What kernels compute, in reverse Polish notation: x y z are what they read, s is their scalar, ? takes a, b and a mask, of whose bits 1
 * means a; `bool` makes 0 and 1 of a mask, and `a b c where` takes a where such a c is not 0. `=A` keeps a value as A; `far{ }` is for where its mask
 * is not 0, and changes nothing elsewhere.
 */
const FORMULAS: Readonly<Record<string, string | readonly [plain: string, relaxed: string]>> = {
  copy_b32: "x",
  neg_f32: "x neg",
  sqrt_f32: "x sqrt",
  exp_f32: [EXP, EXP_FUSED],
  tanh_f32: TANH,
  sigmoid_f32: SIGMOID,
  relu_f32: "x 0 pmax",
  abs_f32: "x abs",
  floor_f32: "x floor",
  ceil_f32: "x ceil",
  round_f32: "x nearest",
  trunc_f32: "x trunc",
  cast_f32_i32: "x float",
  cast_i32_f32: "x int",
  cast_bool_f32: "x 0 != bool",
  cast_bool_i32: "x 0 i!= bool",
  tanh_vjp_f32: "x 1 y y * - *",
  sigmoid_vjp_f32: "x y 1 y - * *",
  relu_vjp_f32: "x y 0 <= &~",
  sqrt_vjp_f32: "x y y + /",
  where_f32: "y z x where",
  maximum_vjp_f32: "x 0.5 * x y z < &~ y z = ?",
  minimum_vjp_f32: "x 0.5 * x y z > &~ y z = ?",
  add_f32: "x y +",
  sub_f32: "x y -",
  mul_f32: "x y *",
  div_f32: "x y /",
  maximum_f32: "x y max",
  minimum_f32: "x y min",
  add_i32: "x y i+",
  sub_i32: "x y i-",
  mul_i32: "x y i*",
  maximum_i32: "x y imax",
  minimum_i32: "x y imin",
  add_scalar_f32: "x s +",
  mul_scalar_f32: "x s *",
  div_scalar_f32: "x s /",
  rsub_scalar_f32: "s x -",
  rdiv_scalar_f32: "s x /",
  atleast_scalar_f32: "x s pmax",
  atmost_scalar_f32: "x s pmin",
  ...Object.fromEntries(
    Object.entries(COMPARED).flatMap(([name, sign]) => [
      [`${name}_f32`, `x y ${sign} bool`],
      [`${name}_i32`, `x y i${sign} bool`],
      [`${name}_scalar_f32`, `x s ${sign} bool`],
      [`${name}_scalar_i32`, `x s i${sign} bool`],
    ]),
  ),
};

/** A kernel's formula, token by token; of one that has none, nothing. */
export function tokensOf(kernel: string, relaxed: boolean): string[] {
  const formula = FORMULAS[kernel] ?? "";
  return (typeof formula === "string" ? formula : formula[relaxed ? 1 : 0]).split(" ");
}

export const hasFormula = (kernel: string): boolean => kernel in FORMULAS;

/** Whether all elements are computed in the same way. */
export const isStraight = (kernel: string): boolean => !tokensOf(kernel, false).includes("far{");
