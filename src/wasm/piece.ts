// Pieces of chains: one loop in registers for elementwise rows that stand side by side, as a small module made at run time. What a row
// computes is written here once more, in the order of its kernel, so the bits are the same; test/pieces.test.ts holds them together.
import type { Piece, Pieces } from "../program/passes/chains.ts";
import { PIECES, PIECES_BASE, PIECES_BYTES } from "./control.ts";
import type { Memory } from "./memory.ts";
import type { Threads } from "./threads.ts";

/** Opcodes behind the prefix 0xfd: https://webassembly.github.io/spec/core/binary/instructions.html#vector-instructions */
// biome-ignore format: a table
const CODES: Readonly<Record<string, number>> = {
  "i=": 0x37, "i!=": 0x38, "i<": 0x39, "i>": 0x3b, "i<=": 0x3d, "i>=": 0x3f, "=": 0x41, "!=": 0x42, "<": 0x43, ">": 0x44, "<=": 0x45, ">=": 0x46,
  "&~": 0x4f, ceil: 0x67, floor: 0x68, trunc: 0x69, nearest: 0x6a, "?": 0x52, "i+": 0xae, "i-": 0xb1, "i*": 0xb5, imin: 0xb6, imax: 0xb8, abs: 0xe0, neg: 0xe1, sqrt: 0xe3, "+": 0xe4, "-": 0xe5, "*": 0xe6,
  "/": 0xe7, min: 0xe8, max: 0xe9, pmax: 0xeb, int: 0xf8, float: 0xfa,
};

const COMPARED = { eq: "=", ne: "!=", lt: "<", le: "<=", gt: ">", ge: ">=" };
/**
 * What kernels compute, in reverse Polish notation: x y z are what they read, s is their scalar, ? takes a, b and a mask, of whose bits 1
 * means a, and `bool` makes 0 and 1 of a mask.
 */
const FORMULAS: Readonly<Record<string, string>> = {
  copy_b32: "x",
  neg_f32: "x neg",
  sqrt_f32: "x sqrt",
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
  where_f32: "z y x 0 i= ?",
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
  ...Object.fromEntries(
    Object.entries(COMPARED).flatMap(([name, sign]) => [
      [`${name}_f32`, `x y ${sign} bool`],
      [`${name}_i32`, `x y i${sign} bool`],
      [`${name}_scalar_f32`, `x s ${sign} bool`],
      [`${name}_scalar_i32`, `x s i${sign} bool`],
    ]),
  ),
};

/** How many scalars a kernel has. */
const scalarsOf = (kernel: string): number => Number(/_scalar_/.test(kernel));

/** Unsigned and signed LEB128. */
function unsigned(n: number): number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >>> 7)];
}
function signed(n: number): number[] {
  return n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, ...signed(n >> 7)];
}
const simd = (code: number): number[] => [0xfd, ...unsigned(code)];
const get = (local: number): number[] => [0x20, ...unsigned(local)];
const set = (local: number): number[] => [0x21, ...unsigned(local)];
const constant = (n: number): number[] => [0x41, ...signed(n)];
const vector = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
const list = (parts: readonly (readonly number[])[]): number[] => [...unsigned(parts.length), ...parts.flat()];
const section = (id: number, bytes: readonly number[]): number[] => [id, ...vector(bytes)];
const text = (s: string): number[] => vector([...s].map((c) => c.charCodeAt(0)));

const ADD = 0x6a;
const SHL = 0x74;
const AND = 0x71;
const LESS_U = 0x49;
const I32 = 0x7f;
const V128 = 0x7b;

/** The same word in all lanes. */
function splat(value: number): number[] {
  const word = [...new Uint8Array(Float32Array.of(value).buffer)];
  return [...simd(0x0c), ...word, ...word, ...word, ...word];
}

/** The module: it imports `env.memory`, shared and of any size, and exports the kernel as `f`. */
export function bytesOf({ buffers, steps }: Piece): Uint8Array<ArrayBuffer> {
  // Locals: args ith nth, then an i32 a buffer, the offset and two ends, then vectors: of a buffer, of a scalar, of a step.
  const address = (k: number): number => 3 + k;
  const at = address(buffers.length);
  const [whole, end] = [at + 1, at + 2];
  const held = (k: number): number => at + 3 + k;
  const scalars = steps.map((_, i) => steps.slice(0, i).reduce((n, s) => n + scalarsOf(s.kernel), 0));
  const count = steps.reduce((n, s) => n + scalarsOf(s.kernel), 0);
  const scalar = (j: number): number => held(buffers.length) + j;
  const value = (i: number): number => scalar(count) + i;

  const args = (word: number): number[] => [2, ...unsigned(4 * word)]; // alignment and offset
  const code: number[] = [];
  for (const [k, moves] of buffers.entries()) {
    code.push(...get(0), 0x28, ...args(k));
    code.push(...(moves ? set(address(k)) : [...simd(9), 2, 0, ...set(held(k))]));
  }
  for (let j = 0; j < count; j++) code.push(...get(0), ...simd(9), ...args(buffers.length + 1 + j), ...set(scalar(j)));
  const n = [...get(0), 0x28, ...args(buffers.length)];
  code.push(...n, ...constant(2), SHL, ...set(end), ...get(end), ...constant(-16), AND, ...set(whole));

  /** The steps for the vector at the offset, or for the element. */
  const body = (load: readonly number[], store: readonly number[]): number[] => {
    const out: number[] = [];
    const there = new Set<number>();
    for (const [i, step] of steps.entries()) {
      for (const k of step.reads) {
        if (k < 0 || !buffers[k] || there.has(k)) continue;
        there.add(k);
        out.push(...get(address(k)), ...get(at), ADD, ...load, ...set(held(k)));
      }
      const operand = (j: number): number[] => get(step.reads[j]! < 0 ? value(~step.reads[j]!) : held(step.reads[j]!));
      for (const token of FORMULAS[step.kernel]!.split(" ")) {
        const place = "xyz".indexOf(token);
        if (place >= 0) out.push(...operand(place));
        else if (token === "s") out.push(...get(scalar(scalars[i]!)));
        else if (token === "bool") out.push(...constant(31), ...simd(0xad));
        else out.push(...(token in CODES ? simd(CODES[token]!) : splat(Number(token))));
      }
      out.push(...set(value(i)));
      if (step.store >= 0) out.push(...get(address(step.store)), ...get(at), ADD, ...get(value(i)), ...store);
    }
    return out;
  };
  const loop = (stop: number, width: number, steps: readonly number[]): number[] => [
    ...[...get(at), ...get(stop), LESS_U, 0x04, 0x40, 0x03, 0x40],
    ...steps,
    ...[...get(at), ...constant(width), ADD, 0x22, ...unsigned(at), ...get(stop), LESS_U, 0x0d, 0, 0x0b, 0x0b],
  ];
  code.push(...loop(whole, 16, body([...simd(0), 2, 0], [...simd(0x0b), 2, 0])));
  // The last ones one by one, in all lanes.
  code.push(...loop(end, 4, body([...simd(9), 2, 0], [...simd(0x5a), 2, 0, 0])), 0x0b);

  const locals = list([
    [...unsigned(buffers.length + 3), I32],
    [...unsigned(buffers.length + count + steps.length), V128],
  ]);
  return Uint8Array.from([
    ...EMPTY,
    ...section(1, list([[0x60, 3, I32, I32, I32, 0]])),
    ...section(2, list([[...text("env"), ...text("memory"), 2, 3, 0, ...unsigned(65536)]])),
    ...section(3, list([[0]])),
    ...section(7, list([[...text("f"), 0, 0]])),
    ...section(10, list([vector([...locals, ...code])])),
  ]);
}

/** The smallest module: the bytes with which each begins. */
export const EMPTY: readonly number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Whether this thread may make code while it runs: edge hosts and some policies forbid it. */
export function canCompile(): boolean {
  try {
    return new WebAssembly.Module(Uint8Array.from(EMPTY)) !== null;
  } catch {
    return false;
  }
}

type Shared = Pick<Memory, "memory" | "i32">;

/**
 * The pieces of a device. Each is made once, here and by the workers, which find its bytes in the memory: as many as there is room for.
 */
export class MadePieces implements Pieces {
  readonly #made = new Map<string, number>();
  readonly #memory: Shared;
  readonly #table: WebAssembly.Table;
  readonly #threads: Threads;

  constructor(memory: Shared, table: WebAssembly.Table, threads: Threads) {
    this.#memory = memory;
    this.#table = table;
    this.#threads = threads;
  }

  /** True when a worker has come that takes none. */
  get refused(): boolean {
    return this.#threads.ready(true) < this.#threads.ready();
  }

  fits(kernel: string): boolean {
    return kernel in FORMULAS;
  }

  index(piece: Piece): number | null {
    const key = JSON.stringify(piece);
    const there = this.#made.get(key);
    if (there !== undefined) return there;
    const { memory, i32 } = this.#memory;
    const bytes = bytesOf(piece);
    const used = i32[PIECES >> 2]!;
    const end = (used + 7 + bytes.length) & -4;
    if (end > PIECES_BYTES) return null;
    try {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
      const index = this.#table.grow(1, exports.f);
      i32[(PIECES_BASE + used) >> 2] = bytes.length;
      new Uint8Array(memory.buffer).set(bytes, PIECES_BASE + used + 4);
      Atomics.store(i32, PIECES >> 2, end);
      this.#made.set(key, index);
      return index;
    } catch {
      return null;
    }
  }
}
