// Pieces of chains: one loop in registers for elementwise rows that stand side by side, as a small module made at run time. What a row
// computes is written here once more, in the order of its kernel, so the bits are the same; test/pieces.test.ts holds them together.
import type { Piece, Pieces } from "../program/passes/chains.ts";
import { CODES, FUSED, hasFormula, SHIFTS, TAKES, tokensOf } from "./formulas.ts";

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
const [GET, SET] = [0x20, 0x21];
const get = (local: number): number[] => [GET, ...unsigned(local)];
const set = (local: number): number[] => [SET, ...unsigned(local)];
const constant = (n: number): number[] => [0x41, ...signed(n)];
const vector = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
const list = (parts: readonly (readonly number[])[]): number[] => [...unsigned(parts.length), ...parts.flat()];
const section = (id: number, bytes: readonly number[]): number[] => [id, ...vector(bytes)];
const text = (s: string): number[] => vector([...s].map((c) => c.charCodeAt(0)));

const ADD = 0x6a;
const SHL = 0x74;
const AND = 0x71;
const LESS_U = 0x49;
const EQZ = 0x45;
const SELECT = 0x1b;
const TEE = 0x22;
const [BLOCK, LOOP, BR_IF, END, NOTHING] = [0x02, 0x03, 0x0d, 0x0b, 0x40];
const I32 = 0x7f;
const V128 = 0x7b;

/** The same word in all lanes. */
function splat(value: number): number[] {
  const word = [...new Uint8Array(Float32Array.of(value).buffer)];
  return [...simd(0x0c), ...word, ...word, ...word, ...word];
}

const isNumber = (token: string): boolean => !Number.isNaN(Number(token));

/** A value that is pushed: what it takes for the vector so many behind the loop's place. */
type Value = (copy: number) => readonly number[];

/** How many vectors are computed in step where a step is long: one alone would wait for itself. */
const IN_STEP = 4;
const LONG = 16;

/** What one round of a loop does: the code, piece by piece. */
class Round {
  readonly code: number[] = [];
  /** Where an element is that only the whole formula can do; null as long as there is none. */
  far: Value | null = null;
  readonly #copies: readonly number[];
  readonly #near: boolean;
  readonly #fused: boolean;
  readonly #local: (count: number) => number;
  readonly #fixed: (constant: number) => number;

  /** `near`: what is `far` is left out. `local` gives vectors that nobody else has, `fixed` tells where a constant is. */
  constructor(
    copies: number,
    near: boolean,
    fused: boolean,
    local: (count: number) => number,
    fixed: (constant: number) => number,
  ) {
    this.#copies = [...Array(copies).keys()];
    this.#near = near;
    this.#fused = fused;
    this.#local = local;
    this.#fixed = fixed;
  }

  /** Keeps what is computed, for all vectors one after another: what does not wait for each other stands side by side. */
  keep(value: Value): Value {
    const first = this.#local(this.#copies.length);
    this.do((c) => [...value(c), ...set(first + c)]);
    return (c) => get(first + c);
  }

  do(codes: Value): void {
    for (const c of this.#copies) this.code.push(...codes(c));
  }

  /** The value of a formula. */
  compute(tokens: readonly string[], operands: ReadonlyMap<string, Value>): Value {
    const names = new Map(operands);
    const stack: Value[] = [];
    const take = (count: number): Value => {
      const taken = stack.splice(stack.length - count);
      return (c) => taken.flatMap((value) => value(c));
    };
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      if (names.has(token)) stack.push(names.get(token)!);
      else if (isNumber(token)) stack.push(() => get(this.#fixed(Number(token))));
      else if (/^=[A-Z]$/.test(token)) names.set(token.slice(1), take(1));
      else if (token === "far{") {
        const mask = take(1);
        const { far } = this;
        this.far = far === null ? mask : this.keep((c) => [...far(c), ...mask(c), ...simd(CODES.or!)]);
        if (this.#near) i = tokens.indexOf("}", i);
      } else if (token === "*." || token === "*-") {
        const [factors, codes] = [take(2), this.#codes(token)];
        stack.push((c) => [...factors(c), ...codes]);
      } else if (token !== "}") {
        const [values, codes] = [take(token in SHIFTS ? 1 : (TAKES[token] ?? 2)), this.#codes(token)];
        stack.push(this.keep((c) => [...values(c), ...codes]));
      }
    }
    return stack.pop()!;
  }

  /** Whether an element is far, of any vector. */
  get isFar(): number[] {
    if (this.far === null) return constant(0);
    const [first, ...others] = this.#copies.map(this.far);
    return [...first!, ...others.flatMap((mask) => [...mask, ...simd(CODES.or!)]), ...simd(0x53)];
  }

  #codes(token: string): number[] {
    if (token in SHIFTS) return [...constant(SHIFTS[token]![1]), ...simd(SHIFTS[token]![0])];
    if (token in FUSED) return FUSED[token]![this.#fused ? 0 : 1].flatMap(simd);
    return simd(CODES[token]!);
  }
}

/**
 * The module: it imports `env.memory` and exports the kernel as `f`. `fused`: the build's kernels multiply and add with one rounding, where
 * the host has that.
 */
export function bytesOf({ buffers, steps }: Piece, shared: boolean, fused: boolean): Uint8Array<ArrayBuffer> {
  const formulas = steps.map(({ kernel }) => tokensOf(kernel, fused));
  const constants = [...new Set(formulas.flat().filter(isNumber).map(Number))];
  // Locals: args ith nth, then an i32 a buffer, the offset and three ends; then vectors: of a buffer that stays, a scalar, a constant, and
  // what is computed.
  const address = (k: number): number => 3 + k;
  const at = address(buffers.length);
  const [whole, stop, end] = [at + 1, at + 2, at + 3];
  const vectors = at + 4;
  let next = vectors;
  const local = (count: number): number => {
    next += count;
    return next - count;
  };
  const held = buffers.map((moves) => (moves ? -1 : local(1)));
  const counts = steps.map((s) => scalarsOf(s.kernel));
  const scalars = counts.map(local);
  const fixed = local(constants.length);

  const args = (word: number): number[] => [2, ...unsigned(4 * word)]; // alignment and offset
  const code: number[] = [];
  for (const [k, moves] of buffers.entries()) {
    code.push(...get(0), 0x28, ...args(k));
    code.push(...(moves ? set(address(k)) : [...simd(9), 2, 0, ...set(held[k]!)]));
  }
  let word = buffers.length + 1;
  for (const [i, count] of counts.entries())
    for (let j = 0; j < count; j++) code.push(...get(0), ...simd(9), ...args(word++), ...set(scalars[i]! + j));
  // Written where it is used, V8 rebuilds a constant each time.
  for (const [j, c] of constants.entries()) code.push(...splat(c), ...set(fixed + j));
  const n = [...get(0), 0x28, ...args(buffers.length)];

  /** The steps for so many vectors at the offset, or for the element; of `near` what is stored comes behind a way out to the others. */
  const round = (copies: number, near: boolean, load: Value, store: Value): number[] => {
    const round = new Round(copies, near, fused, local, (c) => fixed + constants.findIndex((x) => Object.is(x, c)));
    const loaded = new Map<number, Value>();
    const values: Value[] = [];
    const stores: Value[] = [];
    const place = (k: number): number[] => [...get(address(k)), ...get(at), ADD];
    for (const [i, step] of steps.entries()) {
      const operands = new Map<string, Value>([["s", () => get(scalars[i]!)]]);
      for (const [j, k] of step.reads.entries()) {
        if (k >= 0 && !loaded.has(k))
          loaded.set(k, buffers[k] ? round.keep((c) => [...place(k), ...load(c)]) : () => get(held[k]!));
        operands.set("xyz"[j]!, k < 0 ? values[~k]! : loaded.get(k)!);
      }
      const value = round.compute(formulas[i]!, operands);
      values.push(value);
      if (step.store < 0) continue;
      const stored: Value = (c) => [...place(step.store), ...value(c), ...store(c)];
      if (near) stores.push(stored);
      else round.do(stored);
    }
    if (near && round.far !== null) round.code.push(...round.isFar, BR_IF, 1);
    for (const stored of stores) round.do(stored);
    return round.code;
  };
  /** Rounds as long as the offset is below; a way out of them leads behind. */
  const loop = (stop: number, width: number, round: readonly number[]): number[] => [
    ...[BLOCK, NOTHING, ...get(at), ...get(stop), LESS_U, EQZ, BR_IF, 0, LOOP, NOTHING],
    ...round,
    ...[...get(at), ...constant(width), ADD, TEE, ...unsigned(at), ...get(stop), LESS_U, BR_IF, 0, END, END],
  ];
  const below = (mask: number): number[] => [...get(end), ...constant(mask), AND];
  const [load, store]: [Value, Value] = [(c) => [...simd(0), 2, 16 * c], (c) => [...simd(0x0b), 2, 16 * c]];
  const vector1 = loop(stop, 16, round(1, false, load, store));
  code.push(...n, ...constant(2), SHL, ...set(end));
  if (formulas.some((f) => f.length > LONG)) {
    // Those in step, until they end or meet what is far; so many vectors one by one; and on.
    const width = 16 * IN_STEP;
    code.push(...below(-width), ...set(whole), LOOP, NOTHING);
    code.push(...loop(whole, width, round(IN_STEP, true, load, store)));
    code.push(...get(at), ...constant(width), ADD, ...set(stop));
    code.push(...get(stop), ...below(-16), ...get(stop), ...below(-16), LESS_U, SELECT, ...set(stop), ...vector1);
    code.push(...get(at), ...get(whole), LESS_U, BR_IF, 0, END);
  } else code.push(...below(-16), ...set(stop), ...vector1);
  // The last ones one by one, in all lanes.
  const element = round(
    1,
    false,
    () => [...simd(9), 2, 0],
    () => [...simd(0x5a), 2, 0, 0],
  );
  code.push(...loop(end, 4, element), END);

  const locals = list([
    [...unsigned(buffers.length + 4), I32],
    [...unsigned(next - vectors), V128],
  ]);
  const memory = shared ? [3, 0, ...unsigned(65536)] : [0, 0];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list([[0x60, 3, I32, I32, I32, 0]])),
    ...section(2, list([[...text("env"), ...text("memory"), 2, ...memory]])),
    ...section(3, list([[0]])),
    ...section(7, list([[...text("f"), 0, 0]])),
    ...section(10, list([vector([...locals, ...code])])),
  ]);
}

/** The pieces of a device, which are made once; where code may not be made there are none. */
export class MadePieces implements Pieces {
  readonly #made = new Map<string, number>();
  readonly #memory: WebAssembly.Memory;
  readonly #table: WebAssembly.Table;
  readonly #fused: boolean;

  constructor(memory: WebAssembly.Memory, table: WebAssembly.Table, fused: boolean) {
    this.#memory = memory;
    this.#table = table;
    this.#fused = fused;
  }

  fits(kernel: string): boolean {
    return hasFormula(kernel);
  }

  index(piece: Piece): number | null {
    const key = JSON.stringify(piece);
    const there = this.#made.get(key);
    if (there !== undefined) return there;
    try {
      const shared = !(this.#memory.buffer instanceof ArrayBuffer);
      const module = new WebAssembly.Module(bytesOf(piece, shared, this.#fused));
      const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
      const index = this.#table.grow(1, exports.f);
      this.#made.set(key, index);
      return index;
    } catch {
      return null;
    }
  }
}
