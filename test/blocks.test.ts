// Blocks of the device's memory: until the last row that names its bytes has run, the host keeps its hands off a block, into
// how many parts it may be cut and with whom it may be merged since.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Memory } from "../src/wasm/memory.ts";

const KIB = 1024;
/** A memory that is all given out: two blocks of 256 KiB, and one behind them that keeps the top where it is. */
function filled(): { memory: Memory; blocks: NonNullable<ReturnType<Memory["allocate"]>>[] } {
  const memory = new Memory(0, 16 * KIB * KIB);
  const blocks = [256, 256, 512].map((kib) => memory.allocate(kib * KIB)!);
  assert.is(memory.reservedBytes, 1024 * KIB);
  return { memory, blocks };
}

test("both parts of a block that is cut have its last row", () => {
  const { memory, blocks } = filled();
  blocks[0]!.last = 7;
  memory.give(blocks[0]!);
  const [head, rest] = [memory.allocate(64 * KIB)!, memory.allocate(192 * KIB)!];
  assert.equal([head.address, rest.address], [0, 64 * KIB]);
  assert.equal([head.last, rest.last], [7, 7]);
});

test("merged neighbours have the later of their last rows, in either order", () => {
  for (const [first, second] of [
    [7, 9],
    [9, 7],
  ]) {
    const { memory, blocks } = filled();
    [blocks[0]!.last, blocks[1]!.last] = [first!, second!];
    for (const b of blocks.slice(0, 2)) memory.give(b);
    const both = memory.allocate(512 * KIB)!;
    assert.equal([both.address, both.last], [0, 9]);
  }
});

test("what is given back to the top has its last row when it is given out again", () => {
  const { memory, blocks } = filled();
  [blocks[1]!.last, blocks[2]!.last] = [5, 9];
  memory.give(blocks[1]!);
  memory.give(blocks[2]!);
  // No bin fits and the memory would have to grow, so runs are merged: this one reaches the top.
  assert.is(memory.allocate(768 * KIB)?.last, 9);
});

test("a free run at the end is room together with what lies behind it", () => {
  const MIB = KIB * KIB;
  const memory = new Memory(0, 16 * MIB);
  const [, last] = [memory.allocate(4 * MIB)!, memory.allocate(6 * MIB)!];
  last.last = 3;
  memory.give(last);
  const all = memory.allocate(12 * MIB)!;
  assert.equal([all.address, all.size, all.last], [4 * MIB, 12 * MIB, 3]);
  assert.is(memory.allocate(64), null);
});

test.run();
