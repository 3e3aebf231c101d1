// One source for every product C[rows, columns] = sum over k of A[row, k] B[column, k]: matrices, and convolutions, whose
// operands compute where an element lies. A product says how four elements are loaded, and where an element is stored.
//
// tile: a workgroup computes bm x bn of C. For every bk of k it puts bm x bk of A and bn x bk of B into workgroup memory,
// having loaded the next ones into registers before it multiplies; a thread multiplies tm x tn. Memory holds runs of
// four, along k or along the lines of an operand (rows of A, columns of B), whichever way the operand lies:
//   along k      [line][k / 4], a line padded by one run, so that threads on neighbouring lines use other banks
//   along lines  [k][line / 4]
// vector: one line of the one operand against all of the other. Threads load from where the operands lie, and those that
// share an output add up in a tree.
import type { Groups, Kernel } from "../kernel.ts";

/** Four elements of an operand: vec4 of (line, p..p+3) along k, of (line..line+3, p) along lines. */
export interface Operand {
  readonly along: "k" | "lines";
  /** WGSL of a function of which, line, p and end that returns the vec4, with 0 for lines and p >= end that are not there. */
  readonly load: string;
}

/** What a product is over: `which` of `count` products, all of one size. WGSL in terms of P and `which`. */
export interface Source {
  readonly rows: string;
  readonly columns: string;
  readonly count: string;
  readonly depth: string;
  /** Parts of k, each `chunk` long, that are stored one behind another, `size` elements each; one without them. */
  readonly parts: boolean;
  readonly a: Operand;
  readonly b: Operand;
  /** WGSL: index in C of (which, row, column). */
  readonly at: string;
  /** WGSL functions that the loads call. */
  readonly functions?: string;
  /** WGSL: what is stored for `value`. */
  readonly value: string;
  /**
   * WGSL: stores `four`, the sums of a row and four columns side by side, in place of `at` and `value`. For `tile` with
   * B along lines.
   */
  readonly four?: string;
}

export interface Tile {
  readonly bm: number;
  readonly bn: number;
  readonly bk: number;
  readonly tm: number;
  readonly tn: number;
}

/** What shape and source make of a kernel. */
type Code = Pick<Kernel, "head" | "body" | "barriers"> & { size: Groups };

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const XYZW = "xyzw";

const functions = (s: Source): string => `${s.functions ?? ""}
fn loadA(which: u32, line: u32, p: u32, end: u32) -> vec4<f32> {${s.a.load}}
fn loadB(which: u32, line: u32, p: u32, end: u32) -> vec4<f32> {${s.b.load}}
${s.four === undefined ? storeOne(s) : storeFour(s, s.four)}`;

const storeFour = (
  s: Source,
  code: string,
): string => `fn storeFour(which: u32, row: u32, column: u32, four: vec4<f32>) {
  if (row < ${s.rows} && column < ${s.columns}) {
    ${code}
  }
}`;

const storeOne = (s: Source): string => `fn store(which: u32, part: u32, row: u32, column: u32, sum: f32) {
  if (row < ${s.rows} && column < ${s.columns}) {
    var value = sum;
    ${s.value}
    c[${s.parts ? "part * P.size + " : ""}${s.at}] = value;
  }
}`;

/** The tile of a workgroup: where it begins, in which product, and its part of k. */
const place = (s: Source, bm: number, bn: number): string => `
  let across = (${s.columns} + ${bn - 1}u) / ${bn}u;
  let down = (${s.rows} + ${bm - 1}u) / ${bm}u;
  let pieces = ${s.parts ? "P.parts" : "1u"};
  if (group >= across * down * pieces * (${s.count})) { return; }
  let n0 = group % across * ${bn}u;
  let m0 = group / across % down * ${bm}u;
  let part = group / across / down % pieces;
  let which = group / across / down / pieces;
  let depth = ${s.depth};
  let begin = ${s.parts ? "part * P.chunk" : "0u"};
  let end = ${s.parts ? "min(depth, begin + P.chunk)" : "depth"};`;

/** One side of a tile: the operand's way into workgroup memory, and from there into registers named `name0`... */
class Side {
  readonly length: number;
  private readonly name: "a" | "b";
  private readonly along: "k" | "lines";
  private readonly block: number;
  private readonly bk: number;
  private readonly each: number;
  private readonly loads: number;
  private readonly threads: number;

  constructor(name: "a" | "b", along: "k" | "lines", block: number, each: number, bk: number, threads: number) {
    this.name = name;
    this.along = along;
    this.block = block;
    this.bk = bk;
    this.each = each;
    this.threads = threads;
    this.loads = (block * bk) / 4 / threads;
    if (this.loads % 1 !== 0) throw new Error(`${threads} threads cannot share ${block} x ${bk}`);
    this.length = along === "k" ? block * (bk / 4 + 1) : (bk * block) / 4;
  }

  /** The line (of the tile) that is the thread's number i. */
  line(i: string | number): string {
    const step = this.block / this.each;
    const t = this.name === "a" ? "ty" : "tx";
    return this.along === "k" ? `${t} + ${step}u * ${i}` : `(${t} + ${step}u * (${i} / 4u)) * 4u + ${i} % 4u`;
  }

  /** Places of the runs that this thread loads. */
  places(): string {
    const [n, runs] = [this.name, this.bk / 4];
    return range(this.loads)
      .map((l) => {
        const e = `(li + ${l * this.threads}u)`;
        return this.along === "k"
          ? `let ${n}Line${l} = ${e} / ${runs}u; let ${n}K${l} = ${e} % ${runs}u * 4u;
  let ${n}At${l} = ${n}Line${l} * ${runs + 1}u + ${e} % ${runs}u;`
          : `let ${n}Line${l} = ${e} % ${this.block / 4}u * 4u; let ${n}K${l} = ${e} / ${this.block / 4}u;
  let ${n}At${l} = ${e};`;
      })
      .join("\n  ");
  }

  fetch(): string {
    const n = this.name;
    const [load, origin] = n === "a" ? ["loadA", "m0"] : ["loadB", "n0"];
    return range(this.loads)
      .map((l) => `let ${n}Next${l} = ${load}(which, ${origin} + ${n}Line${l}, k0 + ${n}K${l}, end);`)
      .join("\n    ");
  }

  keep(): string {
    const n = this.name;
    return range(this.loads)
      .map((l) => `${n}Tile[${n}At${l}] = ${n}Next${l};`)
      .join(" ");
  }

  /** Run q of k into registers. */
  take(): string {
    const n = this.name;
    const t = n === "a" ? "ty" : "tx";
    const step = this.block / this.each;
    if (this.along === "k") {
      const at = (i: number): string => `(${this.line(`${i}u`)}) * ${this.bk / 4 + 1}u + q`;
      return range(this.each)
        .map((i) => `let ${n}${i} = ${n}Tile[${at(i)}];`)
        .join("\n      ");
    }
    return range(this.each / 4)
      .flatMap((i) =>
        range(4).map(
          (k) => `let ${n}${i}${k} = ${n}Tile[(q * 4u + ${k}u) * ${this.block / 4}u + ${t} + ${step * i}u];`,
        ),
      )
      .join("\n      ");
  }

  /** Element k of line i, among the registers. */
  one(i: number, k: number): string {
    return this.along === "k" ? `${this.name}${i}.${XYZW[k]}` : `${this.name}${i >> 2}${k}.${XYZW[i & 3]}`;
  }

  /** Element k of lines 4 i .. 4 i + 3. */
  four(i: number, k: number): string {
    if (this.along === "lines") return `${this.name}${i}${k}`;
    return `vec4(${range(4).map((j) => this.one(4 * i + j, k))})`;
  }
}

export function tile(s: Source, { bm, bn, bk, tm, tn }: Tile): Code {
  const across = bn / tn;
  const threads = (bm / tm) * across;
  const a = new Side("a", s.a.along, bm, tm, bk, threads);
  const b = new Side("b", s.b.along, bn, tn, bk, threads);
  const each = (f: (i: number, j: number) => string): string =>
    range(tm)
      .flatMap((i) => range(tn / 4).map((j) => f(i, j)))
      .join("\n  ");
  return {
    size: [threads, 1, 1],
    barriers: true,
    head: `
var<workgroup> aTile: array<vec4<f32>, ${a.length}>;
var<workgroup> bTile: array<vec4<f32>, ${b.length}>;
${functions(s)}`,
    body: `${place(s, bm, bn)}
  let tx = li % ${across}u;
  let ty = li / ${across}u;
  ${a.places()}
  ${b.places()}
  ${each((i, j) => `var sum${i}${j} = vec4<f32>();`)}
  // What is fetched in one round is multiplied in the next; the last round fetches nothing.
  for (var k0 = begin; k0 < end + ${bk}u; k0 += ${bk}u) {
    ${a.fetch()}
    ${b.fetch()}
    if (k0 > begin) {
      for (var q = 0u; q < ${bk / 4}u; q++) {
        ${a.take()}
        ${b.take()}
        ${range(4)
          .map((k) => each((i, j) => `sum${i}${j} += ${a.one(i, k)} * ${b.four(j, k)};`))
          .join("\n  ")}
      }
      workgroupBarrier();
    }
    ${a.keep()}
    ${b.keep()}
    workgroupBarrier();
  }
  var sums = array<vec4<f32>, ${(tm * tn) / 4}>(${each((i, j) => `sum${i}${j},`)});
  ${
    s.four === undefined
      ? `for (var e = 0u; e < ${tm * tn}u; e++) {
    let i = e / ${tn}u;
    let j = e % ${tn}u;
    store(which, part, m0 + ${a.line("i")}, n0 + ${b.line("j")}, sums[e / 4u][e % 4u]);
  }`
      : `for (var e = 0u; e < ${(tm * tn) / 4}u; e++) {
    let i = e * 4u / ${tn}u;
    let j = e * 4u % ${tn}u;
    storeFour(which, m0 + ${a.line("i")}, n0 + ${b.line("j")}, sums[e]);
  }`
  }`,
  };
}

/** Lines of a workgroup of `vector`, by how the operand that has them lies. */
export const VECTOR_LINES = { k: 8, lines: 128 } as const;

/** Threads 32 x 8: 32 along what lies side by side, so loads are in runs. The operand of one line must lie along k. */
export function vector(s: Source, many: "a" | "b"): Code {
  const { along } = s[many];
  const lines = VECTOR_LINES[along];
  const [load, other] = many === "a" ? ["loadA", "loadB"] : ["loadB", "loadA"];
  const byK = along === "k";
  const [lane, lanes, stride, type] = byK ? ["lid.x", 32, 1, "f32"] : ["lid.y", 8, 32, "vec4<f32>"];
  const store = (line: string, sum: string): string =>
    many === "a" ? `store(which, part, ${line}, 0u, ${sum});` : `store(which, part, 0u, ${line}, ${sum});`;
  return {
    size: [32, 8, 1],
    barriers: true,
    head: `var<workgroup> sums: array<${type}, 256>;${functions(s)}`,
    body: `${place(s, many === "a" ? lines : 1, many === "b" ? lines : 1)}
  let lane = ${lane};
  let line = ${many === "a" ? "m0" : "n0"} + ${byK ? "lid.y" : "lid.x * 4u"};
  var sum = ${type}();
  for (var p = begin + lane * 4u; p < end; p += ${lanes * 4}u) {
    let v = ${other}(which, 0u, p, end);
    ${
      byK
        ? `sum += dot(v, ${load}(which, line, p, end));`
        : range(4)
            .map((k) => `sum += v.${XYZW[k]} * ${load}(which, line, p + ${k}u, end);`)
            .join("\n    ")
    }
  }
  sums[li] = sum;
  workgroupBarrier();
  for (var s = ${lanes / 2}u; s > 0u; s = s / 2u) {
    if (lane < s) { sums[li] += sums[li + s * ${stride}u]; }
    workgroupBarrier();
  }
  if (lane == 0u) {
    ${
      byK
        ? store("line", "sums[li]")
        : range(4)
            .map((l) => store(`line + ${l}u`, `sums[li].${XYZW[l]}`))
            .join("\n    ")
    }
  }`,
  };
}
