// Products as entries of the registry: which tile a shape gets, whether its operands are read four at a time, and long
// sums cut into parts, so that few outputs still make work for a whole GPU.
import type { Row } from "../../core/device.ts";
import { layoutOf } from "../../program/kernels/index.ts";
import { type Implementation, type Kernel, one, type Registry, SIZE, text } from "../kernel.ts";
import { type Operand, type Source, type Tile, tile, VECTOR_LINES, vector } from "./tile.ts";

/** How large a row's product is. */
export interface Size {
  readonly m: number;
  readonly n: number;
  /** Products of this size. */
  readonly count: number;
  readonly depth: number;
}

/** Operands that are read as vec4: each must lie at a multiple of four, with lines of a multiple of four. */
export interface Wide {
  readonly a: boolean;
  readonly b: boolean;
}

export interface Product {
  /** Instead of c. */
  readonly outputs?: string;
  /** The inputs as they are launched; they are called a, b and bias. */
  readonly inputs: string;
  /** The kernel in the table whose rows have its extents and scalars; the name itself where nothing is said. */
  readonly like?: string;
  /** Kernels with a bias have `relu` and a sibling without; `both`: so has the sibling. */
  readonly relu?: "bias" | "both";
  /** WGSL: the element of bias for (which, row, column). */
  readonly bias?: string;
  /** Has a sibling that takes the result through the gradient of a relu, whose result it gets. */
  readonly reluVjp?: boolean;
  /** Of the bias: how many outputs side by side share an element, and how many elements there are. */
  readonly shares?: (extents: readonly number[]) => readonly [number, number];
  readonly size: (extents: readonly number[], scalars: readonly number[]) => Size;
  /** Operands that have loads by vec4 at all. */
  readonly widest: Wide;
  /** Operands that a row allows to read as vec4, as far as the sizes go. */
  readonly wide: (row: Row, size: Size) => Wide;
  /** May be asked for a product of one row ("columns" are many) or of one column ("rows" are many). */
  readonly vectors: readonly ("rows" | "columns")[];
  readonly source: (shape: Shape, wide: Wide) => Omit<Source, "parts" | "value">;
}

// Threads times registers: 64 x 64 by 256 threads is the common tile; the large one loads half as much for each product
// and is worth it when there are enough of them; the thin ones waste least on few rows or columns.
const TILES = {
  large: { bm: 128, bn: 128, bk: 8, tm: 8, tn: 8 },
  medium: { bm: 64, bn: 64, bk: 16, tm: 4, tn: 4 },
  small: { bm: 32, bn: 32, bk: 16, tm: 4, tn: 4 },
  tall: { bm: 64, bn: 16, bk: 16, tm: 4, tn: 4 },
  flat: { bm: 16, bn: 64, bk: 16, tm: 4, tn: 4 },
} satisfies Record<string, Tile>;
export type Shape = keyof typeof TILES | "rows" | "columns";

/** Workgroups that keep a large GPU busy. */
const GROUPS = 128;
/** Least length of a part of k, and most parts. */
const LEAST_PART = 128;
const MOST_PARTS = 64;

const tilesOf = ({ m, n, count }: Size, { bm, bn }: { bm: number; bn: number }): number =>
  Math.ceil(m / bm) * Math.ceil(n / bn) * count;

function shapeOf(p: Product, s: Size): Shape {
  if (s.n === 1 && p.vectors.includes("rows")) return "rows";
  if (s.m === 1 && p.vectors.includes("columns")) return "columns";
  if (s.n <= 16) return "tall";
  if (s.m <= 16) return "flat";
  if (tilesOf(s, TILES.large) >= GROUPS) return "large";
  return tilesOf(s, TILES.medium) * Math.max(1, Math.floor(s.depth / LEAST_PART)) >= GROUPS ? "medium" : "small";
}

/** Lines of C that a workgroup of this shape computes. */
function block(shape: Shape, { a, b }: { a: Operand; b: Operand }): { bm: number; bn: number } {
  if (shape === "rows") return { bm: VECTOR_LINES[a.along], bn: 1 };
  if (shape === "columns") return { bm: 1, bn: VECTOR_LINES[b.along] };
  return TILES[shape];
}

const NARROW: Wide = { a: false, b: false };
const nameOf = (shape: Shape, { a, b }: Wide): string => [shape, a ? "a" : "", b ? "b" : ""].filter(Boolean).join(" ");

/** What becomes of a sum: stored, with a bias, through the gradient of a relu, or as a part of a longer sum. */
type Kind = "plain" | "bias" | "relu_vjp" | "parts";
/** The further input of each kind. */
const INPUT: Partial<Record<Kind, string>> = { bias: " bias", relu_vjp: " result" };
/** The last scalars of kernels that store parts: length of a part, elements of C. */
const PART_SCALARS = "chunk:u32 size:u32";

/** Extents and scalars of a product's rows; what some kinds have behind these, the switch of relu. */
interface Rows {
  readonly extents: string;
  readonly scalars: string;
  readonly switches: Partial<Record<Kind, string>>;
}

function rowsOf(name: string, { bias, relu }: Product): Rows {
  const { extents, scalars } = layoutOf(`${name}_f32`)!;
  const at = scalars.findIndex((s) => s.name === "relu");
  const own = at < 0 ? scalars : scalars.slice(0, at);
  const behind = (kernel: string): string => text(layoutOf(kernel)!.scalars.slice(own.length));
  const plain = relu === "bias" ? "" : behind(`${name}_f32`);
  return {
    extents: text(extents),
    scalars: text(own),
    switches: { plain, ...(bias !== undefined && { bias: behind(`${name}_bias_f32`) }) },
  };
}

function kernel(p: Product, rows: Rows, shape: Shape, wide: Wide, kind: Kind): Kernel {
  const parts = kind === "parts";
  const relu = kind === "bias" || (kind === "plain" && p.relu === "both");
  const part = p.source(shape, wide);
  const value = [
    kind === "bias" ? `value += bias[${p.bias}];` : "",
    kind === "relu_vjp" ? `if (result[${part.at}] <= 0.0) { value = 0.0; }` : "",
    relu ? "if (P.relu != 0u && value < 0.0) { value = 0.0; }" : "",
  ].join(" ");
  const source: Source = { ...part, parts, value };
  const { bm, bn } = block(shape, part);
  const made =
    shape === "rows" || shape === "columns" ? vector(source, shape === "rows" ? "a" : "b") : tile(source, TILES[shape]);
  const inputs = p.inputs.replace("a", wide.a ? "a:vec4" : "a").replace("b", wide.b ? "b:vec4" : "b");
  return {
    ...made,
    buffers: `${p.outputs ?? "c"} ${inputs}${INPUT[kind] ?? ""}`,
    extents: parts ? `${rows.extents} parts` : rows.extents,
    scalars: `${rows.scalars} ${parts ? PART_SCALARS : (rows.switches[kind] ?? "")}`,
    groups: (extents, scalars) =>
      tilesOf(p.size(extents, scalars), { bm, bn }) * (parts ? extents[extents.length - 1]! : 1),
  };
}

/** Kernels by variant, made when they are asked for: there are many, and a program needs few. */
function kernels(p: Product, rows: Rows, kind: Kind): Implementation["kernels"] {
  const made: Record<string, Kernel> = {};
  for (const shape of [...(Object.keys(TILES) as Shape[]), ...p.vectors]) {
    for (const wide of [NARROW, { a: true, b: false }, { a: false, b: true }, { a: true, b: true }]) {
      if ((wide.a && !p.widest.a) || (wide.b && !p.widest.b)) continue;
      let found: Kernel | null = null;
      Object.defineProperty(made, nameOf(shape, wide), {
        enumerable: true,
        get: () => (found ??= kernel(p, rows, shape, wide, kind)),
      });
    }
  }
  return made;
}

/** A storage that is read as vec4 is read as nothing else. */
function alone(row: Row, wanted: Wide, at: (name: string) => number): Wide {
  const storage = (i: number): unknown => row.buffers[i]!.storage.alias ?? row.buffers[i]!.storage;
  const ok = (name: "a" | "b"): boolean => {
    const i = at(name);
    return (
      wanted[name] &&
      row.buffers[i]!.offset % 4 === 0 &&
      row.buffers.every((_, j) => j === i || storage(i) !== storage(j))
    );
  };
  return { a: ok("a"), b: ok("b") };
}

/**
 * The entries `name_f32`, `name_bias_f32` and `name_relu_vjp_f32` where the product has them, and `name_parts_f32`,
 * which with a sum of the parts replaces those whose sums are cut.
 */
export function product(name: string, p: Product): Registry {
  const inputs = p.inputs.split(" ");
  const outputs = (p.outputs ?? "c").split(" ").length;
  const at = (input: string): number => outputs + inputs.indexOf(input);
  const sizeOf = (row: Row): Size => p.size(row.extents, row.scalars);
  const variant = (row: Row): string => {
    const size = sizeOf(row);
    return nameOf(shapeOf(p, size), alone(row, p.wide(row, size), at));
  };
  const rows = rowsOf(p.like ?? name, p);
  const plainScalars = rows.scalars.split(" ").length;
  const blocks = new Map<Shape, { bm: number; bn: number }>();
  const blockOf = (shape: Shape): { bm: number; bn: number } => {
    const found = blocks.get(shape) ?? block(shape, p.source(shape, NARROW));
    blocks.set(shape, found);
    return found;
  };
  const expand =
    (kind: Kind): Implementation["expand"] =>
    (row, make) => {
      const size = sizeOf(row);
      const groups = tilesOf(size, blockOf(shapeOf(p, size)));
      const most = Math.min(Math.ceil(GROUPS / Math.max(1, groups)), Math.floor(size.depth / LEAST_PART), MOST_PARTS);
      if (groups === 0 || most < 2) return null;
      const chunk = Math.ceil(size.depth / most / 16) * 16;
      const parts = Math.ceil(size.depth / chunk);
      const elements = size.m * size.n * size.count;
      const partial = { storage: make(parts * elements), offset: 0 };
      const [c, ...rest] = row.buffers;
      const scalars = row.scalars.slice(0, plainScalars);
      const [inner, channels] = p.shares?.(row.extents) ?? [1, 1];
      const common = { outputs: 1, op: row.op };
      return [
        {
          ...common,
          kernel: `${name}_parts_f32`,
          buffers: [partial, ...rest.slice(0, 2)],
          extents: [...row.extents, parts],
          scalars: [...scalars, chunk, elements],
        },
        {
          ...common,
          kernel: SUMS[kind]!,
          buffers: [c!, partial, ...rest.slice(2)],
          extents: [parts, elements],
          scalars: [inner, channels, row.scalars[plainScalars] ?? 0],
        },
      ];
    };
  const entry = (kind: Kind): Implementation => ({ kernels: kernels(p, rows, kind), variant, expand: expand(kind) });
  return {
    [`${name}_f32`]: entry("plain"),
    ...(p.bias !== undefined ? { [`${name}_bias_f32`]: entry("bias") } : {}),
    ...(p.reluVjp ? { [`${name}_relu_vjp_f32`]: entry("relu_vjp") } : {}),
    [`${name}_parts_f32`]: { kernels: kernels(p, rows, "parts"), variant },
  };
}

const SUMS: Partial<Record<Kind, string>> = {
  plain: "parts_f32",
  bias: "parts_bias_f32",
  relu_vjp: "parts_relu_vjp_f32",
};

/** y = sum of parts, in their order, and then as the kind wants it. */
const sumOfParts = (kind: Kind): Implementation =>
  one({
    buffers: `y x${INPUT[kind] ?? ""}`,
    extents: "parts n",
    scalars: "inner:u32 channels:u32 relu:u32",
    groups: ([, n]) => Math.ceil(n! / SIZE),
    body: `
  if (i < n) {
    var sum = 0.0;
    for (var part = 0u; part < parts; part++) { sum += x[part * n + i]; }
    ${kind === "bias" ? "sum += bias[i / inner % channels];" : ""}
    ${kind === "relu_vjp" ? "if (result[i] <= 0.0) { sum = 0.0; }" : ""}
    y[i] = select(sum, 0.0, relu != 0u && sum < 0.0);
  }`,
  });

export const parts: Registry = Object.fromEntries(
  Object.entries(SUMS).map(([kind, name]) => [name, sumOfParts(kind as Kind)]),
);
