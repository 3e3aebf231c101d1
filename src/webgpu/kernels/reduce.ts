// Sums and extremes of x[outer, n, inner] over n, and the gradient of an extreme. Long lines with few results go in two
// rows: chunks of a line, then what the chunks gave.
import type { Buffer, Row, Storage } from "../../core/device.ts";
import { type Implementation, type Kernel, type Limits, one, type Registry } from "../kernel.ts";
import { BASE, groupsFor, type Layout, layoutOf, layouts, place, tree, Walk } from "./rows.ts";

const NEST = "outer n inner";
const SOURCE = "x[base + j * inner]";

/** Elements to a chunk of a line of neighbours. */
const CHUNK = 4096;
/** Lines that fill a GPU without being cut: of neighbours, with a workgroup each, and of others. */
const MANY = 256;
const MANY_COLUMNS = 4096;

/** How many elements go to a chunk; 0 where there is enough to do without, and chains of additions stay short. */
function chunkOf(outer: number, n: number, inner: number): number {
  const lines = outer * inner;
  if (inner === 1) return n <= 2 * CHUNK || (lines >= MANY && n <= 64 * CHUNK) ? 0 : CHUNK;
  if (lines >= MANY_COLUMNS) return n <= 2 * CHUNK ? 0 : CHUNK;
  // About as many chunks as elements of one.
  return n < 1024 ? 0 : Math.max(256, 2 ** Math.ceil(Math.log2(n) / 2));
}

const whole = (make: (elements: number) => Storage, elements: number): Buffer => ({
  storage: make(elements),
  offset: 0,
});

const nest = (row: Row): [number, number, number] => row.extents.slice(0, 3) as [number, number, number];
const variant = (row: Row, limits: Limits): string => {
  const [outer, n, inner] = nest(row);
  return layoutOf(limits, outer * inner, n, inner);
};
const lineGroups =
  (layout: Layout) =>
  ([outer, , inner]: readonly number[]): number =>
    groupsFor(layout, outer! * inner!);

// Lines of a chunk: `line` counts [outer, chunks, inner].
const PART_LINES = "outer * chunks * inner";
const PART_BASE = "(line / inner / chunks * n + line / inner % chunks * chunk) * inner + line % inner";
const PART_END = "min(chunk, n - min(n, line / inner % chunks * chunk))";
const partGroups =
  (layout: Layout) =>
  ([outer, , inner, chunks]: readonly number[]): number =>
    groupsFor(layout, outer! * inner! * chunks!);
const partVariant = (row: Row, limits: Limits): string => {
  const [outer, , inner, chunks] = row.extents as [number, number, number, number];
  return layoutOf(limits, outer * chunks * inner, row.scalars[0]!, inner);
};

// ---------------------------------------------------------------------------------------------------------------- sums

const summed = (layout: Layout, type: string): string => {
  const walk = new Walk(layout, { v: SOURCE }, type);
  return `
  ${walk.begin()}
  ${walk.sums(`s:${type}`, (k) => `s${k} += v${k};`)}
  let total = sum_(li, team, s);
  if (first) { y[line] = total; }`;
};

/** y | x | outer n inner */
const sum = (type: string): Record<string, Kernel> =>
  layouts((layout) => ({
    groups: lineGroups(layout),
    head: tree("sum_", layout, type),
    body: place(layout, "outer * inner", BASE) + summed(layout, type),
  }));

/** y[outer, chunks, inner] | x | outer n inner chunks | chunk */
const sumChunk = (type: string): Record<string, Kernel> =>
  layouts((layout) => ({
    buffers: `y:${type} x:${type}`,
    extents: `${NEST} chunks`,
    scalars: "chunk:u32",
    groups: partGroups(layout),
    head: tree("sum_", layout, type),
    body: place(layout, PART_LINES, PART_BASE, PART_END) + summed(layout, type),
  }));

const expandSum =
  (type: string): Implementation["expand"] =>
  (row, make) => {
    const [outer, n, inner] = nest(row);
    const chunk = chunkOf(outer, n, inner);
    const [y, x] = row.buffers as [Buffer, Buffer];
    if (chunk === 0 || outer * inner === 0) return null;
    const chunks = Math.ceil(n / chunk);
    const part = whole(make, outer * chunks * inner);
    const { op } = row;
    return [
      {
        ...{ kernel: `sum_chunk_${type}`, buffers: [part, x], outputs: 1, op },
        ...{ extents: [outer, n, inner, chunks], scalars: [chunk] },
      },
      { kernel: `sum_${type}`, buffers: [y, part], outputs: 1, extents: [outer, chunks, inner], scalars: [], op },
    ];
  };

// ------------------------------------------------------------------------------------------------------------ extremes

/**
 * Floats as words that are ordered as the kernel wants them, whatever a driver makes of NaN: NaN above all, both zeros
 * equal. No float has the key 0.
 */
const keys = (least: boolean): string => `
fn key_(v: f32) -> u32 {
  var b = bitcast<u32>(v);
  if ((b & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if (b == 0x80000000u) { b = 0u; }
  let k = select(b | 0x80000000u, ~b, b >= 0x80000000u);
  return ${least ? "~k" : "k"};
}`;

/** Joins (key, index) of the lanes of a line: the larger key, the first of a tie. */
const pairTree = (layout: Layout): string =>
  tree("join_", layout, "vec2<u32>", "select(p, q, q.x > p.x || (q.x == p.x && q.y < p.y))");

type Sort = "max" | "min" | "argmax" | "argmin";
const OUTPUTS: Record<Sort, string> = { max: "y idx:u32", min: "y idx:u32", argmax: "idx:u32", argmin: "idx:u32" };

/** Elements are `element(at)`: x itself, or x where a chunk's index points to. */
function extreme(sort: Sort, layout: Layout, parts: boolean): string {
  const walk = new Walk(layout, parts ? { f: "part[base + j * inner]" } : { v: SOURCE }, parts ? "u32" : "f32");
  // The line of x behind a line of chunks, which has n chunks.
  const from = parts ? "line / inner * size * inner + line % inner" : "base";
  const value = parts ? `let v = x[${from} + f * inner];` : "let f = j;";
  const worst = `${sort.endsWith("max") ? "-" : ""}inf_()`;
  const write = sort.startsWith("arg")
    ? ""
    : `var v = ${worst}; if (end > 0u) { v = x[${from} + winner * inner]; } y[line] = v;`;
  return `
  ${walk.begin()}
  var best = 0u;
  var found = 0u;
  ${walk.each(`${value} let k = key_(v); if (k > best) { best = k; found = f; }`)}
  let winner = join_(li, team, vec2<u32>(best, found)).y;
  if (first) { idx[line] = winner; ${write} }`;
}

/** y idx | x | outer n inner, or idx alone. */
const extremes = (sort: Sort): Record<string, Kernel> =>
  layouts((layout) => ({
    groups: lineGroups(layout),
    head: keys(sort.endsWith("min")) + pairTree(layout),
    body: place(layout, "outer * inner", BASE) + extreme(sort, layout, false),
  }));

/** The same from the indices that chunks gave: n chunks of lines of `size`. */
const extremesOfParts = (sort: Sort): Record<string, Kernel> =>
  layouts((layout) => ({
    buffers: `${OUTPUTS[sort]} x part:u32`,
    extents: NEST,
    scalars: "size:u32",
    groups: lineGroups(layout),
    head: keys(sort.endsWith("min")) + pairTree(layout),
    body: place(layout, "outer * inner", BASE) + extreme(sort, layout, true),
  }));

/** idx[outer, chunks, inner] | x | outer n inner chunks | chunk: indices in the whole line. */
const extremesChunk = (sort: Sort): Record<string, Kernel> =>
  layouts((layout) => ({
    buffers: "idx:u32 x",
    extents: `${NEST} chunks`,
    scalars: "chunk:u32",
    groups: partGroups(layout),
    head: keys(sort.endsWith("min")) + pairTree(layout),
    body: `${place(layout, PART_LINES, PART_BASE, PART_END)}
  ${extreme(sort, layout, false).replace("= winner;", "= winner + line / inner % chunks * chunk;")}`,
  }));

const expandExtreme =
  (sort: Sort): Implementation["expand"] =>
  (row, make) => {
    const [outer, n, inner] = nest(row);
    const chunk = chunkOf(outer, n, inner);
    if (chunk === 0 || outer * inner === 0) return null;
    const chunks = Math.ceil(n / chunk);
    const part = whole(make, outer * chunks * inner);
    const results = row.buffers.slice(0, row.outputs);
    const x = row.buffers[row.outputs]!;
    const { op, outputs } = row;
    return [
      {
        ...{ kernel: `arg${sort.slice(-3)}_chunk_f32`, buffers: [part, x], outputs: 1, op },
        ...{ extents: [outer, n, inner, chunks], scalars: [chunk] },
      },
      {
        ...{ kernel: `${sort}_parts_f32`, buffers: [...results, x, part], outputs, op },
        ...{ extents: [outer, chunks, inner], scalars: [n] },
      },
    ];
  };

/** Of whole numbers, a thread a line: y idx | x | outer n inner, or idx alone. */
const extremesOfWhole = (sort: Sort): Implementation =>
  one({
    body: `
  if (i < outer * inner) {
    let first = i / inner * n * inner + i % inner;
    var best = x[first];
    var found = 0u;
    for (var j = 1u; j < n; j++) {
      let v = x[first + j * inner];
      if (v ${sort.endsWith("max") ? ">" : "<"} best) { best = v; found = j; }
    }
    idx[i] = found;
    ${sort.startsWith("arg") ? "" : "y[i] = best;"}
  }`,
  });

const SORTS: readonly Sort[] = ["max", "min", "argmax", "argmin"];

export const reduce: Registry = {
  sum_f32: { kernels: sum("f32"), variant, expand: expandSum("f32") },
  sum_i32: { kernels: sum("i32"), variant, expand: expandSum("i32") },
  sum_chunk_f32: { kernels: sumChunk("f32"), variant: partVariant },
  sum_chunk_i32: { kernels: sumChunk("i32"), variant: partVariant },
  ...Object.fromEntries(
    SORTS.flatMap((sort): [string, Implementation][] => [
      [`${sort}_f32`, { kernels: extremes(sort), variant, expand: expandExtreme(sort) }],
      [`${sort}_i32`, extremesOfWhole(sort)],
      [`${sort}_parts_f32`, { kernels: extremesOfParts(sort), variant }],
    ]),
  ),
  argmax_chunk_f32: { kernels: extremesChunk("argmax"), variant: partVariant },
  argmin_chunk_f32: { kernels: extremesChunk("argmin"), variant: partVariant },
  // gx[o, j, i] = idx[o, i] == j ? g[o, i] : 0
  max_vjp_f32: one({
    body: `
  let line = i / (n * inner) * inner + i % inner;
  gx[i] = select(0.0, g[line], idx[line] == i / inner % n);`,
  }),
};
