// Products of matrices, nn, nt and tn, with or without a bias, nn also through the gradient of a relu, and strided in all four forms:
// operands of `tile` that are matrices.
import type { Implementation, Registry } from "../kernel.ts";
import { parts, product } from "./product.ts";
import type { Operand } from "./tile.ts";

/**
 * The operand `name` as a matrix from element `base` on: [lines, depth] along k, [depth, lines] along lines, dense or with a `pitch`.
 * `wide`: the matrix lies at a multiple of four and so does each of its lines, so four elements are there together or not at all.
 */
export function matrix(
  name: "a" | "b",
  along: Operand["along"],
  [lines, depth]: readonly [string, string],
  base: string,
  wide: boolean,
  pitch?: string,
): Operand {
  const byK = along === "k";
  const outer = byK ? `line * (${pitch ?? depth}) + p` : `p * (${pitch ?? lines}) + line`;
  const [from, limit] = byK ? ["p", "end"] : ["line", lines];
  const there = byK ? `line < ${lines}` : "p < end";
  const each = ["x", "y", "z", "w"].map((l, e) => `if (${from} + ${e}u < ${limit}) { v.${l} = ${name}[at + ${e}u]; }`);
  return {
    along,
    load: `
  var v = vec4<f32>();
  if (${there}) {
    let at = ${base} + ${outer};
    ${wide ? `if (${from} < ${limit}) { v = ${name}[at / 4u]; }` : each.join("\n    ")}
  }
  return v;
`,
  };
}

/** How a and b lie. */
const FORMS = { nn: ["k", "lines"], nt: ["k", "k"], tn: ["lines", "lines"] } as const;

const form = (name: keyof typeof FORMS): Registry =>
  product(`matmul_${name}`, {
    inputs: "a b",
    ...(name === "tn"
      ? {}
      : {
          reluVjp: name === "nn",
          relu: "bias" as const,
          bias: "column",
          shares: ([, , n]: readonly number[]) => [1, n!] as const,
        }),
    size: ([count, m, n, depth]) => ({ m: m!, n: n!, count: count!, depth: depth! }),
    widest: { a: true, b: true },
    wide: ({ scalars: [aStride, bStride] }, { m, n, depth }) => {
      const [a, b] = [m === 1 && n !== 1 ? "k" : FORMS[name][0], n === 1 ? "k" : FORMS[name][1]];
      return {
        a: (a === "k" ? depth : m) % 4 === 0 && aStride! % 4 === 0,
        b: (b === "k" ? depth : n) % 4 === 0 && bStride! % 4 === 0,
      };
    },
    vectors: ["rows", "columns"],
    source: (shape, wide) => {
      // A single line lies along k, whatever the form.
      const a = shape === "columns" ? "k" : FORMS[name][0];
      const b = shape === "rows" ? "k" : FORMS[name][1];
      return {
        rows: "P.m",
        columns: "P.n",
        count: "P.batch",
        depth: "P.k",
        a: matrix("a", a, ["P.m", "P.k"], "which * P.aStride", wide.a),
        b: matrix("b", b, ["P.n", "P.k"], "which * P.bStride", wide.b),
        at: "(which * P.m + row) * P.n + column",
      };
    },
  });

/** Where the product `which` has its matrix in a buffer. */
const at = (name: string): string => `which / P.inner * P.${name}0 + which % P.inner * P.${name}1`;

const strided = (name: string, aAlong: Operand["along"], bAlong: Operand["along"]): Registry =>
  product(`matmul_strided_${name}`, {
    inputs: "a b",
    like: "matmul_strided",
    relu: "bias",
    bias: "column",
    shares: ([, , , n]) => [1, n!],
    size: ([outer, inner, m, n, depth]) => ({ m: m!, n: n!, count: outer! * inner!, depth: depth! }),
    widest: { a: true, b: true },
    wide: ({ scalars: [, , lda, ldb, , a0, a1, b0, b1] }, { m, n, depth }) => ({
      a: [lda!, a0!, a1!, aAlong === "k" ? depth : m].every((s) => s % 4 === 0),
      b: [ldb!, b0!, b1!, bAlong === "k" ? depth : n].every((s) => s % 4 === 0),
    }),
    vectors: [],
    source: (_, wide) => ({
      rows: "P.m",
      columns: "P.n",
      count: "P.outer * P.inner",
      depth: "P.k",
      a: matrix("a", aAlong, ["P.m", "P.k"], at("a"), wide.a, "P.lda"),
      b: matrix("b", bAlong, ["P.n", "P.k"], at("b"), wide.b, "P.ldb"),
      at: `${at("c")} + row * P.ldc + column`,
    }),
  });

/** The four forms of a strided product, by what of a row's scalars says that a and b are turned. */
const FOUR = ["nn", "nt", "tn", "tt"] as const;
const ways: Registry = {
  ...strided("nn", "k", "lines"),
  ...strided("nt", "k", "k"),
  ...strided("tn", "lines", "lines"),
  ...strided("tt", "lines", "k"),
};
/** In place of a strided row one of its form, which is cut into parts where c lies dense. */
const choice = (bias: string): Implementation => ({
  kernels: {},
  expand(row, make, limits) {
    const [, inner, m, n] = row.extents as [number, number, number, number];
    const [transA, transB, , , ldc, , , , , c0, c1] = row.scalars as number[];
    const kernel = `matmul_strided_${FOUR[transA! * 2 + transB!]}${bias}_f32`;
    const dense = ldc === n && (inner === 1 || c1 === m * n) && (row.extents[0] === 1 || c0 === inner * m * n);
    const one = { ...row, kernel };
    return (dense ? ways[kernel]!.expand!(one, make, limits) : null) ?? [one];
  },
});
/** Rows of one form are what they are: `choice` has cut them. */
const whole = ([name, { kernels, variant }]: [string, Implementation]): [string, Implementation] => [
  name,
  { kernels, ...(variant && { variant }) },
];

export const matmul: Registry = {
  ...form("nn"),
  ...form("nt"),
  ...form("tn"),
  ...Object.fromEntries(Object.entries(ways).map(whole)),
  matmul_strided_f32: choice(""),
  matmul_strided_bias_f32: choice("_bias"),
  ...parts,
};
