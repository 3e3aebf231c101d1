// What a kernel is on this device, and the WGSL that is made of it.
//
// A kernel names its buffers, extents and scalars in the order of a launch, so `x[i]` in its body means element i of
// the buffer x, wherever that lies: element offsets travel in the uniform block. A storage that a launch names twice (in
// place, or two views) is bound once, since WebGPU forbids writable bindings that overlap.
import type { Row, Storage } from "../core/device.ts";

export type Groups = readonly [number, number, number];

/** How a kernel stands to the fault word: sets it, runs only while it is not set, or has nothing to do with it. */
export type FaultUse = "sets" | "guarded" | "none";

export interface Kernel {
  /** Outputs first: `y x idx:i32`; f32 by default, i32, u32, and vec4 for runs of four floats at offsets that are multiples of four. */
  readonly buffers: string;
  /** Names of the extents, all u32. */
  readonly extents: string;
  /** `s slope lo:i32`; f32 by default. */
  readonly scalars?: string;
  /** The workgroup; 1-D by default. */
  readonly size?: Groups;
  /**
   * Workgroups for these extents: a number is a count of 1-D groups, which the body knows as `group`; without it there
   * is one thread for each point of the loop nest, `i`, and the body runs for i < the product of the extents only.
   */
  readonly groups?: (extents: readonly number[], scalars: readonly number[]) => number | Groups;
  /** WGSL at module level: functions (names of `lib` functions are there already), workgroup memory. */
  readonly head?: string;
  /** WGSL inside main: `i`, `group`, `lid`, `li`, `wg`, every extent and scalar by name. */
  readonly body: string;
  /** Reports bad values: `fault(index, value)` is there. */
  readonly faults?: boolean;
  /** Has barriers, so a guard at its entry is not allowed. */
  readonly barriers?: boolean;
  /** Needs `enable subgroups;`. */
  readonly subgroups?: boolean;
  /** The scalars as the shader gets them, from those of the row. */
  readonly encode?: (words: readonly number[]) => readonly number[];
}

/**
 * One entry of the registry: a kernel, or a choice. `variant` names the kernel that runs a row; `expand` puts rows of
 * other kernels in its place, with temporaries made by `make`.
 */
export interface Entry {
  readonly kernels: Readonly<Record<string, Kernel>>;
  readonly variant?: (row: Row, limits: Limits) => string;
  readonly expand?: (row: Row, make: (elements: number) => Storage, limits: Limits) => readonly Row[] | null;
}

export type Registry = Readonly<Record<string, Entry>>;

/** What kernels are cut to. */
export interface Limits {
  /** Storage bindings that a launch may have, the fault word not counted. */
  readonly bindings: number;
  /** Invocations in a workgroup. */
  readonly invocations: number;
  readonly subgroups: boolean;
}

export const SIZE = 256;
const TYPES: Record<string, string> = { f32: "f32", i32: "i32", u32: "u32", vec4: "vec4<f32>" };

interface Field {
  readonly name: string;
  readonly type: string;
}

const fields = (text: string, fallback: string): Field[] =>
  text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      const [name, type = fallback] = word.split(":") as [string, string?];
      return { name, type };
    });

const parsed = new WeakMap<Kernel, { buffers: Field[]; extents: Field[]; scalars: Field[] }>();

export function signature(k: Kernel): { buffers: Field[]; extents: Field[]; scalars: Field[] } {
  let s = parsed.get(k);
  if (s === undefined) {
    s = {
      buffers: fields(k.buffers, "f32"),
      extents: fields(k.extents, "u32"),
      scalars: fields(k.scalars ?? "", "f32"),
    };
    parsed.set(k, s);
  }
  return s;
}

/** Binding of each buffer: the same storage has the same. `0,1,1` */
export function bindingsOf(storages: readonly Storage[]): { map: number[]; unique: Storage[] } {
  const unique: Storage[] = [];
  const map = storages.map((s) => {
    const at = unique.indexOf(s);
    return at < 0 ? unique.push(s) - 1 : at;
  });
  return { map, unique };
}

/** 1-D groups laid out in two dimensions where one would exceed the device's limit. */
export function fold(count: number, most = 65535): Groups {
  if (count <= most) return [count, 1, 1];
  const y = Math.ceil(count / most);
  return [Math.ceil(count / y), y, 1];
}

export function groupsOf(k: Kernel, extents: readonly number[], scalars: readonly number[]): Groups {
  const wanted = k.groups?.(extents, scalars) ?? Math.ceil(extents.reduce((a, b) => a * b, 1) / SIZE);
  return typeof wanted === "number" ? fold(wanted) : wanted;
}

/** Uniform words before the extents: one element offset for each buffer, then the row's number for faults. */
export function uniformWords(k: Kernel): number {
  const { buffers, extents, scalars } = signature(k);
  return buffers.length + 1 + extents.length + scalars.length;
}

/** `x[a + b]` becomes `b1[P.o1 + (a + b)]` for each buffer x. */
function bind(code: string, buffers: readonly Field[], map: readonly number[]): string {
  const pattern = new RegExp(`(?<![\\w.])(${buffers.map((b) => b.name).join("|")})\\[`, "g");
  let out = "";
  let from = 0;
  for (let m = pattern.exec(code); m !== null; m = pattern.exec(code)) {
    let depth = 1;
    let end = pattern.lastIndex;
    while (depth > 0) {
      const c = code[end++];
      if (c === undefined) throw new Error(`${m[1]}[ is not closed`);
      depth += c === "[" ? 1 : c === "]" ? -1 : 0;
    }
    const n = buffers.findIndex((b) => b.name === m![1]);
    const index = bind(code.slice(pattern.lastIndex, end - 1), buffers, map);
    out += `${code.slice(from, m.index)}b${map[n]}[P.o${n} + (${index})]`;
    from = end;
    pattern.lastIndex = end;
  }
  return out + code.slice(from);
}

/** The shader: `lib` is put before the kernel's own functions. */
export function wgsl(k: Kernel, map: readonly number[], use: FaultUse, lib: string): string {
  const { buffers, extents, scalars } = signature(k);
  const size = k.size ?? [SIZE, 1, 1];
  const types: string[] = [];
  map.forEach((b, n) => {
    const type = TYPES[buffers[n]!.type]!;
    if (types[b] !== undefined && types[b] !== type) throw new Error(`one storage as ${types[b]} and as ${type}`);
    types[b] = type;
  });
  const members = [
    ...buffers.map((_, n) => `o${n}: u32`),
    "row: u32",
    ...extents.map((e) => `${e.name}: u32`),
    ...scalars.map((s) => `${s.name}: ${s.type}`),
  ];
  const bindings = types.map((t, b) => `@group(0) @binding(${b + 1}) var<storage, read_write> b${b}: array<${t}>;`);
  const last = types.length + 1;
  const faultWord = `@group(0) @binding(${last}) var<storage, read_write> faultWord: array<${use === "sets" ? "atomic<u32>" : "u32"}>;`;
  if (use !== "none") bindings.push(faultWord);
  const report = `fn fault(index: u32, value: i32) {
  if (atomicCompareExchangeWeak(&faultWord[0], 0u, P.row).exchanged) {
    atomicStore(&faultWord[1], index);
    atomicStore(&faultWord[2], bitcast<u32>(value));
  }
}`;
  const locals = [...extents, ...scalars].map((f) => `  let ${f.name} = P.${f.name};`);
  const point =
    k.groups === undefined ? [`  if (i >= ${extents.map((e) => e.name).join(" * ") || "1u"}) { return; }`] : [];
  const used = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(k.body) || k.groups === undefined;
  return [
    k.subgroups ? "enable subgroups;" : "",
    `struct Params { ${members.join(", ")} }`,
    "@group(0) @binding(0) var<uniform> P: Params;",
    ...bindings,
    use === "sets" ? report : "",
    lib,
    bind(k.head ?? "", buffers, map),
    `@compute @workgroup_size(${size.join(", ")})`,
    "fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,",
    "        @builtin(local_invocation_id) lid: vec3<u32>, @builtin(local_invocation_index) li: u32) {",
    use === "guarded" ? "  if (faultWord[0] != 0u) { return; }" : "",
    used("group") || used("i") ? "  let group = wg.y * nwg.x + wg.x;" : "",
    used("i") ? `  let i = group * ${size[0] * size[1] * size[2]}u + li;` : "",
    ...locals,
    ...point,
    bind(k.body, buffers, map),
    "}",
  ]
    .filter((line) => line !== "")
    .join("\n");
}

/** A registry entry that is one kernel. */
export const one = (k: Kernel): Entry => ({ kernels: { "": k } });
