// A piece as a module: it imports `env.memory` and exports the kernel as `f`. Its loop goes on by an offset in bytes from where the
// buffers begin.
import type { Piece } from "../../program/passes/chain.ts";
import { SUM } from "../../program/passes/member.ts";
import { EMPTY } from "../compile.ts";
import {
  ADD,
  AND,
  BLOCK,
  BR_IF,
  constant,
  END,
  EQZ,
  GE_S,
  get,
  I32,
  LESS_U,
  LOOP,
  list,
  NOTHING,
  SELECT,
  SHL,
  SUB,
  section,
  set,
  simd,
  splat,
  TEE,
  text,
  unsigned,
  V128,
  vector,
} from "./encode.ts";
import { CODES, tokensOf } from "./formulas.ts";
import { isNumber, Round, type Value } from "./round.ts";

/** How many vectors are computed in step where a step is long: one alone would wait for itself. */
const IN_STEP = 4;
const LONG = 16;
const WIDTH = 16 * IN_STEP;

// Sums as in assembly/reduce/sumrow.ts: chains of at most eight f32 additions, four side by side, joined in f64.
const CHAIN = 8;
const ONLY_LOW = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
/** Lane 0 of one, then lanes 0 to 2 of the other. */
const BEFORE = [0, 1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];

/** How many scalars a kernel has. */
const scalarsOf = (kernel: string): number => Number(/_scalar_/.test(kernel));
/** Alignment and offset of a word among the kernel's args. */
const word = (i: number): number[] => [2, ...unsigned(4 * i)];

const vectors: readonly [load: Value, store: Value] = [
  (c) => [...simd(0), 2, 16 * c],
  (c) => [...simd(0x0b), 2, 16 * c],
];
/** One element, in all lanes. */
const element: readonly [load: Value, store: Value] = [() => [...simd(9), 2, 0], () => [...simd(0x5a), 2, 0, 0]];

/** The kernel while it is made. Locals: args ith nth, an i32 a buffer, the offset, three ends; then vectors. */
class Kernel {
  readonly #piece: Piece;
  readonly #formulas: readonly (readonly string[])[];
  readonly #constants: readonly number[];
  readonly #relaxed: boolean;
  readonly #at: number;
  readonly #whole: number;
  readonly #stop: number;
  readonly #end: number;
  #next: number;
  /** Buffers of which one element is read, scalars and constants, which stay in locals. */
  readonly #held: readonly number[];
  readonly #scalars: readonly number[];
  readonly #fixed: number;

  constructor(piece: Piece, relaxed: boolean) {
    const { buffers, steps } = piece;
    this.#piece = piece;
    this.#relaxed = relaxed;
    this.#formulas = steps.map(({ kernel }) => tokensOf(kernel, relaxed));
    const tokens = this.#formulas.flat().map((token) => (token === "where" ? "0" : token)); // which compares with it
    this.#constants = [...new Set(tokens.filter(isNumber).map(Number))];
    this.#at = this.#address(buffers.length);
    [this.#whole, this.#stop, this.#end, this.#next] = [1, 2, 3, 4].map((k) => this.#at + k) as [
      number,
      number,
      number,
      number,
    ];
    this.#held = buffers.map((moves) => (moves ? -1 : this.#local(1)));
    this.#scalars = steps.map((s) => this.#local(scalarsOf(s.kernel)));
    this.#fixed = this.#local(this.#constants.length);
  }

  #address(k: number): number {
    return 3 + k;
  }

  #local(count: number): number {
    this.#next += count;
    return this.#next - count;
  }

  /** The function's body with its locals. */
  bytes(): number[] {
    const { steps, buffers } = this.#piece;
    const isSum = steps.at(-1)!.kernel === SUM;
    const loops = isSum ? this.#sum() : this.#formulas.some((f) => f.length > LONG) ? this.#inStep() : this.#oneByOne();
    const body = [...this.#begin(), ...loops, END];
    const first = this.#end + 1;
    const locals = list([
      [...unsigned(buffers.length + 4), I32],
      [...unsigned(this.#next - first), V128],
    ]);
    return [...locals, ...body];
  }

  #begin(): number[] {
    const { buffers, steps } = this.#piece;
    const code: number[] = [];
    for (const [k, moves] of buffers.entries()) {
      code.push(...get(0), 0x28, ...word(k));
      code.push(...(moves ? set(this.#address(k)) : [...simd(9), 2, 0, ...set(this.#held[k]!)]));
    }
    let next = buffers.length + 1;
    for (const [i, { kernel }] of steps.entries())
      if (scalarsOf(kernel) > 0) code.push(...get(0), ...simd(9), ...word(next++), ...set(this.#scalars[i]!));
    // Written where it is used, V8 rebuilds a constant each time.
    for (const [j, c] of this.#constants.entries()) code.push(...splat(c), ...set(this.#fixed + j));
    code.push(...get(0), 0x28, ...word(buffers.length), ...constant(2), SHL, ...set(this.#end));
    return code;
  }

  #below(mask: number): number[] {
    return [...get(this.#end), ...constant(mask), AND];
  }

  #least(a: readonly number[], b: readonly number[]): number[] {
    return [...a, ...b, ...a, ...b, LESS_U, SELECT];
  }

  /**
   * The steps for so many vectors at the offset, or for the element. `near`: without what is far, and what is stored comes behind a way out
   * to the others. `summed` gets what the sum at the end reads.
   */
  #round(
    copies: number,
    near: boolean,
    [load, store]: readonly [Value, Value],
    summed?: (value: Value) => Value,
  ): number[] {
    const { buffers, steps } = this.#piece;
    const fixed = (c: number): number => this.#fixed + this.#constants.findIndex((x) => Object.is(x, c));
    const round = new Round(copies, near, this.#relaxed, (count) => this.#local(count), fixed);
    const loaded = new Map<number, Value>();
    const [values, stores]: [Value[], Value[]] = [[], []];
    const place = (k: number): number[] => [...get(this.#address(k)), ...get(this.#at), ADD];
    for (const [i, step] of steps.entries()) {
      const operands = new Map<string, Value>([["s", () => get(this.#scalars[i]!)]]);
      for (const [j, k] of step.reads.entries()) {
        if (k >= 0 && !loaded.has(k))
          loaded.set(k, buffers[k] ? round.keep((c) => [...place(k), ...load(c)]) : () => get(this.#held[k]!));
        operands.set("xyz"[j]!, k < 0 ? values[~k]! : loaded.get(k)!);
      }
      if (step.kernel === SUM) {
        round.do(summed!(operands.get("x")!));
        continue;
      }
      const value = round.compute(this.#formulas[i]!, operands);
      values.push(value);
      if (step.store < 0) continue;
      const stored: Value = (c) => [...place(step.store), ...value(c), ...store(c)];
      if (near) stores.push(stored);
      else round.do(stored);
    }
    if (near && round.far !== null) round.code.push(...round.isFar, BR_IF, 1);
    for (const stored of stores) round.do(stored);
    return round.code;
  }

  /** Rounds as long as the offset is below; a way out of them leads behind. */
  #loop(stop: number, width: number, round: readonly number[]): number[] {
    const more = [...get(this.#at), ...get(stop), LESS_U];
    const onward = [...get(this.#at), ...constant(width), ADD, ...set(this.#at)];
    return [BLOCK, NOTHING, ...more, EQZ, BR_IF, 0, LOOP, NOTHING, ...round, ...onward, ...more, BR_IF, 0, END, END];
  }

  #vectors(): number[] {
    return this.#loop(this.#stop, 16, this.#round(1, false, vectors));
  }

  /** The last ones one by one, in all lanes. */
  #elements(): number[] {
    return this.#loop(this.#end, 4, this.#round(1, false, element));
  }

  #oneByOne(): number[] {
    return [...this.#below(-16), ...set(this.#stop), ...this.#vectors(), ...this.#elements()];
  }

  /** Vectors in step, until they end or meet what is far; so many one by one; and on. */
  #inStep(): number[] {
    const behind = [...get(this.#at), ...constant(WIDTH), ADD];
    return [
      ...[...this.#below(-WIDTH), ...set(this.#whole), LOOP, NOTHING],
      ...this.#loop(this.#whole, WIDTH, this.#round(IN_STEP, true, vectors)),
      ...[...this.#least(behind, this.#below(-16)), ...set(this.#stop)],
      ...this.#vectors(),
      ...[...get(this.#at), ...get(this.#whole), LESS_U, BR_IF, 0, END],
      ...this.#elements(),
    ];
  }

  /** total + s, by two lanes in f64. */
  #join(total: number, s: readonly number[]): number[] {
    const joined = this.#local(1);
    const high = [...get(joined), ...get(joined), ...simd(0x0d), ...ONLY_LOW, ...simd(0x5f)];
    const low = [...get(joined), ...simd(0x5f)];
    return [...s, ...set(joined), ...get(total), ...low, ...simd(0xf0), ...high, ...simd(0xf0), ...set(total)];
  }

  /** All of it, with the sum of what the last step reads as one element. */
  #sum(): number[] {
    const [plus, sums, total, last] = [simd(CODES["+"]!), this.#local(IN_STEP), this.#local(1), this.#stop];
    const add =
      (value: Value): Value =>
      (c) => [...get(sums + c), ...value(c), ...plus, ...set(sums + c)];
    /** Lanes of the last ones, from the last one on, so that they stand in front. */
    const prepend =
      (value: Value): Value =>
      (c) => [...value(c), ...get(sums + 1), ...simd(0x0d), ...BEFORE, ...set(sums + 1)];
    const pair = (i: number): number[] => [...get(sums + i), ...get(sums + i + 1), ...plus];
    const more = (stop: number): number[] => [...get(this.#at), ...get(stop), LESS_U];
    const chain = [...get(this.#at), ...constant(CHAIN * WIDTH), ADD];
    const code = [
      ...[...splat(0), ...set(total), ...this.#below(-WIDTH), ...set(this.#whole)],
      ...[BLOCK, NOTHING, ...more(this.#whole), EQZ, BR_IF, 0, LOOP, NOTHING],
      // -0 + x is x, whatever it is
      ...Array.from({ length: IN_STEP }, (_, c) => [...splat(-0), ...set(sums + c)]).flat(),
      ...[...this.#least(chain, get(this.#whole)), ...set(this.#stop)],
      ...this.#loop(this.#stop, WIDTH, this.#round(IN_STEP, false, vectors, add)),
      ...this.#join(total, [...pair(0), ...pair(2), ...plus]),
      ...[...more(this.#whole), BR_IF, 0, END, END],
      ...[BLOCK, NOTHING, ...more(this.#end), EQZ, BR_IF, 0, ...splat(0), ...set(sums)],
      ...[...this.#below(-16), ...set(this.#stop)],
      ...this.#loop(this.#stop, 16, this.#round(1, false, vectors, add)),
      ...[BLOCK, NOTHING, ...more(this.#end), EQZ, BR_IF, 0, ...splat(0), ...set(sums + 1)],
      ...[...get(this.#end), ...constant(4), SUB, ...set(this.#at), LOOP, NOTHING],
      ...this.#round(1, false, element, prepend),
      ...[...get(this.#at), ...constant(4), SUB, TEE, ...unsigned(this.#at), ...get(last), GE_S, BR_IF, 0, END],
      ...[...pair(0), ...set(sums), END],
      ...[...this.#join(total, get(sums)), END],
    ];
    const half = (lane: number): number[] => [...get(total), ...simd(0x21), lane];
    const { store } = this.#piece.steps.at(-1)!;
    const [addF64, toF32, storeF32] = [0xa0, 0xb6, 0x38];
    return [...code, ...get(this.#address(store)), ...half(0), ...half(1), addF64, toF32, storeF32, ...word(0)];
  }
}

/** The module; its memory is shared and of any size. `relaxed`: the kernels of the build are written with the relaxed instructions. */
export function bytesOf(piece: Piece, relaxed: boolean): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...EMPTY,
    ...section(1, list([[0x60, 3, I32, I32, I32, 0]])),
    ...section(2, list([[...text("env"), ...text("memory"), 2, 3, 0, ...unsigned(65536)]])),
    ...section(3, list([[0]])),
    ...section(7, list([[...text("f"), 0, 0]])),
    ...section(10, list([vector(new Kernel(piece, relaxed).bytes())])),
  ]);
}
