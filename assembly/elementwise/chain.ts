// A chain: elementwise rows over the same n elements, walked block by block, so that what one makes for the next never leaves the first
// cache. The host (src/program/passes/chains.ts) puts one such row in the place of several.
//
//   outside buffers | members n | grain, block, and the members, one after another:
//     kernel  buffers  place  rest    index in the table; how many; which word behind the buffers' is the count; how many words that are
//     a word a buffer                 in the lowest three bits what it is, above them a number: see below
//     the rest                        extents and scalars as the dense kernel finds them
//
// Threads share multiples of `grain` elements. A block has `block` elements: few of them fit the first cache, and the calls, some 5 ns a member and block, cost little
// from 1024 on. Members that give one element a block (sum_chunk_f32) make block and grain as long as what they sum.
//
// For example y = x * s + x, with s one element: mul_broadcast_f32 of MOVES 1 and STAYS 2 into SLOT 0, add_f32 of SLOT 0 and MOVES 1 into
// MOVES 0. Members are copied to this thread's scratch, with addresses in the place of the words; a block later those that move are
// moved on. They are called as if there were one thread: what they are given is this thread's already.
import { buffers, extent, first, last, pointer, scratch } from "../lib/args";
import { fill } from "../lib/lanes";

// What a buffer of a member is: an outside buffer that goes on with the blocks; one of which all blocks read the first element, or its
// whole block is that element; a block in scratch, which lives between members; an outside buffer of an element a block.
const MOVES: u32 = 0;
const STAYS: u32 = 1;
const SLOT: u32 = 2;
const SPREAD: u32 = 3;
const ITEM: u32 = 4;
const WAY_BITS: u32 = 3;
/** Of SPREAD, the number of its slot stands above that of its buffer. */
const SLOT_SHIFT: u32 = 12;

// In scratch: the members' rows, which have the usual header (kernel, bytes to the next, -, where the count stands); of what moves where its
// address stands and by how many bytes a block; the slots.
const HEADER: usize = 16;
const MOVING: usize = 32768;
const SLOTS: usize = 65536;

export function chain_f32(args: usize, ith: u32, nth: u32): void {
  const outside = buffers(args);
  const members = extent(args, outside);
  const n = extent(args, outside + 1);
  const grain = extent(args, outside + 2);
  const block = extent(args, outside + 3);
  let i = first(n, grain, ith, nth);
  const end = last(args, n, grain, ith, nth);
  if (i >= end) return;
  const own = scratch(ith);
  const begin = own + HEADER;
  const moving = own + MOVING;
  const slots = own + SLOTS;
  let count = min(block, end - i);

  let from = args + (<usize>(outside + 4) << 2);
  let row = begin;
  let moved = moving;
  for (let m: u32 = 0; m < members; m++) {
    const taken = load<u32>(from, 4);
    const rest = row + (<usize>taken << 2);
    const words = load<u32>(from, 12);
    store<u32>(row - 16, load<u32>(from));
    store<u32>(row - 12, <u32>HEADER + ((taken + words) << 2));
    store<usize>(row - 4, rest + (<usize>load<u32>(from, 8) << 2));
    from += 16;
    for (; row < rest; row += 4, from += 4) {
      const word = load<u32>(from);
      const what = word & ((1 << WAY_BITS) - 1);
      let address: usize;
      if (what == SLOT) address = slots + <usize>(word >>> WAY_BITS) * (<usize>block << 2);
      else {
        address = pointer(args, (word >>> WAY_BITS) & ((1 << SLOT_SHIFT) - 1));
        if (what == MOVES || what == ITEM) {
          const step: usize = what == MOVES ? <usize>block << 2 : 4;
          address += <usize>(what == MOVES ? i : i / block) << 2;
          store<usize>(moved, row);
          store<usize>(moved, step, 4);
          moved += 8;
        } else if (what == SPREAD) {
          const slot = slots + <usize>(word >>> (WAY_BITS + SLOT_SHIFT)) * (<usize>block << 2);
          fill(slot, v128.load32_splat(address), count);
          address = slot;
        }
      }
      store<usize>(row, address);
    }
    for (const stop = from + (<usize>words << 2); from < stop; row += 4, from += 4) store<u32>(row, load<u32>(from));
    row += HEADER;
  }

  const behind = row;
  let whole: u32 = 0; // the count that stands in the members' rows
  while (true) {
    for (row = begin; row < behind; row += load<u32>(row - 12)) {
      if (whole != count) store<u32>(load<usize>(row - 4), count);
      call_indirect<void>(load<u32>(row - 16), row, ith, <u32>1);
    }
    whole = count;
    i += count;
    if (i >= end) return;
    count = min(block, end - i);
    for (let at = moving; at < moved; at += 8) {
      const place = load<usize>(at);
      store<usize>(place, load<usize>(place) + load<usize>(at, 4));
    }
  }
}
