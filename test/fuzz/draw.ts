// What a program is drawn with: seeded choices, and what is known of each value so far. A value is `exact` while it lies on a
// grid that float32 holds: ops with kinks take only such, so that ties are ties in every engine.
import { numel } from "../../src/core/shape.ts";
import { generator } from "../cases/case.ts";
import type { Data, Value as Word } from "../goldens/recorded.ts";
import type { Input, Step } from "./program.ts";

export type DType = Data["dtype"];
type Shape = readonly number[];

export interface Value {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  /** All elements lie between them. */
  lo: number;
  hi: number;
  /** Fraction bits; null where it is not exact. */
  bits: number | null;
  grad: boolean;
  /** A leaf, or a view of one: a write is refused where it requires grad. */
  readonly leaf: boolean;
  /** Values of one number may share memory. */
  readonly memory: number;
  /** It may hold infinities and NaN. */
  special: boolean;
  /** A view made without grad, which PyTorch takes for a leaf: to be written, not to be used. */
  readonly blind?: boolean;
  /** Writing into it is not to be drawn: gradients, whose memory may be shared. */
  readonly lent?: boolean;
}

/** The kind of result that a step has. */
export type Result = Partial<Omit<Value, "name" | "memory">> & { readonly shape: Shape; readonly of?: Value };

const LARGEST = 1e4;
const MOST_BITS = 22;
const MOST_ELEMENTS = 64;

export class Draw {
  readonly inputs: Input[] = [];
  readonly steps: Step[] = [];
  readonly values: Value[] = [];
  readonly #bits: () => number;
  #memories = 0;
  #names = 0;

  constructor(seed: number) {
    this.#bits = generator(seed);
  }

  /** A whole number from 0 up to below n. */
  int(n: number): number {
    return Math.floor((this.#bits() / 2 ** 32) * n);
  }

  chance(p: number): boolean {
    return this.#bits() / 2 ** 32 < p;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)]!;
  }

  /** By weight. */
  weighted<T>(list: readonly (readonly [T, number])[]): T {
    let at = (this.#bits() / 2 ** 32) * list.reduce((sum, [, w]) => sum + w, 0);
    for (const [x, w] of list) {
      at -= w;
      if (at < 0) return x;
    }
    return list[list.length - 1]![0];
  }

  shape(least = 0): number[] {
    const rank = Math.max(
      least,
      this.weighted([
        [0, 1],
        [1, 3],
        [2, 5],
        [3, 4],
        [4, 1],
      ]),
    );
    const shape = Array.from({ length: rank }, () =>
      this.weighted([
        [0, 0.15],
        [1, 2],
        [2, 4],
        [3, 4],
        [4, 2],
        [5, 0.5],
      ]),
    );
    while (numel(shape) > MOST_ELEMENTS) shape[shape.indexOf(Math.max(...shape))]! -= 1;
    return shape;
  }

  /** A shape that broadcasts with this one: dims of size 1, or none in front. */
  broadcastable(shape: Shape): number[] {
    const cut = this.chance(0.3) ? this.int(shape.length + 1) : 0;
    return shape.slice(cut).map((n) => (this.chance(0.25) ? 1 : n));
  }

  input(shape: Shape, options: { dtype?: DType; grad?: boolean; special?: boolean } = {}): Value {
    const { dtype = "f32", grad = false, special = false } = options;
    // Few values, so that there are ties; quarters.
    const positive = dtype === "f32" && this.chance(0.25);
    const zeros = dtype === "f32" && this.chance(0.05);
    const one = (): Word => {
      if (zeros) return 0;
      if (dtype === "bool") return this.int(2);
      if (dtype === "i32") return this.int(9) - 4;
      if (special && this.chance(0.2)) return this.pick(["nan", "inf", "-inf"] as const);
      return positive ? (1 + this.int(8)) / 4 : (this.int(15) - 7) / 4;
    };
    const data = Array.from({ length: numel(shape) }, one);
    const name = `x${this.inputs.length}`;
    this.inputs.push({ shape, dtype, data, ...(grad ? { grad: true as const } : {}) });
    const ends =
      dtype === "bool" ? [0, 1] : dtype === "i32" ? [-4, 4] : zeros ? [0, 0] : positive ? [0.25, 2] : [-1.75, 1.75];
    const value: Value = {
      ...{ name, shape, dtype, lo: ends[0]!, hi: ends[1]!, bits: dtype === "f32" ? 2 : 0, grad, special },
      ...{ leaf: true, memory: ++this.#memories },
    };
    this.values.push(value);
    return value;
  }

  name(): string {
    return `v${++this.#names}`;
  }

  /** Adds a step with its results; false, and nothing, where one would be too large. */
  step(op: string, inputs: readonly Value[], args: object, results: readonly Result[], noGrad = false): Value[] | null {
    for (const r of results) {
      if (numel(r.shape) > 4 * MOST_ELEMENTS) return null;
      if (Math.max(Math.abs(r.lo ?? 0), Math.abs(r.hi ?? 0)) > LARGEST) return null;
    }
    const grad = !noGrad && inputs.some((x) => x.grad);
    const special = inputs.some((x) => x.special);
    const made = results.map(({ of, ...r }): Value => {
      const from = of ?? inputs[0]!;
      const dtype = r.dtype ?? from.dtype;
      const bits = r.bits === undefined ? from.bits : r.bits;
      const known = { lo: r.lo ?? from.lo, hi: r.hi ?? from.hi };
      return {
        ...{ dtype, grad: grad && dtype === "f32", special, leaf: of?.leaf ?? false, ...r, ...known },
        bits:
          bits !== null && bits + Math.log2(1 + Math.max(Math.abs(known.lo), Math.abs(known.hi))) > MOST_BITS
            ? null
            : bits,
        name: this.name(),
        memory: of?.memory ?? ++this.#memories,
      };
    });
    const out =
      made.length === 1 && !["unbind", "split", "chunk", "grad"].includes(op) ? made[0]!.name : made.map((v) => v.name);
    this.steps.push({
      op,
      args: { ...args },
      in: inputs.map((x) => x.name),
      out,
      ...(noGrad ? { noGrad: true as const } : {}),
    });
    this.values.push(...made);
    return made;
  }

  /** Adds a write into `target`; what shares its memory may have become that. */
  write(
    op: string,
    target: Value,
    others: readonly Value[],
    args: object,
    after: { lo: number; hi: number; bits: number | null },
    noGrad: boolean,
  ): boolean {
    if (Math.max(Math.abs(after.lo), Math.abs(after.hi)) > LARGEST) return false;
    const names = [target, ...others].map((x) => x.name);
    this.steps.push({
      op,
      args: { ...args },
      in: names,
      out: target.name,
      ...(noGrad ? { noGrad: true as const } : {}),
    });
    for (const v of this.values) {
      if (v.memory !== target.memory) continue;
      v.lo = Math.min(v.lo, after.lo);
      v.hi = Math.max(v.hi, after.hi);
      v.bits = v.bits === null || after.bits === null ? null : Math.max(v.bits, after.bits);
      v.special ||= others.some((x) => x.special);
      if (!noGrad && v.dtype === "f32" && others.some((x) => x.grad)) v.grad = true;
    }
    return true;
  }

  /** A step without results that later ones use. */
  plain(op: string, inputs: readonly Value[], args: object): void {
    this.steps.push({ op, args: { ...args }, in: inputs.map((x) => x.name), out: null });
  }

  /** A value so far that will do, later ones rather, or null. */
  some(good: (v: Value) => boolean, blind = false): Value | null {
    const fit = this.values.filter((v) => (blind || !v.blind) && good(v));
    if (fit.length === 0) return null;
    return this.chance(0.5) ? fit[fit.length - 1 - this.int(Math.min(3, fit.length))]! : this.pick(fit);
  }
}

/** The shape that two broadcast to, or null. */
export function together(a: Shape, b: Shape): number[] | null {
  const out: number[] = [];
  for (let i = 1; i <= Math.max(a.length, b.length); i++) {
    const [x, y] = [a[a.length - i] ?? 1, b[b.length - i] ?? 1];
    if (x !== y && x !== 1 && y !== 1) return null;
    out.unshift(x === 1 ? y : x);
  }
  return out;
}

/** Adds one step of its kind, or returns false. */
export type Drawer = (d: Draw) => boolean;
