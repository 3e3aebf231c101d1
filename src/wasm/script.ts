// A script: rows encoded as words of device memory, as assembly/replay.ts walks them.
import type { Buffer } from "../core/device.ts";
import type { Choice } from "../program/choices.ts";
import { costOf, factsOf } from "../program/kernels/facts.ts";
import { walking } from "../row/nest.ts";
import { BARRIER, HEADER, PARALLEL } from "./control.ts";
import { FIRST_KERNEL } from "./load.ts";
import type { Memory, WasmStorage } from "./memory.ts";

/** Rows of less work than this run on thread 0: waking the others would cost more. In elementwise units. */
export const PARALLEL_WORK = 16384;

/** Odd, its bits as good as drawn: 2^32 over the golden ratio. */
const HASH = 0x9e3779b1;

export interface WasmKernel {
  readonly name: string;
  /** The row's first word: in the table; in the upper half, for a walk over views, that of the dense kernel. */
  readonly index: number;
  /** What a unit of its work costs; 0 where it must run once. */
  readonly cost: number;
  /** It may report a fault. */
  readonly faults: boolean;
  /** Extents are the number of segments and their lengths: the work is the sum. */
  readonly segments: boolean;
  /** Other rows for the same result. */
  readonly choice: Choice | null;
}

export function kernel(name: string, index: number, choice: Choice | null = null): WasmKernel {
  const { once, segments = false, faults } = factsOf(name);
  return { name, index, cost: once ? 0 : costOf(name), faults: faults !== undefined, segments, choice };
}

/** Product of the extents, or of a table of segments the sum of their lengths. */
function workOf(k: WasmKernel, extents: readonly number[]): number {
  let work = k.segments ? 0 : 1;
  if (k.segments) for (let i = 1; i < extents.length; i++) work += extents[i]!;
  else for (let i = 0; i < extents.length; i++) work *= extents[i]!;
  return work;
}

/** True where a row is worth waking the others. */
export const isParallel = (k: WasmKernel, extents: readonly number[], threads: number): boolean =>
  threads > 1 && workOf(k, extents) * k.cost >= PARALLEL_WORK;

export class Script {
  /** First word. */
  private begin = 0;
  private cursor = 0;
  private capacity = 0;
  parallel = false;
  /** True where rows may call pieces, which not every worker may have. */
  pieces = false;
  /** Tells a program's script from others by its rows. */
  private shape = 0;
  /** In elementwise units. */
  work = 0;
  rows = 0;
  /** Rows of a program, which come again as they are; launched ones are cut wherever somebody waits or the script is full. */
  private readonly recorded: boolean;

  constructor(recorded = false) {
    this.recorded = recorded;
  }

  /** What may be learnt of it holds for others of this kind: the same rows, or rows of some such length. */
  get kind(): number {
    return this.recorded ? this.shape : Math.round(2 * Math.log2(this.work / this.rows));
  }

  /** Writes from `address` on, at most `bytes`. */
  place(address: number, bytes: number): void {
    this.begin = this.cursor = address >>> 2;
    this.capacity = bytes >>> 2;
    this.clear();
  }

  clear(): void {
    this.cursor = this.begin;
    this.rows = 0;
    this.parallel = false;
    this.shape = this.work = 0;
  }

  get address(): number {
    return this.begin * 4;
  }

  get limit(): number {
    return this.cursor * 4;
  }

  static words(buffers: number, extents: number, scalars: number): number {
    return HEADER + buffers + extents + scalars;
  }

  fits(words: number): boolean {
    return this.cursor - this.begin + words <= this.capacity;
  }

  /** The word at which the addresses of the next row's buffers begin. */
  get first(): number {
    return this.cursor + HEADER;
  }

  /** Appends a row whose buffers' addresses the caller has written from `first` on. `meet`: the threads meet before it. */
  append(
    memory: Memory,
    k: WasmKernel,
    buffers: number,
    outputs: number,
    extents: readonly number[],
    scalars: readonly number[],
    threads: number,
    meet: boolean,
  ): void {
    const words = memory.i32;
    const row = this.cursor;
    let at = row + HEADER + buffers;
    for (let i = 0; i < extents.length; i++) words[at++] = extents[i]!;
    for (let i = 0; i < scalars.length; i++) words[at++] = scalars[i]!;
    const work = threads > 1 ? workOf(k, extents) : 0;
    const parallel = work > 0 && work * k.cost >= PARALLEL_WORK;
    words[row] = k.index;
    words[row + 1] = (at - row) << 2;
    words[row + 2] = (parallel ? PARALLEL : 0) | (meet ? BARRIER : 0) | (buffers << 8) | (outputs << 20);
    memory.f32[row + 3] = work;
    this.cursor = at;
    this.rows++;
    this.parallel ||= parallel;
    this.shape = (Math.imul(this.shape ^ k.index, HASH) + work) | 0;
    this.work += work * k.cost;
  }
}

/** A row, read back from memory. */
export interface EncodedRow {
  /** Of a walk over views the dense kernel. */
  readonly kernel: number;
  readonly walks: boolean;
  readonly args: number;
  readonly buffers: number;
  readonly outputs: number[];
  readonly extents: number[];
}

/** The rows between two addresses, for messages. */
export function decode(memory: Memory, begin: number, end: number): EncodedRow[] {
  const { u32 } = memory;
  const rows: EncodedRow[] = [];
  for (let at = begin >>> 2; at < end >>> 2; at += u32[at + 1]! >>> 2) {
    const flags = u32[at + 2]!;
    const first = at + HEADER;
    const buffers = (flags >>> 8) & 0xfff;
    const rest = first + buffers;
    rows.push({
      kernel: u32[at]! >>> 16 || u32[at]! & 0xffff,
      walks: u32[at]! >>> 16 !== 0,
      args: first * 4,
      buffers,
      outputs: [...u32.slice(first, first + (flags >>> 20))],
      extents: [...u32.slice(rest, at + (u32[at + 1]! >>> 2))],
    });
  }
  return rows;
}

/** The kernel of a row. */
export function nameOf({ kernel, walks }: EncodedRow, names: readonly string[]): string {
  const dense = names[kernel - FIRST_KERNEL]!;
  return walks ? walking(dense) : dense;
}

/** Byte address of a buffer whose storage has a block. */
export function addressOf(b: Buffer): number {
  return (b.storage as WasmStorage).block!.address + b.offset * b.storage.width;
}
