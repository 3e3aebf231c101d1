// What a kernel is on this device, and the WGSL that is made of it.
//
// A kernel names its buffers, extents and scalars in the order of a launch, so `x[i]` in its body means element i of
// the buffer x, wherever that lies: element offsets travel in the uniform block. A storage that a launch names twice (in
// place, or two views) is bound once, since WebGPU forbids writable bindings that overlap.
import type { Row, Storage } from "../core/device.ts";
import { layoutOf } from "../program/kernels/index.ts";
import { type Field, fields } from "../program/kernels/table.ts";
import { word } from "../row/words.ts";

export type Groups = readonly [number, number, number];

/**
 * How a kernel stands to the fault word and, three words on, the word that skips rows that last (`amp_skip_i32`): sets one,
 * runs only while neither is set, or has nothing to do with them.
 */
export type FaultUse = "sets" | "guarded" | "none";

export interface Kernel {
  /**
   * Names and types of the buffers, extents and scalars are the table's (program/kernels) where nothing is said here. Outputs
   * first: `y x idx:i32`; f32 by default, i32, u32, atomic, and vec4 for runs of four floats at offsets that are
   * multiples of four. Floats may lie as float16: then a load widens and a store rounds, and u32 means their bits.
   */
  readonly buffers?: string;
  /** Names of the extents, all u32. */
  readonly extents?: string;
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
  /** Sets the word that skips rows. */
  readonly skips?: boolean;
  /** Of its steps it skips those that last itself, by `skip_`: it is guarded, but not at its entry. */
  readonly skipsSteps?: boolean;
  /** Has barriers, so a guard at its entry is not allowed. */
  readonly barriers?: boolean;
  /**
   * Uses subgroups: `team` is a subgroup's size, and `li` counts threads subgroup by subgroup, so that threads of a
   * subgroup are neighbours. WGSL promises no such thing of local_invocation_index.
   */
  readonly subgroups?: boolean;
  /** The scalars as the shader gets them, from those of the row. */
  readonly encode?: (words: readonly number[]) => readonly number[];
}

/**
 * What the registry has for a row's name: a kernel, or a choice. `variant` names the kernel that runs a row; `expand` puts rows of
 * other kernels in its place, with temporaries made by `make`.
 */
export interface Implementation {
  readonly kernels: Readonly<Record<string, Kernel>>;
  readonly variant?: (row: Row, limits: Limits) => string;
  readonly expand?: (row: Row, make: (elements: number) => Storage, limits: Limits) => readonly Row[] | null;
}

export type Registry = Readonly<Record<string, Implementation>>;

/** What kernels are cut to. */
export interface Limits {
  /** Storage bindings that a launch may have, the fault word not counted. */
  readonly bindings: number;
  /** Invocations in a workgroup. */
  readonly invocations: number;
  /** Kernels may use subgroups, and every subgroup of 256 invocations is full. */
  readonly subgroups: boolean;
}

export const SIZE = 256;
const SUBGROUP_INPUTS =
  "@builtin(subgroup_id) subgroup: u32, @builtin(subgroup_size) team: u32, @builtin(subgroup_invocation_id) member: u32";
const TYPES: Record<string, string> = { f32: "f32", i32: "i32", u32: "u32", vec4: "vec4<f32>", atomic: "atomic<u32>" };
/** For buffers of float16: how elements lie, and the functions that they pass on their way. */
const HALVES: Record<string, { type: string; load: string; store: string }> = {
  f32: { type: "f16", load: "f32", store: "half_" },
  u32: { type: "f16", load: "halfBits_", store: "halfOf_" },
  vec4: { type: "vec4<f16>", load: "vec4<f32>", store: "halves_" },
};
// WGSL leaves open which way f16() rounds, and what becomes of what is too large: to nearest even, and infinity. Below 2^-14
// the bits count steps of 2^-24; above, f32's exponent and upper bits, moved and with 15 for 127, are f16's. Bits become
// f16 by way of the float that they are, since wgpu cannot bitcast to vec2<f16>.
const HALF_LIB = `
fn halfBits_(v: f16) -> u32 { return pack2x16float(vec2<f32>(f32(v), 0.0)); }
fn halfOf_(bits: u32) -> f16 { return f16(unpack2x16float(bits).x); }
fn half_(v: f32) -> f16 {
  let bits = bitcast<u32>(v);
  let size = bits & 0x7fffffffu;
  var h = (size - 0x38000000u + 0xfffu + ((size >> 13u) & 1u)) >> 13u;
  if (size >= 0x47800000u) { h = select(0x7c00u, 0x7e00u, size > 0x7f800000u); }
  if (size < 0x38800000u) { h = u32(round(bitcast<f32>(size) * 16777216.0)); }
  return halfOf_(h | ((bits >> 16u) & 0x8000u));
}
fn halves_(v: vec4<f32>) -> vec4<f16> { return vec4<f16>(half_(v.x), half_(v.y), half_(v.z), half_(v.w)); }`;

/** A kernel with everything that its shader needs. */
export interface Laid extends Kernel {
  readonly name: string;
  readonly fields: {
    readonly buffers: readonly Field[];
    readonly extents: readonly Field[];
    readonly scalars: readonly Field[];
  };
}

/** Fields as the strings of a kernel have them. */
export const text = (list: readonly Field[]): string => list.map(({ name, type }) => `${name}:${type}`).join(" ");

const laidOut = new WeakMap<Kernel, Laid>();

/** The kernel with what the table says of its rows. Floats of 64 bits are rounded on their way. */
export function laid(name: string, k: Kernel): Laid {
  let found = laidOut.get(k);
  if (found === undefined) {
    const layout = layoutOf(name);
    const own = (list: string | undefined, usual: string, others: readonly Field[] = []): readonly Field[] =>
      list === undefined ? others : fields(list, usual);
    const scalars = own(k.scalars, "f32", layout?.scalars);
    found = {
      ...k,
      name,
      fields: {
        buffers: own(k.buffers, "f32", layout && [...layout.outputs, ...layout.inputs]),
        extents: own(k.extents, "u32", layout?.extents),
        scalars: scalars.map((s) => (s.type === "f64" ? { ...s, type: "f32" } : s)),
      },
      ...(scalars.some((s) => s.type === "f64") && { encode: (words) => rounded(scalars, words) }),
    };
    laidOut.set(k, found);
  }
  return found;
}

const bits = new DataView(new ArrayBuffer(8));
/** The words of a row whose f64 scalars are f32. */
function rounded(scalars: readonly Field[], words: readonly number[]): number[] {
  let at = 0;
  return scalars.map(({ type }) => {
    if (type !== "f64") return words[at++]!;
    bits.setInt32(0, words[at + 1]! | 0);
    bits.setInt32(4, words[at]! | 0);
    at += 2;
    return word(bits.getFloat64(0));
  });
}

/** Elements of two bytes are float16 on this device. */
export const isHalf = (s: Storage): boolean => s.width === 2;

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

export function groupsOf(k: Laid, extents: readonly number[], scalars: readonly number[]): Groups {
  const wanted = k.groups?.(extents, scalars) ?? Math.ceil(extents.reduce((a, b) => a * b, 1) / SIZE);
  return typeof wanted === "number" ? fold(wanted) : wanted;
}

/** Uniform words before the extents: one element offset for each buffer, then for faults the row's number, or of a guarded
 * row the bits of those behind which it does nothing. */
export function uniformWords(k: Laid): number {
  const { buffers, extents, scalars } = k.fields;
  return buffers.length + 1 + extents.length + scalars.length;
}

/** Where the expression ends that begins at `from`: the first of `ends` outside brackets. */
function endOf(code: string, from: number, ends: string): number {
  let depth = 0;
  for (let i = from; i < code.length; i++) {
    const c = code[i]!;
    if (depth === 0 && ends.includes(c)) return i;
    if ("([{".includes(c)) depth++;
    else if (")]}".includes(c)) depth--;
  }
  throw new Error(`${code.slice(from, from + 40)}: ${ends} is missing`);
}

/** `x[a + b]` becomes `b1[P.o1 + (a + b)]` for each buffer x; of float16, `f32(b1[...])`, and `x[a] = v;` rounds v. */
function bind(code: string, buffers: readonly Field[], map: readonly number[], halves: readonly boolean[]): string {
  const pattern = new RegExp(`(?<![\\w.])(${buffers.map((b) => b.name).join("|")})\\[`, "g");
  let out = "";
  let from = 0;
  for (let m = pattern.exec(code); m !== null; m = pattern.exec(code)) {
    let end = endOf(code, pattern.lastIndex, "]");
    const n = buffers.findIndex((b) => b.name === m![1]);
    const index = bind(code.slice(pattern.lastIndex, end++), buffers, map, halves);
    let place = `b${map[n]}[P.o${n} + (${index})]`;
    if (halves[map[n]!]) {
      const { load, store } = HALVES[buffers[n]!.type]!;
      const written = /^\s*([-+*/]?)=(?!=)/.exec(code.slice(end));
      if (written === null) place = `${load}(${place})`;
      else {
        const begin = end + written[0].length;
        end = endOf(code, begin, ";");
        const value = bind(code.slice(begin, end), buffers, map, halves);
        place += ` = ${store}(${written[1] === "" ? value : `${load}(${place}) ${written[1]} (${value})`})`;
      }
    }
    out += code.slice(from, m.index) + place;
    from = end;
    pattern.lastIndex = end;
  }
  return out + code.slice(from);
}

/** The shader: `lib` is put before the kernel's own functions; `halves` says which bindings lie as float16. */
export function wgsl(k: Laid, map: readonly number[], halves: readonly boolean[], use: FaultUse, lib: string): string {
  const { buffers, extents, scalars } = k.fields;
  const size = k.size ?? [SIZE, 1, 1];
  const types: string[] = [];
  map.forEach((b, n) => {
    const type = halves[b] ? HALVES[buffers[n]!.type]?.type : TYPES[buffers[n]!.type];
    if (type === undefined) throw new Error(`${buffers[n]!.name} is ${buffers[n]!.type} and lies as float16`);
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
  atomicOr(&faultWord[4], 1u << (P.row & 31u));
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
    halves.includes(true) ? "enable f16;" : "",
    k.subgroups ? "enable subgroups;" : "",
    `struct Params { ${members.join(", ")} }`,
    "@group(0) @binding(0) var<uniform> P: Params;",
    ...bindings,
    use === "sets" ? report : "",
    lib,
    halves.includes(true) ? HALF_LIB : "",
    bind(k.head ?? "", buffers, map, halves),
    `@compute @workgroup_size(${size.join(", ")})`,
    "fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,",
    `        @builtin(local_invocation_id) lid: vec3<u32>, ${k.subgroups ? SUBGROUP_INPUTS : "@builtin(local_invocation_index) li: u32"}) {`,
    k.subgroups ? "  let li = subgroup * team + member;" : "",
    use === "guarded" ? `  let skip_ = ((faultWord[4] & P.row) | faultWord[3]) != 0u;` : "",
    use === "guarded" && !k.skipsSteps ? "  if (skip_) { return; }" : "",
    used("group") || used("i") ? "  let group = wg.y * nwg.x + wg.x;" : "",
    used("i") ? `  let i = group * ${size[0] * size[1] * size[2]}u + li;` : "",
    ...locals,
    ...point,
    bind(k.body, buffers, map, halves),
    "}",
  ]
    .filter((line) => line !== "")
    .join("\n");
}

/** A row's name that is one kernel. */
export const one = (k: Kernel): Implementation => ({ kernels: { "": k } });
