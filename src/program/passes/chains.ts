// Chains: elementwise rows over as many elements, one after another or with others between that do not mind, become one row, which is
// walked block by block (assembly/elementwise/chain.ts). What one of them makes for the next alone is never stored. Keeps the bits,
// since an elementwise kernel gives the same wherever it is cut. The last pass: nothing that knows rows by their names comes behind it.
import type { Buffer, Row } from "../../core/device.ts";
import { factsOf } from "../kernels/facts.ts";
import { Chain, type Chaining, MOST, real } from "./chain.ts";
import { denseKernel, memberOf, SUM } from "./member.ts";
import { compact, uses } from "./rows.ts";

/**
 * Elements from which a chain pays: one that is a piece, and others on one thread and on several, which meet once for all of its rows: where
 * one of these alone would wake the others (bench/lab, 241 to 243, and 248). Tests set others.
 */
export const PAYS = { piece: 1024, alone: 131072, shared: 16384 };

/** How far behind a chain's first row its last one may stand. */
const REACH = 64;

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

/** Whether rows might come together in pieces. */
export function canBePieces(rows: readonly Row[]): boolean {
  const counts = rows.map((row) => memberOf(row)?.n ?? 0).filter((n) => n >= PAYS.piece);
  return new Set(counts).size < counts.length;
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
    return pieces !== null && m.n >= PAYS.piece && (m.kernel === SUM || pieces.fits(denseKernel(m))) ? m : null;
  });
  if (members.every((m) => m === null)) return given;
  const table = uses(rows);
  const out: (Row | null)[] = [...rows];
  /** Joins early: in a piece a row costs no stream more, while the walker gains from what its members share alone (bench/lab, 250). */
  const early = members.map((m) => m !== null && (kernels ?? pieces)?.fits(denseKernel(m)) === true);
  /** Row i and those behind it that may join, so many at most and of `among` alone; what stands in a chain before is left out. */
  const gathered = (i: number, most: number, among: ReadonlySet<number> | null): Chain => {
    const chain = new Chain(chaining);
    const n = members[i]!.n;
    for (let j = i; j < rows.length && j - i < REACH && chain.rows.length < most; j++) {
      if (out[j] !== rows[j]) continue;
      const joins = members[j]?.n === n && (among === null || among.has(j));
      const shares = joins && (early[j] || chain.shares(rows[j]!, members[j]!));
      if (!shares || !chain.takes(rows[j]!, members[j]!, j)) chain.passes(rows[j]!);
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
