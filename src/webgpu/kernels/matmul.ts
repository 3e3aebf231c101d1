// Products of matrices, nn, nt and tn, with or without a bias, nn also through the gradient of a relu: operands of `tile` that are matrices.
import type { Registry } from "../kernel.ts";
import { parts, product } from "./product.ts";
import type { Operand } from "./tile.ts";

/**
 * The operand `name` as a dense matrix from element `base` on: [lines, depth] along k, [depth, lines] along lines. `wide`:
 * the matrix lies at a multiple of four and so does each of its lines, so four elements are there together or not at all.
 */
export function matrix(
  name: "a" | "b",
  along: Operand["along"],
  [lines, depth]: readonly [string, string],
  base: string,
  wide: boolean,
): Operand {
  const byK = along === "k";
  const outer = byK ? `line * (${depth}) + p` : `p * (${lines}) + line`;
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
    extents: "batch m n k",
    scalars: "aStride:u32 bStride:u32",
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

export const matmul: Registry = { ...form("nn"), ...form("nt"), ...form("tn"), ...parts };
