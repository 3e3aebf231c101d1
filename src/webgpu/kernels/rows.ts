// Kernels that go over lines of x[outer, n, inner] along n: how lines are shared by the threads of a workgroup, the
// loops over a line, and the trees that join what its threads found.
//
// Inside the bodies a line has a number `line`; its element j lies at `base + j * inner`, j < `end`. Lanes of a line take
// every lanes-th element; `lane` is a thread's own. Sums are chains of at most 16, joined in chains and trees.
import { type Kernel, type Limits, SIZE } from "../kernel.ts";

export interface Layout {
  /** Threads to a line. */
  readonly lanes: number;
  /** Elements that a thread keeps in registers, so that a line is read once; 0: each loop reads it again. */
  readonly held: number;
  /** Neighbouring threads take neighbouring lines, for inner > 1: so they read neighbouring floats. */
  readonly across?: true;
  /** Lanes are joined by shuffles. Not across: there a subgroup holds a few lanes of a line at most, or none. */
  readonly subgroups?: true;
}

export const LAYOUTS = {
  thread: { lanes: 1, held: 0 },
  narrow: { lanes: 32, held: 8 },
  wide: { lanes: SIZE, held: 8 },
  long: { lanes: SIZE, held: 0 },
  band: { lanes: 8, held: 0, across: true },
  tile: { lanes: 32, held: 0, across: true },
  "narrow, subgroups": { lanes: 32, held: 8, subgroups: true },
  "wide, subgroups": { lanes: SIZE, held: 8, subgroups: true },
  "long, subgroups": { lanes: SIZE, held: 0, subgroups: true },
} as const satisfies Record<string, Layout>;
export type LayoutName = keyof typeof LAYOUTS;

/** The layout for so many lines of n elements. */
export function layoutOf({ subgroups }: Limits, lines: number, n: number, inner: number): LayoutName {
  if (n <= 32) return "thread";
  if (inner === 1) {
    const name = n <= 8 * 32 ? "narrow" : n <= 8 * SIZE ? "wide" : "long";
    return subgroups ? `${name}, subgroups` : name;
  }
  if (lines >= 65536) return "thread";
  return inner >= 32 && lines >= 4096 ? "band" : "tile";
}

/** Workgroups for so many lines. */
export const groupsFor = ({ lanes }: Layout, lines: number): number => Math.ceil((lines * lanes) / SIZE);

/** The place of a thread: `lines`, `base` and `n` are expressions, the last two may use `line`. */
export function place({ lanes, across, subgroups }: Layout, lines: string, base: string, n = "n"): string {
  const beside = SIZE / lanes; // lines to a workgroup
  const [slot, lane] = across
    ? [`li % ${beside}u`, `li / ${beside}u`]
    : lanes === 1
      ? ["li", "0u"]
      : [`li / ${lanes}u`, `li % ${lanes}u`];
  return `
  let line = group * ${beside}u + ${slot};
  let lane = ${lane};
  let lines = ${lines};
  let base = ${base};
  let end = select(0u, ${n}, line < lines);
  let first = line < lines && lane == 0u;
  ${subgroups ? "" : "let team = 1u;"}`;
}

/** Where the line of [outer, n, inner] begins. */
export const BASE = "line / inner * n * inner + line % inner";

type Numbers = readonly { readonly name: string; readonly type: string }[];
const numbers = (names: string): Numbers =>
  names
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => {
      const [name, type = "f32"] = word.split(":") as [string, string?];
      return { name, type };
    });

const balanced = (terms: readonly string[]): string => {
  if (terms.length === 1) return terms[0]!;
  const half = terms.length >> 1;
  return `(${balanced(terms.slice(0, half))} + ${balanced(terms.slice(half))})`;
};
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Elements of a lane that are under way together, and how many turns of so many a chain of additions has. */
const UNROLL = 4;
const TURNS = 16;

export class Walk {
  private readonly layout: Layout;
  private readonly loads: readonly (readonly [name: string, value: string])[];

  private readonly type: string;

  /** `loads` are expressions in `j`, all of one type, by the names that loops know them by. */
  constructor(layout: Layout, loads: Readonly<Record<string, string>>, type = "f32") {
    this.layout = layout;
    this.type = type;
    this.loads = Object.entries(loads);
  }

  /** What is read once. Comes before all loops. */
  begin(): string {
    const { held } = this.layout;
    return range(held)
      .map((k) => {
        const vars = this.loads.map(([name]) => `var ${name}_${k} = ${this.type}(0);`).join(" ");
        const reads = this.loads.map(([name, value]) => `${name}_${k} = ${value};`).join(" ");
        return `${vars} { let j = ${this.index(k)}; if (j < end) { ${reads} } }`;
      })
      .join("\n  ");
  }

  private index(k: number): string {
    const { lanes } = this.layout;
    return k === 0 ? "lane" : `lane + ${k * lanes}u`;
  }

  /** A loop in which an element is `j` and the names of the loads. */
  each(code: string): string {
    const { held, lanes } = this.layout;
    if (held > 0) {
      return range(held)
        .map((k) => {
          const values = this.loads.map(([name]) => `let ${name} = ${name}_${k};`).join(" ");
          return `{ let j = ${this.index(k)}; if (j < end) { ${values} ${code} } }`;
        })
        .join("\n  ");
    }
    return `for (var j = lane; j < end; j += ${lanes}u) { ${this.read()} ${code} }`;
  }

  /** The loads of element `j${k}`. */
  private read(k = ""): string {
    return this.loads.map(([name, value]) => `let ${name}${k} = ${value.replace(/\bj\b/g, `j${k}`)};`).join(" ");
  }

  /**
   * A loop that sums: `code(k)` adds to `${name}${k}` for each name of `names` (`s q`, `s:i32`), where an element is
   * `j${k}` and its loads `v${k}`. Then `name` is the lane's sum.
   */
  sums(names: string, code: (k: string) => string): string {
    const { held, lanes } = this.layout;
    const to = numbers(names);
    const zeros = (count: number): string =>
      to.flatMap(({ name, type }) => range(count).map((k) => `var ${name}_${k} = ${type}(0);`)).join(" ");
    const joined = (name: string, count: number): string => balanced(range(count).map((k) => `${name}_${k}`));
    if (held > 0) {
      const steps = range(held).map((k) => `{ let j_${k} = ${this.index(k)}; if (j_${k} < end) { ${code(`_${k}`)} } }`);
      const lets = to.map(({ name }) => `let ${name} = ${joined(name, held)};`);
      return [zeros(held), ...steps, ...lets].join("\n  ");
    }
    // Loads of UNROLL elements before what is done with them, so that they are under way together.
    const loads = range(UNROLL).map((k) => `let j_${k} = at + ${k * lanes}u; ${this.read(`_${k}`)}`);
    return `
  ${to.map(({ name, type }) => `var ${name} = ${type}(0);`).join(" ")}
  for (var at = lane; at < end; ) {
    let stop = min(end, at + ${UNROLL * TURNS * lanes}u);
    ${zeros(UNROLL)}
    for (; at + ${(UNROLL - 1) * lanes}u < stop; at += ${UNROLL * lanes}u) {
      ${loads.join("\n      ")}
      ${range(UNROLL)
        .map((k) => code(`_${k}`))
        .join(" ")}
    }
    for (; at < stop; at += ${lanes}u) { let j_0 = at; ${this.read("_0")} ${code("_0")} }
    ${to.map(({ name }) => `${name} += ${joined(name, UNROLL)};`).join(" ")}
  }`;
  }
}

/**
 * A function `name(li, team, v)`: the values of a line's lanes joined by `join` of p and q, for each of them. Threads of a
 * workgroup call it together. `join` must not care which of the two is p.
 */
export function tree(name: string, layout: Layout, type = "f32", join = "p + q"): string {
  const { lanes, subgroups } = layout;
  const steps = lanes === 1 ? "return v;" : subgroups ? shuffled(name, lanes, type, join) : shared(name, layout, join);
  // The least subgroup has four threads.
  const memory = `var<workgroup> ${name}all: array<${type}, ${subgroups ? SIZE / 4 : SIZE}>;\n`;
  return `${lanes === 1 ? "" : memory}fn ${name}(li: u32, team: u32, v: ${type}) -> ${type} {
  ${steps}
}`;
}

/** Through workgroup memory, four at a time. */
function shared(name: string, { lanes, across }: Layout, join: string): string {
  const all = `${name}all`;
  const step = across ? SIZE / lanes : 1;
  const steps: string[] = [];
  for (let left: number = lanes; left > 1; ) {
    const to = Math.ceil(left / 4);
    const joins = range(left / to - 1).map((k) => `{ let q = ${all}[li + ${(k + 1) * to * step}u]; p = ${join}; }`);
    steps.push(`if (lane < ${to}u) { ${joins.join(" ")} ${all}[li] = p; }\n  workgroupBarrier();`);
    left = to;
  }
  return `let lane = ${across ? `li / ${step}u` : `li % ${lanes}u`};
  var p = v;
  workgroupBarrier();
  ${all}[li] = p;
  workgroupBarrier();
  ${steps.join("\n  ")}
  return ${all}[${across ? `li % ${step}u` : "li - lane"}];`;
}

/**
 * Lanes of a subgroup by shuffles, then what the subgroups of a line found: a value each through workgroup memory, and
 * shuffles again. A subgroup of a whole line, or of several, needs no memory and no barrier. Sums are by shuffles and not
 * by subgroupAdd, which promises no order, and maxima not by subgroupMax, which may do anything with NaN.
 */
function shuffled(name: string, lanes: number, type: string, join: string): string {
  const all = `${name}all`;
  const butterfly = (width: string): string =>
    range(Math.min(Math.log2(lanes), 7))
      .map((k) => `if (${1 << k}u < ${width}) { let q: ${type} = subgroupShuffleXor(p, ${1 << k}u); p = ${join}; }`)
      .join("\n  ");
  return `var p = v;
  ${butterfly("team")}
  if (team >= ${lanes}u) { return p; }
  let parts = ${lanes}u / team;
  let width = min(parts, team);
  workgroupBarrier();
  if (li % team == 0u) { ${all}[li / team] = p; }
  workgroupBarrier();
  let start = li / ${lanes}u * parts + li % width;
  p = ${all}[start];
  for (var k = width; k < parts; k += width) { let q = ${all}[start + k]; p = ${join}; }
  ${butterfly("width")}
  return p;`;
}

/** One kernel for each layout. */
export function layouts(make: (layout: Layout) => Kernel): Record<LayoutName, Kernel> {
  return Object.fromEntries(
    Object.entries<Layout>(LAYOUTS).map(([name, layout]) => {
      const { lanes, subgroups = false } = layout;
      return [name, { barriers: lanes > 1, subgroups, ...make(layout) }];
    }),
  ) as Record<LayoutName, Kernel>;
}

/** A float64 scalar in two words, as the word of the nearest float32. */
export function word32(low: number, high: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setInt32(0, low, true);
  view.setInt32(4, high, true);
  view.setFloat32(0, view.getFloat64(0, true), true);
  return view.getInt32(0, true);
}
