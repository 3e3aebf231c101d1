// A chain while it is gathered (chains.ts), and the row that it becomes.
import type { Buffer, Row, Storage } from "../../core/device.ts";
import { factsOf } from "../kernels/facts.ts";
import { denseKernel, type Member, MOVES, SLOT, SLOT_SHIFT, SPREAD, STAYS, SUM, WAY_BITS, wayOf } from "./member.ts";
import type { Uses } from "./rows.ts";

/** The kernel that walks them. */
export const CHAIN = "chain_f32";

/** How many members there may be: their slots lie in scratch. */
export const MOST = 48;

/** Elements of a block where several members read what others made of it, and where one alone does all (bench/lab, 250). */
const [BLOCK, LONG_BLOCK] = [1024, 65536];
/** Multiples of which threads share, and what a thread's scratch has for blocks (SLOTS in chain.ts, SPARE_BYTES in lib/args.ts). */
const [GRAIN, ROOM] = [64, (2 << 20) - (64 << 10) - (32 << 10)];

/** A row of a piece: what it reads, by its place among `Piece.buffers`, or ~ the number of an earlier row; and where it is stored. */
export interface Step {
  /** The dense kernel. */
  readonly kernel: string;
  readonly reads: readonly number[];
  /** The buffer; -1 where only later rows of the piece read it. */
  readonly store: number;
}

/** Members that stand side by side, as one kernel, of which the last may be a sum (SUM): args are an address a buffer, the count, and the rows' scalars one after another. */
export interface Piece {
  /** True for a buffer that goes on with the elements; of another the first element is read. */
  readonly buffers: readonly boolean[];
  readonly steps: readonly Step[];
}

/** A device that makes kernels of pieces. */
export interface Pieces {
  /** Whether rows of a dense kernel may stand in one. */
  fits(kernel: string): boolean;
  /** Whether one of such rows may end with a full sum of what one of them makes. */
  sums(kernels: readonly string[]): boolean;
  /** Its place in the table; null where none can be made. */
  index(piece: Piece): number | null;
}

/** A chain that is one piece, as what makes a kernel of it sees it. */
export interface Whole extends Piece {
  /** Where each step puts what it makes, whether that is stored or not. */
  readonly outs: readonly Buffer[];
  /** What `Piece.buffers` are. */
  readonly cells: readonly Buffer[];
  readonly n: number;
  readonly scalars: readonly number[];
}

/** A device that has no walker: a chain is a row of a kernel made for it. */
export interface Kernels {
  /** Whether rows of a dense kernel may stand in one. */
  fits(kernel: string): boolean;
  /** The row; null where it is too much for one. */
  row(whole: Whole): Row | null;
}

/** What the program and its device say. */
export interface Chaining {
  isTemporary(s: Storage): boolean;
  /** The caller fills it: with what was there before, even a tensor that the program writes. */
  isInput(s: Storage): boolean;
  /** A kernel's place in the table. */
  index(kernel: string): number;
  /** Elements from which a chain pays. */
  readonly least: number;
  readonly pieces: Pieces | null;
  /** In the place of the walker. */
  readonly kernels?: Kernels;
}

export const real = (s: Storage): Storage => s.alias ?? s;

/** How a chain's rows touch a storage. */
interface Touch {
  readonly buffer: Buffer;
  /** All go over it side by side, element by element. */
  together: boolean;
  written: boolean;
  /** The first who touches it writes it. */
  readonly made: boolean;
  /** The last row of the chain that touches it. */
  last: number;
}

type Taken = [row: Row, member: Member];

/** Rows that are gathered at the place of the first, and what those between do, which will run behind them. */
export class Chain {
  /** Their numbers. */
  readonly rows: number[] = [];
  readonly #members: Taken[] = [];
  readonly #touched = new Map<Storage, Touch>();
  readonly #chaining: Chaining;
  #readsInput = false;
  #writesLasting = false;
  /** What rows between read and write. */
  readonly #readBetween = new Set<Storage>();
  readonly #writtenBetween = new Set<Storage>();
  #inputBetween = false;
  #lastingBetween = false;
  #inputWritten = false;
  #faultBetween = false;

  constructor(chaining: Chaining) {
    this.#chaining = chaining;
  }

  /** Written, it outlasts the program: no temporary, no result, which are its own. */
  #isLasting(s: Storage): boolean {
    const { isTemporary, isInput } = this.#chaining;
    return !isTemporary(s) && !isInput(s) && !real(s).virtual;
  }

  /** A row stays where it is. */
  passes(row: Row): void {
    for (const [k, { storage }] of row.buffers.entries()) {
      const input = this.#chaining.isInput(storage);
      if (k < row.outputs) {
        this.#writtenBetween.add(real(storage));
        if (input || this.#isLasting(storage)) this.#lastingBetween = true;
        if (input) this.#inputWritten = true;
      } else this.#readBetween.add(real(storage));
      if (input) this.#inputBetween = true;
    }
    if (factsOf(row.kernel).faults !== undefined) this.#faultBetween = true;
  }

  /** Takes row i in, if it may stand here: it would run before those between, block by block beside the others. */
  takes(row: Row, member: Member, i: number): boolean {
    const { isInput } = this.#chaining;
    let [readsInput, writesLasting] = [this.#readsInput, this.#writesLasting];
    for (const [k, b] of row.buffers.entries()) {
      const s = real(b.storage);
      const writes = k < row.outputs;
      if (this.#writtenBetween.has(s) || (writes && this.#readBetween.has(s))) return false;
      const touch = this.#touched.get(s);
      if (touch !== undefined) {
        const together = touch.together && member.ways[k] === MOVES && b.offset === touch.buffer.offset;
        if ((touch.written || writes) && !together) return false;
      }
      if (isInput(b.storage)) {
        // One that is written had better be left alone: what others read may be the same tensor, from another element on.
        if (writes || this.#lastingBetween) return false;
        readsInput = true;
      }
      if (this.#inputWritten && this.#isLasting(b.storage)) return false; // it may be that input
      if (writes && this.#isLasting(b.storage)) {
        if (this.#faultBetween || this.#inputBetween) return false;
        writesLasting = true;
      }
    }
    if (readsInput && writesLasting) return false;
    this.#readsInput = readsInput;
    this.#writesLasting = writesLasting;
    this.rows.push(i);
    this.#members.push([row, member]);
    // What is read is noted first: who reads and writes it has not made it.
    for (let k = row.buffers.length - 1; k >= 0; k--) this.#touch(row.buffers[k]!, member.ways[k]!, k < row.outputs);
    return true;
  }

  /** Whether a row touches side by side what others do. */
  shares({ buffers }: Row, { ways }: Member): boolean {
    return this.rows.length === 0 || buffers.some((b, k) => ways[k] === MOVES && this.#touched.has(real(b.storage)));
  }

  /** The members that touch side by side what the first does, or what such do. */
  related(): Set<number> {
    const found = new Set<number>();
    const near = new Set<Storage>();
    for (let size = -1; size < found.size; ) {
      size = found.size;
      for (const [m, [{ buffers }, { ways }]] of this.#members.entries()) {
        const own = buffers.filter((_, k) => ways[k] === MOVES).map(({ storage }) => real(storage));
        if (m > 0 && !own.some((s) => near.has(s))) continue;
        found.add(this.rows[m]!);
        for (const s of own) near.add(s);
      }
    }
    return found;
  }

  #touch(buffer: Buffer, way: number, writes: boolean): void {
    const s = real(buffer.storage);
    let touch = this.#touched.get(s);
    if (touch === undefined) {
      touch = { buffer, together: way === MOVES, written: false, made: writes, last: 0 };
      this.#touched.set(s, touch);
    }
    touch.together &&= way === MOVES && buffer.offset === touch.buffer.offset;
    touch.written ||= writes;
    touch.last = this.rows.length - 1;
  }

  /** Sums behind the others, of which none reads them: what stands side by side is one piece then. */
  #sumsLast(): void {
    const isSum = (m: Taken): boolean => m[1].kernel === SUM;
    const isWrittenBehind = (m: Taken): boolean => {
      const s = real(m[0].buffers[1]!.storage);
      return this.#members.slice(this.#members.indexOf(m) + 1).some(([row]) => real(row.buffers[0]!.storage) === s);
    };
    const last = this.#members.filter((m) => isSum(m) && !isWrittenBehind(m));
    this.#members.splice(0, MOST, ...this.#members.filter((m) => !last.includes(m)), ...last);
    for (const [m, [{ buffers }]] of this.#members.entries())
      for (const { storage } of buffers) this.#touched.get(real(storage))!.last = m;
  }

  /** The chain's row; null where the device makes none of so many. `table` tells who else touches what. */
  row(table: ReadonlyMap<Storage, Uses>): Row | null {
    this.#sumsLast();
    const own = new Set(this.rows);
    const isInner = (s: Storage): boolean => {
      const { writers, readers } = table.get(s)!;
      return [...writers, ...readers].every((i) => own.has(i));
    };
    const [outputs, inputs]: [Buffer[], Buffer[]] = [[], []];
    const inner = new Set<Storage>();
    for (const [s, { buffer, written, made }] of this.#touched) {
      if (made && this.#chaining.isTemporary(buffer.storage) && isInner(s)) inner.add(s);
      else if (written) outputs.push(buffer);
    }
    for (const [row] of this.#members) {
      for (const b of row.buffers.slice(row.outputs))
        if (!inner.has(real(b.storage)) && !inputs.some((x) => same(x, b))) inputs.push(b);
    }
    const buffers = [...outputs, ...inputs];
    // A slot goes on to the next when nobody reads it any more; those of elements that are spread are filled once.
    const [held, free]: [Map<Storage, number>, number[]] = [new Map(), []];
    let slots = 0;
    const slotOf = (s: Storage): number => {
      if (!held.has(s)) held.set(s, free.pop() ?? slots++);
      return held.get(s)!;
    };
    const wordOf = (b: Buffer, way: number): number => {
      const s = real(b.storage);
      if (inner.has(s)) return (slotOf(s) << WAY_BITS) | SLOT;
      return (buffers.findIndex((x) => same(x, b)) << WAY_BITS) | way;
    };
    const n = this.#members[0]![1].n;
    const { pieces, kernels, index: indexOf } = this.#chaining;
    if (kernels !== undefined) {
      const { piece, words, numbers: scalars, outs } = this.#piece(0, this.#members.length, inner, wordOf);
      return kernels.row({ ...piece, outs, cells: words.map((word) => buffers[word >> WAY_BITS]!), n, scalars });
    }
    const scalars: number[] = [];
    let [members, refused] = [0, 0];
    for (let m = 0; m < this.#members.length; members++) {
      const begin = m;
      let end = m;
      while (pieces !== null && end < this.#members.length && pieces.fits(denseKernel(this.#members[end]![1]))) end++;
      const kernels = this.#members.slice(m, end).map(([, member]) => denseKernel(member));
      if (end > m && this.#members[end]?.[1].kernel === SUM && pieces!.sums(kernels)) end++;
      // Of what there was no room for, no part is tried.
      const made = end - m < 2 || m < refused ? null : this.#piece(m, end, inner, wordOf);
      const index = made && pieces!.index(made.piece);
      if (made !== null && index === null) refused = end;
      if (index !== null) {
        const { words, numbers } = made!;
        scalars.push(index, words.length, 0, 1 + numbers.length, ...words, n, ...numbers);
        m = end;
      } else {
        const [row, { kernel, ways, rest, place }] = this.#members[m++]!;
        const words = row.buffers.map((b, k) => {
          const word = wordOf(b, ways[k]!);
          return wayOf(word) === SPREAD ? word | (slots++ << (WAY_BITS + SLOT_SHIFT)) : word;
        });
        scalars.push(indexOf(kernel), words.length, place, rest.length, ...words, ...rest);
      }
      for (const s of inner) {
        const { last } = this.#touched.get(s)!;
        if (last >= begin && last < m && held.has(s)) free.push(held.get(s)!);
      }
    }
    const sum = this.#members.find(([, { kernel }]) => kernel === SUM)?.[1].rest.at(-1);
    const [grain, block] = sum === undefined ? [GRAIN, members === 1 && slots === 0 ? LONG_BLOCK : BLOCK] : [sum, sum];
    if (slots * 4 * block > ROOM) return null;
    const words = [grain, block, ...scalars];
    return { kernel: CHAIN, buffers, outputs: outputs.length, extents: [members, n], scalars: words, op: "chain" };
  }

  /** The members from m to `end` as one. */
  #piece(
    m: number,
    end: number,
    inner: ReadonlySet<Storage>,
    wordOf: (b: Buffer, way: number) => number,
  ): { piece: Piece; words: number[]; numbers: number[]; outs: Buffer[] } {
    const run = this.#members.slice(m, end);
    const [words, numbers]: [number[], number[]] = [[], []];
    const place = (word: number): number => {
      if (!words.includes(word)) words.push(word);
      return words.indexOf(word);
    };
    /** What rows of the piece have made of a storage. */
    const values = new Map<Storage, number>();
    const steps = run.map(([row, member], i): Step => {
      const { ways, rest, kernel } = member;
      const reads = row.buffers.slice(1).map((b, k) => {
        const way = ways[k + 1]!;
        const value = way === MOVES ? values.get(real(b.storage)) : undefined;
        return value === undefined ? place(wordOf(b, way === SPREAD ? STAYS : way)) : ~value;
      });
      if (kernel === denseKernel(member)) numbers.push(...rest.slice(1));
      const [out] = row.buffers as [Buffer];
      const s = real(out.storage);
      values.set(s, i);
      const again = run.slice(i + 1).some(([later]) => real(later.buffers[0]!.storage) === s);
      const stored = !again && !(inner.has(s) && this.#touched.get(s)!.last < end);
      return { kernel: denseKernel(member), reads, store: stored ? place(wordOf(out, ways[0]!)) : -1 };
    });
    const piece = { buffers: words.map((word) => wayOf(word) !== STAYS), steps };
    return { piece, words, numbers, outs: run.map(([row]) => row.buffers[0]!) };
  }
}

const same = (a: Buffer, b: Buffer): boolean => real(a.storage) === real(b.storage) && a.offset === b.offset;
