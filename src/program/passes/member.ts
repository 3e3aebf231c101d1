// Rows that may be members of a chain (chains.ts), and what each of their buffers is to it.
import type { Row } from "../../core/device.ts";
import { denseOf } from "../../row/nest.ts";
import { factsOf } from "../kernels/facts.ts";

/** Kernels with one extent, or their forms over views, that are no members: the value depends on the element's number, or on all elements. */
const ALONE = /^(arange|uniform|normal|dropout_mask|randint|random_take|nll_mean|tick|corrections|amp)_|_b16$|f16/;

/** What a buffer is to the walker: see there. */
export const [MOVES, STAYS, SLOT, SPREAD, ITEM] = [0, 1, 2, 3, 4];
export const WAY_BITS = 3;
export const SLOT_SHIFT = 12;
export const wayOf = (word: number): number => word & ((1 << WAY_BITS) - 1);

/** The first half of a full sum: it may end a chain, of whose blocks it makes an element each. */
export const SUM = "sum_chunk_f32";

/** A row that may join: of n elements, by which kernel, and what it does with each buffer (MOVES, STAYS, SPREAD, ITEM). */
export interface Member {
  readonly n: number;
  readonly kernel: string;
  readonly ways: readonly number[];
  /** Extents and scalars for the dense kernel, and which of them is the count. */
  readonly rest: readonly number[];
  readonly place: number;
}

/** The kernel of one that does not broadcast. */
export const denseKernel = ({ kernel }: Member): string => kernel.replace("_broadcast", "");

/** The row as a member; null for one that is none. */
export function memberOf({ kernel, buffers, outputs, extents, scalars }: Row): Member | null {
  const dense = denseOf(kernel);
  if (outputs !== 1 || ALONE.test(dense) || factsOf(dense).faults !== undefined) return null;
  if (buffers.some(({ storage }) => storage.width !== 4)) return null;
  if (kernel === SUM) {
    const [outer, n, inner] = extents as [number, number, number];
    const [chunk] = scalars as [number];
    if (outer !== 1 || inner !== 1) return null;
    return { n, kernel, ways: [ITEM, MOVES], rest: [1, chunk, 1, 1, chunk], place: 1 };
  }
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
