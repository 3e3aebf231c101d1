// Chains: elementwise rows over as many elements, one after another or with others between that do not mind, become one row, which is
// walked block by block (assembly/elementwise/chain.ts). What one of them makes for the next alone is never stored. Keeps the bits,
// since an elementwise kernel gives the same wherever it is cut. The last pass: nothing that knows rows by their names comes behind it.
import type { Buffer, Row, Storage } from "../../core/device.ts";
import { denseOf } from "../../row/nest.ts";
import { factsOf } from "../kernels/facts.ts";
import { compact, type Uses, uses } from "./rows.ts";

/** The kernel that walks them. */
export const CHAIN = "chain_f32";

/** Kernels with one extent, or their forms over views, that are no members: the value depends on the element's number, or on all elements. */
const ALONE = /^(arange|uniform|normal|dropout_mask|randint|random_take|nll_mean|tick|corrections|amp)_|_b16$|f16/;

/**
 * Elements from which a chain pays: one that is a piece, and others on one thread and on several, which meet once for all of its rows
 * (bench/lab, 241 to 243). Tests set others.
 */
export const PAYS = { piece: 1024, alone: 131072, shared: 8192 };

/** How far behind a chain's first row its last one may stand, and how many there may be: their slots of 2048 floats lie in scratch. */
const REACH = 64;
const MOST = 48;

/** What a buffer is to the walker: see there. */
const [MOVES, STAYS, SLOT, SPREAD] = [0, 1, 2, 3];
const SLOT_SHIFT = 12;

/** A row that may join: of n elements, by which kernel, and what it does with each buffer (MOVES, STAYS, SPREAD). */
interface Member {
  readonly n: number;
  readonly kernel: string;
  readonly ways: readonly number[];
  /** Extents and scalars for the dense kernel, and which of them is the count. */
  readonly rest: readonly number[];
  readonly place: number;
}

/** The kernel of one that does not broadcast. */
const denseKernel = ({ kernel }: Member): string => kernel.replace("_broadcast", "");

/** The row as a member; null for one that is none. */
export function memberOf({ kernel, buffers, outputs, extents, scalars }: Row): Member | null {
  const dense = denseOf(kernel);
  if (outputs !== 1 || ALONE.test(dense) || factsOf(dense).faults !== undefined) return null;
  if (buffers.some(({ storage }) => storage.width !== 4)) return null;
  if (extents.length === 1) {
    return { n: extents[0]!, kernel, ways: buffers.map(() => MOVES), rest: [...extents, ...scalars], place: 0 };
  }
  const broadcast = /_broadcast_/.test(kernel);
  if (!broadcast && dense === kernel) return null;
  const last = extents.length - 1;
  if (extents.slice(0, last).some((n) => n !== 1)) return null;
  const ways = [MOVES];
  for (let j = 1; j < buffers.length; j++) {
    const step = scalars[j * extents.length - 1]!;
    if (step !== 0 && step !== 1) return null;
    ways.push(step === 1 ? MOVES : broadcast ? STAYS : SPREAD);
  }
  const n = extents[last]!;
  if (broadcast) return { n, kernel, ways, rest: [...extents, ...scalars], place: last };
  return { n, kernel: dense, ways, rest: [n, ...scalars.slice((buffers.length - 1) * extents.length)], place: 0 };
}

/** A row of a piece: what it reads, by its place among `Piece.buffers`, or ~ the number of an earlier row; and where it is stored. */
export interface Step {
  /** The dense kernel. */
  readonly kernel: string;
  readonly reads: readonly number[];
  /** The buffer; -1 where only later rows of the piece read it. */
  readonly store: number;
}

/** Members that stand side by side, as one kernel: args are an address a buffer, the count, and the rows' scalars one after another. */
export interface Piece {
  /** True for a buffer that goes on with the elements; of another the first element is read. */
  readonly buffers: readonly boolean[];
  readonly steps: readonly Step[];
}

/** A device that makes kernels of pieces. */
export interface Pieces {
  /** Whether rows of a dense kernel may stand in one. */
  fits(kernel: string): boolean;
  /** Its place in the table; null where none can be made. */
  index(piece: Piece): number | null;
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
}

/** The rows with chains among them. */
export function chains(rows: readonly Row[], chaining: Chaining): readonly Row[] {
  const { least, pieces } = chaining;
  const members = rows.map((row) => {
    const m = memberOf(row);
    if (m === null || m.n >= least) return m;
    return pieces !== null && m.n >= PAYS.piece && pieces.fits(denseKernel(m)) ? m : null;
  });
  if (members.every((m) => m === null)) return rows;
  const table = uses(rows);
  const out: (Row | null)[] = [...rows];
  for (let i = 0; i < rows.length; i++) {
    const n = members[i]?.n;
    if (out[i] !== rows[i] || members[i] === null) continue;
    const chain = new Chain(chaining);
    if (!chain.takes(rows[i]!, members[i]!, i)) continue;
    for (let j = i + 1; j < rows.length && j - i < REACH && chain.rows.length < MOST; j++) {
      if (out[j] !== rows[j]) continue; // stands in a chain before this one
      if (members[j]?.n !== n || !chain.takes(rows[j]!, members[j]!, j)) chain.passes(rows[j]!);
    }
    if (chain.rows.length < 2) continue;
    for (const j of chain.rows) out[j] = null;
    out[i] = chain.row(table);
  }
  return compact(out);
}

const real = (s: Storage): Storage => s.alias ?? s;

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

/** Rows that are gathered at the place of the first, and what those between do, which will run behind them. */
class Chain {
  /** Their numbers. */
  readonly rows: number[] = [];
  readonly #members: [row: Row, member: Member][] = [];
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
    let shares = this.rows.length === 0;
    let [readsInput, writesLasting] = [this.#readsInput, this.#writesLasting];
    for (const [k, b] of row.buffers.entries()) {
      const s = real(b.storage);
      const writes = k < row.outputs;
      if (this.#writtenBetween.has(s) || (writes && this.#readBetween.has(s))) return false;
      const touch = this.#touched.get(s);
      if (touch !== undefined) {
        const together = touch.together && member.ways[k] === MOVES && b.offset === touch.buffer.offset;
        if ((touch.written || writes) && !together) return false;
        shares ||= together;
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
    if (!shares || (readsInput && writesLasting)) return false;
    this.#readsInput = readsInput;
    this.#writesLasting = writesLasting;
    this.rows.push(i);
    this.#members.push([row, member]);
    // What is read is noted first: who reads and writes it has not made it.
    for (let k = row.buffers.length - 1; k >= 0; k--) this.#touch(row.buffers[k]!, member.ways[k]!, k < row.outputs);
    return true;
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

  /** The chain's row. `table` tells who else touches what. */
  row(table: ReadonlyMap<Storage, Uses>): Row {
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
      if (inner.has(s)) return (slotOf(s) << 2) | SLOT;
      return (buffers.findIndex((x) => same(x, b)) << 2) | way;
    };
    const scalars: number[] = [];
    let members = 0;
    for (let m = 0; m < this.#members.length; members++) {
      const begin = m;
      const piece = this.#pieceFrom(m, inner, wordOf);
      if (piece !== null) {
        scalars.push(...piece.member);
        m = piece.end;
      } else {
        const [row, { kernel, ways, rest, place }] = this.#members[m++]!;
        const words = row.buffers.map((b, k) => {
          const word = wordOf(b, ways[k]!);
          return (word & 3) === SPREAD ? word | (slots++ << (2 + SLOT_SHIFT)) : word;
        });
        scalars.push(this.#chaining.index(kernel), words.length, place, rest.length, ...words, ...rest);
      }
      for (const s of inner) {
        const { last } = this.#touched.get(s)!;
        if (last >= begin && last < m && held.has(s)) free.push(held.get(s)!);
      }
    }
    const n = this.#members[0]![1].n;
    return { kernel: CHAIN, buffers, outputs: outputs.length, extents: [members, n], scalars, op: "chain" };
  }

  /** The members from m on that a piece may do, as one member; null for fewer than two. */
  #pieceFrom(
    m: number,
    inner: ReadonlySet<Storage>,
    wordOf: (b: Buffer, way: number) => number,
  ): { member: number[]; end: number } | null {
    const { pieces } = this.#chaining;
    let end = m;
    while (pieces !== null && end < this.#members.length && pieces.fits(denseKernel(this.#members[end]![1]))) end++;
    if (pieces === null || end - m < 2) return null;
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
      return { kernel: denseKernel(member), reads, store: stored ? place(wordOf(out, MOVES)) : -1 };
    });
    const index = pieces.index({ buffers: words.map((word) => (word & 3) !== STAYS), steps });
    if (index === null) return null;
    return { member: [index, words.length, 0, 1 + numbers.length, ...words, run[0]![1].n, ...numbers], end };
  }
}

const same = (a: Buffer, b: Buffer): boolean => real(a.storage) === real(b.storage) && a.offset === b.offset;
