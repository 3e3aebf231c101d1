// Device memory: one shared WebAssembly.Memory, cut into blocks of 64 bytes and multiples.
//
// Freed blocks wait in bins of their exact size, so a loop finds in the second turn what it freed in the first. When no
// bin fits and the memory would have to grow, neighbours are merged first. Blocks do not move.

import type { Device, Storage } from "../core/device.ts";
import { nextSerial } from "../core/fault.ts";
import { isPhone } from "../host/probe.ts";
import { type Live, Usage } from "../memory/usage.ts";

const ALIGN = 64;
const PAGE = 65536;
const FIRST_PAGES = 16;
/** 16 MiB: what the host does not reserve below this is not worth a device. */
const LEAST_PAGES = 256;
const GIB = 2 ** 30;
const GONE = -1;

/** The most memory to ask for: what the user says, else 4 GiB, on phones 1 GiB: they refuse more, or end the page for it. */
export function chooseMaximum(wanted: number | undefined): { bytes: number; why: string | null } {
  if (wanted !== undefined) return { bytes: Math.min(wanted, 4 * GIB), why: null };
  return isPhone() ? { bytes: GIB, why: "memory: at most 1 GiB on a phone" } : { bytes: 4 * GIB, why: null };
}

/** A run of bytes. `last` is the serial of the last row that names it: until then the host keeps its hands off. */
export interface Block {
  readonly address: number;
  readonly size: number;
  last: number;
  /** Who has touched it since the threads last met, at row `met`: see `Launched.meets`. */
  met: number;
  touched: number;
  /** Of the storage that has it; 0 while it is free, `GONE` when it was merged or cut. */
  serial: number;
  /** What that asked for. */
  bytes: number;
  label: string;
  /** Where blocks of its size wait. */
  readonly bin: Block[];
}

export class WasmStorage implements Storage {
  readonly device: Device;
  readonly bytes: number;
  readonly width: number;
  readonly label: string;
  readonly virtual: boolean;
  readonly serial = nextSerial();
  version = 0;
  holders = 0;
  /** The lasting storage behind a virtual one. */
  alias: WasmStorage | null = null;
  /** Null for virtual storages and for freed ones. */
  block: Block | null;

  constructor(device: Device, bytes: number, label: string, width: number, block: Block | null) {
    this.device = device;
    this.bytes = bytes;
    this.width = width;
    this.label = label;
    this.block = block;
    this.virtual = block === null;
    if (block !== null) {
      block.serial = this.serial;
      block.bytes = bytes;
      block.label = label;
    }
  }
}

export class Memory extends Usage {
  protected readonly what = "memory";
  memory: WebAssembly.Memory;
  readonly maximum: number;
  /** Views over the whole memory; made anew after growth. */
  i32!: Int32Array;
  u32!: Uint32Array;
  f32!: Float32Array;
  /** Bytes of the memory now; asking the memory itself is a call of the host. */
  reservedBytes!: number;
  #top: number;
  /** The last row that names bytes behind `top`: runs that were given back to it. */
  #topLast = 0;
  readonly #bins = new Map<number, Block[]>();
  #freeBytes = 0;
  /** All there are, and some that were merged since: an array takes a fifth of a set. */
  #blocks: Block[] = [];
  /** Those that `gone` has looked for. */
  #found = new Map<number, Block>();

  /** Reserves address space for `maximumBytes`, or as much of it as the host gives: half, a quarter, and so on. */
  constructor(base: number, maximumBytes: number) {
    super();
    let pages = Math.max(FIRST_PAGES, Math.min(PAGE, Math.floor(maximumBytes / PAGE)));
    for (;;) {
      try {
        this.memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: pages, shared: true });
        break;
      } catch (error) {
        if (pages <= LEAST_PAGES) throw error;
        pages = Math.max(LEAST_PAGES, pages >>> 1);
      }
    }
    this.maximum = pages * PAGE;
    this.#top = base;
    this.#view(this.memory.buffer);
  }

  #view(buffer: ArrayBufferLike): void {
    this.reservedBytes = buffer.byteLength;
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.f32 = new Float32Array(buffer);
  }

  /** A block for `bytes`, or null when there is none: flush, then ask again. */
  allocate(bytes: number): Block | null {
    const size = Math.max(ALIGN, Math.ceil(bytes / ALIGN) * ALIGN);
    const bin = this.#binOf(size);
    if (bin.length > 0) {
      this.#freeBytes -= size;
      return bin.pop()!;
    }
    if (this.#top + size <= this.reservedBytes) return this.#bump(size, bin);
    if (this.#freeBytes >= size) {
      const found = this.#split(size);
      if (found !== null) return found;
    }
    if (this.#top + size <= this.reservedBytes || this.#growFor(this.#top + size)) return this.#bump(size, bin);
    this.#merge(); // what is free in front of the end is room together with what lies behind it
    return this.#top + size <= this.reservedBytes || this.#grow(this.#top + size) ? this.#bump(size, bin) : null;
  }

  #binOf(size: number): Block[] {
    let bin = this.#bins.get(size);
    if (bin === undefined) {
      bin = [];
      this.#bins.set(size, bin);
    }
    return bin;
  }

  #bump(size: number, bin: Block[]): Block {
    const block = this.#block(this.#top, size, this.#topLast, bin);
    this.#top += size;
    return block;
  }

  /** Merges neighbours and cuts the smallest run that is large enough. */
  #split(size: number): Block | null {
    this.#merge();
    let best: Block | null = null;
    for (const [each, bin] of this.#bins) {
      if (each >= size && bin.length > 0 && (best === null || each < best.size)) best = bin[bin.length - 1]!;
    }
    if (best === null) return null;
    best.bin.pop();
    best.serial = GONE;
    this.#freeBytes -= best.size;
    const { address, last } = best;
    if (best.size > size) this.give(this.#run(address + size, best.size - size, last));
    return this.#run(address, size, last);
  }

  #run(address: number, size: number, last: number): Block {
    return this.#block(address, size, last, this.#binOf(size));
  }

  #block(address: number, size: number, last: number, bin: Block[]): Block {
    const block = { address, size, last, met: -1, touched: 0, bin, serial: 0, bytes: 0, label: "" };
    this.#blocks.push(block);
    return block;
  }

  protected held(): Iterable<Live> {
    return this.#blocks.filter(({ serial }) => serial > 0);
  }

  /** Bytes of the live storage of this number, if it begins there. */
  bytesFrom(serial: number, address: number): number | undefined {
    return this.#blocks.find((b) => b.serial === serial && b.address === address)?.bytes;
  }

  /** Those of the numbers that no live storage has any more. Blocks are kept in mind: all are looked through to find one. */
  gone(serials: readonly number[]): number[] {
    if (serials.some((serial) => !this.#found.has(serial))) {
      const wanted = new Set(serials);
      this.#found = new Map(this.#blocks.filter(({ serial }) => wanted.has(serial)).map((b) => [b.serial, b]));
    }
    return serials.filter((serial) => this.#found.get(serial)?.serial !== serial);
  }

  #merge(): void {
    const blocks = [...this.#bins.values()].flat().sort((a, b) => a.address - b.address);
    for (const bin of this.#bins.values()) bin.length = 0;
    this.#freeBytes = 0;
    let run: Block | null = null;
    for (const b of blocks) {
      if (run !== null && run.address + run.size === b.address) {
        run.serial = b.serial = GONE;
        run = this.#run(run.address, run.size + b.size, Math.max(run.last, b.last));
      } else {
        if (run !== null) this.give(run);
        run = b;
      }
    }
    if (run === null) return;
    if (run.address + run.size === this.#top) {
      this.#top = run.address;
      run.serial = GONE;
      this.#topLast = Math.max(this.#topLast, run.last);
    } else this.give(run);
  }

  /** Grows ahead, to `bytes` in all, if the host lets it. */
  reserve(bytes: number): void {
    if (bytes > this.reservedBytes) this.#grow(bytes);
  }

  /** By a quarter, so that it happens seldom; by no more than is needed where that is too much. */
  #growFor(end: number): boolean {
    return this.#grow(Math.max(end, Math.min(this.maximum, this.reservedBytes * 1.25))) || this.#grow(end);
  }

  #grow(end: number): boolean {
    if (end > this.maximum) return false;
    try {
      this.memory.grow(Math.ceil((end - this.reservedBytes) / PAGE));
    } catch {
      return false;
    }
    this.#view(this.memory.buffer);
    return true;
  }

  /** Of the host's memory: the device is disposed of. */
  letGo(): void {
    this.memory = null!;
    this.#view(new ArrayBuffer(0));
  }

  /** Takes a block back. */
  give(block: Block): void {
    block.serial = 0;
    block.bin.push(block);
    this.#freeBytes += block.size;
  }
}
