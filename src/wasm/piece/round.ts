// One round of a piece's loop: formulas, worked through for some vectors in step.
import type { Code } from "./encode.ts";
import { CODES, RELAXED, SHIFTS, TAKES } from "./formulas.ts";

export const isNumber = (token: string): boolean => !Number.isNaN(Number(token));

/** A value: pushes it for the vector so many behind the loop's place. */
export type Value = (copy: number) => void;

/** What one round of a loop does, appended to `code`. */
export class Round {
  readonly #code: Code;
  /** Where an element is that only the whole formula can do; null as long as there is none. */
  far: Value | null = null;
  readonly #copies: number;
  readonly #near: boolean;
  readonly #relaxed: boolean;
  readonly #local: (count: number) => number;
  readonly #fixed: (constant: number) => number;
  /** The masks of which values are made that are 0 or 1. */
  readonly #masks = new Map<Value, Value>();

  /** `near`: what is `far` is left out. `local` gives vectors that nobody else has, `fixed` tells where a constant is. */
  constructor(
    code: Code,
    copies: number,
    near: boolean,
    relaxed: boolean,
    local: (count: number) => number,
    fixed: (constant: number) => number,
  ) {
    this.#code = code;
    this.#copies = copies;
    this.#near = near;
    this.#relaxed = relaxed;
    this.#local = local;
    this.#fixed = fixed;
  }

  /** Keeps what is computed, for all vectors one after another: what does not wait for each other stands side by side. */
  keep(value: Value): Value {
    const first = this.#local(this.#copies);
    for (let c = 0; c < this.#copies; c++) {
      value(c);
      this.#code.set(first + c);
    }
    return (c) => void this.#code.get(first + c);
  }

  do(codes: Value): void {
    for (let c = 0; c < this.#copies; c++) codes(c);
  }

  /** The value of a formula. */
  compute(tokens: readonly string[], operands: ReadonlyMap<string, Value>): Value {
    const code = this.#code;
    const names = new Map(operands);
    const stack: Value[] = [];
    const take = (count: number): Value => {
      const taken = stack.splice(stack.length - count);
      return (c) => {
        for (const value of taken) value(c);
      };
    };
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      const named = names.get(token);
      if (named !== undefined) stack.push(named);
      else if (token.length === 2 && token[0] === "=" && token[1]! >= "A") names.set(token[1]!, stack.pop()!);
      else if (isNumber(token)) {
        const at = this.#fixed(Number(token));
        stack.push(() => void code.get(at));
      } else if (token === "far{") {
        const mask = stack.pop()!;
        const { far } = this;
        this.far =
          far === null
            ? mask
            : this.keep((c) => {
                far(c);
                mask(c);
                code.simd(CODES.or!);
              });
        if (this.#near) i = tokens.indexOf("}", i);
      } else if (token === "bool") stack.push(this.#bool(stack.pop()!));
      else if (token === "where") stack.push(this.#where(...(stack.splice(-3) as [Value, Value, Value])));
      else if (token !== "}") {
        const values = take(token in SHIFTS ? 1 : (TAKES[token] ?? 2));
        const value: Value = (c) => {
          values(c);
          this.#operate(token);
        };
        // A factor waits for what is added to it.
        stack.push(token === "*." || token === "*-" ? value : this.keep(value));
      }
    }
    return stack.pop()!;
  }

  /** Pushes whether an element is far, of any vector. */
  pushFar(): void {
    this.do((c) => {
      this.far!(c);
      if (c > 0) this.#code.simd(CODES.or!);
    });
    this.#code.simd(0x53);
  }

  #where(a: Value, b: Value, condition: Value): Value {
    const mask = this.#masks.get(condition);
    return this.keep((c) => {
      if (mask !== undefined) {
        a(c);
        b(c);
        mask(c);
      } else {
        b(c);
        a(c);
        condition(c);
        this.#code.get(this.#fixed(0)).simd(CODES["i="]!);
      }
      this.#operate("?");
    });
  }

  /** 0 and 1 of a mask, computed when somebody reads it. */
  #bool(mask: Value): Value {
    let made: Value | null = null;
    const value: Value = (c) => {
      made ??= this.keep((k) => {
        mask(k);
        this.#code.constant(31).simd(0xad);
      });
      made(c);
    };
    this.#masks.set(value, mask);
    return value;
  }

  #operate(token: string): void {
    const shift = SHIFTS[token];
    if (shift !== undefined) this.#code.constant(shift[1]).simd(shift[0]);
    else if (token in RELAXED) for (const c of RELAXED[token]![this.#relaxed ? 0 : 1]) this.#code.simd(c);
    else this.#code.simd(CODES[token]!);
  }
}
