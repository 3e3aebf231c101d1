// One round of a piece's loop: formulas, worked through for some vectors in step.
import { constant, get, set, simd } from "./encode.ts";
import { CODES, RELAXED, SHIFTS, TAKES } from "./formulas.ts";

export const isNumber = (token: string): boolean => !Number.isNaN(Number(token));

/** A value that is pushed: what it takes for the vector so many behind the loop's place. */
export type Value = (copy: number) => readonly number[];

/** What one round of a loop does: the code, piece by piece. */
export class Round {
  readonly code: number[] = [];
  /** Where an element is that only the whole formula can do; null as long as there is none. */
  far: Value | null = null;
  readonly #copies: readonly number[];
  readonly #near: boolean;
  readonly #relaxed: boolean;
  readonly #local: (count: number) => number;
  readonly #fixed: (constant: number) => number;
  /** The masks of which values are made that are 0 or 1. */
  readonly #masks = new Map<Value, Value>();

  /** `near`: what is `far` is left out. `local` gives vectors that nobody else has, `fixed` tells where a constant is. */
  constructor(
    copies: number,
    near: boolean,
    relaxed: boolean,
    local: (count: number) => number,
    fixed: (constant: number) => number,
  ) {
    this.#copies = [...Array(copies).keys()];
    this.#near = near;
    this.#relaxed = relaxed;
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
      } else if (token === "bool") stack.push(this.#bool(stack.pop()!));
      else if (token === "where") {
        const [a, b, c] = stack.splice(-3) as [Value, Value, Value];
        const mask = this.#masks.get(c);
        const [one, other] = mask === undefined ? [b, a] : [a, b];
        const isZero: Value = (k) => [...c(k), ...get(this.#fixed(0)), ...simd(CODES["i="]!)];
        const by = mask ?? isZero;
        stack.push(this.keep((k) => [...one(k), ...other(k), ...by(k), ...this.#codes("?")]));
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

  /** 0 and 1 of a mask, computed when somebody reads it. */
  #bool(mask: Value): Value {
    let made: Value | null = null;
    const value: Value = (c) => {
      made ??= this.keep((k) => [...mask(k), ...constant(31), ...simd(0xad)]);
      return made(c);
    };
    this.#masks.set(value, mask);
    return value;
  }

  #codes(token: string): number[] {
    if (token in SHIFTS) return [...constant(SHIFTS[token]![1]), ...simd(SHIFTS[token]![0])];
    if (token in RELAXED) return RELAXED[token]![this.#relaxed ? 0 : 1].flatMap(simd);
    return simd(CODES[token]!);
  }
}
