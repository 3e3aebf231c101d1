// A piece as a module: it imports `env.memory` and exports the kernel as `f`. Its loop goes on by an offset in bytes from where the
// buffers begin.
import type { Piece } from "../../program/passes/chain.ts";
import { SUM } from "../../program/passes/member.ts";
import { EMPTY } from "../compile.ts";
import {
  ADD,
  AND,
  ANY,
  BLOCK,
  BR_IF,
  body,
  Code,
  END,
  EQZ,
  GE_S,
  I32,
  LESS_U,
  LOOP,
  list,
  NOTHING,
  SELECT,
  SHL,
  SUB,
  section,
  text,
} from "./encode.ts";
import { CODES, tokensOf } from "./formulas.ts";
import { isNumber, Round, type Value } from "./round.ts";

/** How many vectors are computed in step where a step is long: one alone would wait for itself. */
const IN_STEP = 4;
const LONG = 16;
const WIDTH = 16 * IN_STEP;

// Sums as in assembly/reduce/sumrow.ts: chains of at most eight f32 additions, four side by side, joined in f64.
const CHAIN = 8;
const HIGH_FIRST = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
/** Lane 0 of one, then lanes 0 to 2 of the other. */
const BEFORE = [0, 1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];
const SHUFFLE = 0x0d;

/** How many scalars a kernel has. */
const scalarsOf = (kernel: string): number => Number(/_scalar_/.test(kernel));

/** Vectors, or one element in all lanes. */
type Width = "vectors" | "element";

/** The kernel while it is made. Locals: args ith nth, an i32 a buffer, the offset, three ends; then vectors. */
class Kernel {
  readonly #code = new Code();
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
  readonly #fixed: ReadonlyMap<number, number>;

  constructor(piece: Piece, relaxed: boolean) {
    const { buffers, steps } = piece;
    this.#piece = piece;
    this.#relaxed = relaxed;
    this.#formulas = steps.map(({ kernel }) => tokensOf(kernel, relaxed));
    const tokens = this.#formulas.flat().map((token) => (token === "where" ? "0" : token)); // which compares with it
    this.#constants = [...new Set(tokens.filter(isNumber).map(Number))];
    this.#at = this.#address(buffers.length);
    this.#whole = this.#at + 1;
    this.#stop = this.#at + 2;
    this.#end = this.#at + 3;
    this.#next = this.#at + 4;
    this.#held = buffers.map((moves) => (moves ? -1 : this.#local(1)));
    this.#scalars = steps.map((s) => this.#local(scalarsOf(s.kernel)));
    this.#fixed = new Map(this.#constants.map((c) => [c, this.#local(1)]));
  }

  #address(k: number): number {
    return 3 + k;
  }

  #local(count: number): number {
    this.#next += count;
    return this.#next - count;
  }

  /** The function. */
  bytes(): number[] {
    const { steps, buffers } = this.#piece;
    this.#begin();
    if (steps.at(-1)!.kernel === SUM) this.#sum();
    else if (this.#formulas.some((f) => f.length > LONG)) this.#inStep();
    else this.#oneByOne();
    this.#code.raw(END);
    return body(buffers.length + 4, this.#next - this.#end - 1, this.#code.bytes);
  }

  /** A word of the kernel's args, at alignment and offset. */
  #word(i: number): Code {
    return this.#code.raw(2).unsigned(4 * i);
  }

  #begin(): void {
    const { buffers, steps } = this.#piece;
    const code = this.#code;
    for (const [k, moves] of buffers.entries()) {
      code.get(0).raw(0x28);
      this.#word(k);
      if (moves) code.set(this.#address(k));
      else code.simd(9).raw(2, 0).set(this.#held[k]!);
    }
    let next = buffers.length + 1;
    for (const [i, { kernel }] of steps.entries()) {
      if (scalarsOf(kernel) === 0) continue;
      code.get(0).simd(9);
      this.#word(next++).set(this.#scalars[i]!);
    }
    // Written where it is used, V8 rebuilds a constant each time.
    for (const [c, local] of this.#fixed) code.splat(c).set(local);
    code.get(0).raw(0x28);
    this.#word(buffers.length).constant(2).raw(SHL).set(this.#end);
  }

  #below(mask: number): Code {
    return this.#code.get(this.#end).constant(mask).raw(AND);
  }

  /** The lesser of two, which are pushed twice. */
  #least(a: () => void, b: () => void): Code {
    for (const push of [a, b, a, b]) push();
    return this.#code.raw(LESS_U, SELECT);
  }

  #isBelow(stop: number): Code {
    return this.#code.get(this.#at).get(stop).raw(LESS_U);
  }

  #onward(by: number): Code {
    return this.#code.get(this.#at).constant(by).raw(ADD);
  }

  /**
   * The steps for so many vectors at the offset, or for the element. `near`: without what is far, and what is stored comes behind a way out
   * to the others. `summed` takes what the sum at the end reads.
   */
  #round(copies: number, near: boolean, width: Width, summed?: (value: Value) => Value): void {
    const { buffers, steps } = this.#piece;
    const code = this.#code;
    const local = (count: number): number => this.#local(count);
    const round = new Round(code, copies, near, this.#relaxed, local, (c) => this.#fixed.get(c)!);
    const loaded = new Map<number, Value>();
    const [values, stores]: [Value[], Value[]] = [[], []];
    const place = (k: number): Code => code.get(this.#address(k)).get(this.#at).raw(ADD);
    const load = (k: number): Value =>
      round.keep((c) => {
        place(k);
        if (width === "vectors")
          code
            .simd(0)
            .raw(2)
            .unsigned(16 * c);
        else code.simd(9).raw(2, 0);
      });
    for (const [i, step] of steps.entries()) {
      const operands = new Map<string, Value>([["s", () => void code.get(this.#scalars[i]!)]]);
      for (const [j, k] of step.reads.entries()) {
        if (k >= 0 && !loaded.has(k)) loaded.set(k, buffers[k] ? load(k) : () => void code.get(this.#held[k]!));
        operands.set("xyz"[j]!, k < 0 ? values[~k]! : loaded.get(k)!);
      }
      if (step.kernel === SUM) {
        round.do(summed!(operands.get("x")!));
        continue;
      }
      const value = round.compute(this.#formulas[i]!, operands);
      values.push(value);
      if (step.store < 0) continue;
      const stored: Value = (c) => {
        place(step.store);
        value(c);
        if (width === "vectors")
          code
            .simd(0x0b)
            .raw(2)
            .unsigned(16 * c);
        else code.simd(0x5a).raw(2, 0, 0);
      };
      if (near) stores.push(stored);
      else round.do(stored);
    }
    if (near && round.far !== null) {
      round.pushFar();
      code.raw(BR_IF, 1);
    }
    for (const stored of stores) round.do(stored);
  }

  /** Does so as long as the offset is below; a way out leads behind. */
  #while(stop: number, f: () => void): void {
    this.#code.raw(BLOCK, NOTHING);
    this.#isBelow(stop).raw(EQZ, BR_IF, 0, LOOP, NOTHING);
    f();
    this.#isBelow(stop).raw(BR_IF, 0, END, END);
  }

  /** Rounds as long as the offset is below. */
  #loop(stop: number, bytes: number, round: () => void): void {
    this.#while(stop, () => {
      round();
      this.#onward(bytes).set(this.#at);
    });
  }

  #vectors(): void {
    this.#loop(this.#stop, 16, () => this.#round(1, false, "vectors"));
  }

  /** The last ones one by one, in all lanes. */
  #elements(): void {
    this.#loop(this.#end, 4, () => this.#round(1, false, "element"));
  }

  #oneByOne(): void {
    this.#below(-16).set(this.#stop);
    this.#vectors();
    this.#elements();
  }

  /** Vectors in step, until they end or meet what is far; so many one by one; and on. */
  #inStep(): void {
    this.#below(-WIDTH).set(this.#whole).raw(LOOP, NOTHING);
    this.#loop(this.#whole, WIDTH, () => this.#round(IN_STEP, true, "vectors"));
    this.#least(
      () => this.#onward(WIDTH),
      () => this.#below(-16),
    ).set(this.#stop);
    this.#vectors();
    this.#isBelow(this.#whole).raw(BR_IF, 0, END);
    this.#elements();
  }

  /** total + s, which `push` pushes, by two lanes in f64. */
  #join(total: number, push: () => void): void {
    const [code, s] = [this.#code, this.#local(1)];
    push();
    code.set(s).get(total).get(s).simd(0x5f).simd(0xf0);
    code
      .get(s)
      .get(s)
      .simd(SHUFFLE)
      .raw(...HIGH_FIRST)
      .simd(0x5f)
      .simd(0xf0)
      .set(total);
  }

  /** All of it, with the sum of what the last step reads as one element. */
  #sum(): void {
    const code = this.#code;
    const plus = CODES["+"]!;
    const [sums, total] = [this.#local(IN_STEP), this.#local(1)];
    const add =
      (value: Value): Value =>
      (c) => {
        code.get(sums + c);
        value(c);
        code.simd(plus).set(sums + c);
      };
    /** Lanes of the last ones, from the last one on, so that they stand in front. */
    const prepend =
      (value: Value): Value =>
      (c) => {
        value(c);
        code
          .get(sums + 1)
          .simd(SHUFFLE)
          .raw(...BEFORE)
          .set(sums + 1);
      };
    const pair = (i: number): Code =>
      code
        .get(sums + i)
        .get(sums + i + 1)
        .simd(plus);
    code.splat(0).set(total);
    this.#below(-WIDTH).set(this.#whole);
    this.#while(this.#whole, () => {
      for (let c = 0; c < IN_STEP; c++) code.splat(-0).set(sums + c); // -0 + x is x, whatever it is
      this.#least(
        () => this.#onward(CHAIN * WIDTH),
        () => code.get(this.#whole),
      ).set(this.#stop);
      this.#loop(this.#stop, WIDTH, () => this.#round(IN_STEP, false, "vectors", add));
      this.#join(total, () => {
        pair(0);
        pair(2).simd(plus);
      });
    });
    code.raw(BLOCK, NOTHING);
    this.#isBelow(this.#end).raw(EQZ, BR_IF, 0).splat(0).set(sums);
    this.#below(-16).set(this.#stop);
    this.#loop(this.#stop, 16, () => this.#round(1, false, "vectors", add));
    code.raw(BLOCK, NOTHING);
    this.#isBelow(this.#end)
      .raw(EQZ, BR_IF, 0)
      .splat(0)
      .set(sums + 1);
    code.get(this.#end).constant(4).raw(SUB).set(this.#at).raw(LOOP, NOTHING);
    this.#round(1, false, "element", prepend);
    code.get(this.#at).constant(4).raw(SUB).tee(this.#at).get(this.#stop).raw(GE_S, BR_IF, 0, END);
    pair(0).set(sums).raw(END);
    this.#join(total, () => code.get(sums));
    code.raw(END);
    const { store } = this.#piece.steps.at(-1)!;
    const [lane, addF64, toF32, storeF32] = [0x21, 0xa0, 0xb6, 0x38];
    code.get(this.#address(store)).get(total).simd(lane).raw(0).get(total).simd(lane).raw(1, addF64, toF32, storeF32);
    this.#word(0);
  }
}

/** The module; its memory is shared and of any size. `relaxed`: the kernels of the build are written with the relaxed instructions. */
export function bytesOf(piece: Piece, relaxed: boolean): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...EMPTY,
    ...section(1, list([[0x60, 3, I32, I32, I32, 0]])),
    ...section(2, list([[...text("env"), ...text("memory"), 2, 3, 0, ...ANY]])),
    ...section(3, list([[0]])),
    ...section(7, list([[...text("f"), 0, 0]])),
    ...section(10, list([new Kernel(piece, relaxed).bytes()])),
  ]);
}
