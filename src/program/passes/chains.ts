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
 * Elements from which a chain pays: one that is a piece, and others on one thread and on several, which meet once for all of its rows: where
 * one of these alone would wake the others (bench/lab, 241 to 243, and 248). Tests set others.
 */
export const PAYS = { piece: 1024, alone: 131072, shared: 16384 };

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

/** Elements up to which a row costs nothing, wherever it stands. */
const TINY = 64;

/**
 * The rows with tiny ones as early as what they read allows, so that chains need not stop for a number that a later member reads: those of
 * temporaries that nobody else writes.
 */
function numbersFirst(rows: readonly Row[], { isTemporary, isInput }: Chaining): readonly Row[] {
  const isTiny = ({ kernel, extents }: Row): boolean =>
    factsOf(kernel).faults === undefined && extents.reduce((a, b) => a * b, 1) <= TINY;
  if (!rows.some(isTiny)) return rows;
  const table = uses(rows);
  const writesInput = rows.some((r) => r.buffers.slice(0, r.outputs).some(({ storage }) => isInput(storage)));
  const out: Row[] = [];
  for (const row of rows) {
    const [outputs, inputs] = [row.buffers.slice(0, row.outputs), row.buffers.slice(row.outputs)];
    // What an input of the program holds may be what other rows write.
    const moves =
      isTiny(row) &&
      outputs.every(({ storage: s }) => isTemporary(s) && table.get(real(s))!.writers.length === 1) &&
      inputs.every(({ storage: s }) => isTemporary(s) || (!isInput(s) && !writesInput));
    let at = moves ? 0 : out.length;
    for (const [i, before] of moves ? out.entries() : []) {
      const reads = ({ storage: s }: Buffer): boolean => inputs.some(({ storage }) => real(storage) === real(s));
      if (before.buffers.slice(0, before.outputs).some(reads)) at = i + 1;
    }
    out.splice(at, 0, row);
  }
  return out;
}

/** The rows with chains among them. */
export function chains(given: readonly Row[], chaining: Chaining): readonly Row[] {
  const { least, pieces, kernels } = chaining;
  const rows = numbersFirst(given, chaining);
  const members = rows.map((row) => {
    const m = memberOf(row);
    if (m === null) return null;
    if (kernels !== undefined) return kernels.fits(denseKernel(m)) ? m : null;
    if (m.n >= least) return m;
    return pieces !== null && m.n >= PAYS.piece && pieces.fits(denseKernel(m)) ? m : null;
  });
  if (members.every((m) => m === null)) return given;
  const table = uses(rows);
  const out: (Row | null)[] = [...rows];
  /** Row i and those behind it that may join, so many at most and of `among` alone; what stands in a chain before is left out. */
  const gathered = (i: number, most: number, among: ReadonlySet<number> | null): Chain => {
    const chain = new Chain(chaining);
    const n = members[i]!.n;
    for (let j = i; j < rows.length && j - i < REACH && chain.rows.length < most; j++) {
      if (out[j] !== rows[j]) continue;
      const joins = members[j]?.n === n && (among === null || among.has(j));
      if (!joins || !chain.takes(rows[j]!, members[j]!, j)) chain.passes(rows[j]!);
    }
    return chain;
  };
  /** Those that have to do with row i: others may join in the beginning, since a later one may read both. */
  const from = (i: number, most: number): Chain => {
    let among: ReadonlySet<number> | null = null;
    for (;;) {
      const chain = gathered(i, most, among);
      const related = chain.related();
      if (related.size === chain.rows.length) return chain;
      among = related;
    }
  };
  for (let i = 0; i < rows.length; i++) {
    if (out[i] !== rows[i] || members[i] === null) continue;
    let chain = from(i, MOST);
    let row: Row | null = null;
    while (chain.rows[0] === i && chain.rows.length > 1) {
      row = chain.row(table);
      if (row !== null) break;
      chain = from(i, chain.rows.length - 1);
    }
    if (row === null) continue;
    for (const j of chain.rows) out[j] = null;
    out[i] = row;
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

  /** The chain's row; null where the device makes none of so many. `table` tells who else touches what. */
  row(table: ReadonlyMap<Storage, Uses>): Row | null {
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
    const n = this.#members[0]![1].n;
    const { pieces, kernels, index: indexOf } = this.#chaining;
    if (kernels !== undefined) {
      const { piece, words, numbers: scalars, outs } = this.#piece(0, this.#members.length, inner, wordOf);
      return kernels.row({ ...piece, outs, cells: words.map((word) => buffers[word >> 2]!), n, scalars });
    }
    const scalars: number[] = [];
    let members = 0;
    for (let m = 0; m < this.#members.length; members++) {
      const begin = m;
      let end = m;
      while (pieces !== null && end < this.#members.length && pieces.fits(denseKernel(this.#members[end]![1]))) end++;
      const made = end - m < 2 ? null : this.#piece(m, end, inner, wordOf);
      const index = made && pieces!.index(made.piece);
      if (index !== null) {
        const { words, numbers } = made!;
        scalars.push(index, words.length, 0, 1 + numbers.length, ...words, n, ...numbers);
        m = end;
      } else {
        const [row, { kernel, ways, rest, place }] = this.#members[m++]!;
        const words = row.buffers.map((b, k) => {
          const word = wordOf(b, ways[k]!);
          return (word & 3) === SPREAD ? word | (slots++ << (2 + SLOT_SHIFT)) : word;
        });
        scalars.push(indexOf(kernel), words.length, place, rest.length, ...words, ...rest);
      }
      for (const s of inner) {
        const { last } = this.#touched.get(s)!;
        if (last >= begin && last < m && held.has(s)) free.push(held.get(s)!);
      }
    }
    return { kernel: CHAIN, buffers, outputs: outputs.length, extents: [members, n], scalars, op: "chain" };
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
      return { kernel: denseKernel(member), reads, store: stored ? place(wordOf(out, MOVES)) : -1 };
    });
    const piece = { buffers: words.map((word) => (word & 3) !== STAYS), steps };
    return { piece, words, numbers, outs: run.map(([row]) => row.buffers[0]!) };
  }
}

const same = (a: Buffer, b: Buffer): boolean => real(a.storage) === real(b.storage) && a.offset === b.offset;
