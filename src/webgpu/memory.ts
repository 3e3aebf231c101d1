// GPU memory: one buffer a storage, from a pool of buffers by size class.
//
// A freed buffer is at once free for later rows: everything runs in the order in which it was handed over. The host
// writes through the queue, in the same order.

import type { Device, Storage } from "../core/device.ts";
import { fail } from "../core/error.ts";
import { nextSerial } from "../core/fault.ts";
import { type Live, mib, Usage } from "../memory/usage.ts";

const LEAST = 256;

/** Sizes of buffers: multiples of 256 bytes up to 2 KiB, then eight steps an octave, so that what was freed fits again. */
export function sizeClass(bytes: number): number {
  const step = Math.max(LEAST, 2 ** Math.floor(Math.log2(Math.max(1, bytes - 1))) / 8);
  return Math.max(LEAST, Math.ceil(bytes / step) * step);
}

/** A buffer of the pool. `id` is its name in keys of bind groups. */
export interface Block {
  readonly buffer: GPUBuffer;
  readonly size: number;
  readonly id: number;
  /** Serial of the last row that names it. */
  last: number;
}

export class GpuStorage implements Storage {
  readonly device: Device;
  readonly bytes: number;
  readonly width: number;
  readonly label: string;
  readonly virtual: boolean;
  readonly serial = nextSerial();
  version = 0;
  holders = 0;
  alias: GpuStorage | null = null;
  /** Null for virtual storages and for freed ones. */
  block: Block | null;

  constructor(device: Device, bytes: number, label: string, width: number, block: Block | null) {
    this.device = device;
    this.bytes = bytes;
    this.width = width;
    this.label = label;
    this.block = block;
    this.virtual = block === null;
  }
}

interface Owner {
  /** Told that a buffer is gone, for what names it. */
  dropped(id: number): void;
  /** Hands over what names buffers; true when nothing is held back. */
  settled(): boolean;
}

export class Memory extends Usage {
  protected readonly what = "GPU memory";
  /** Bytes of all buffers, live or free. */
  reservedBytes = 0;
  /** Most bytes of all buffers together. */
  readonly maximum: number;
  /** A GPU fills as much in the time that a collection takes. */
  readonly least = 256 << 20;
  /** For tests: buffers made. */
  made = 0;
  private readonly gpu: GPUDevice;
  private readonly largest: number;
  private readonly bins = new Map<number, Block[]>();
  private ids = 0;
  private readonly owner: Owner;
  readonly live = new Set<GpuStorage>();

  constructor(gpu: GPUDevice, maximum: number, owner: Owner) {
    super();
    this.gpu = gpu;
    this.maximum = maximum;
    this.largest = Math.min(gpu.limits.maxBufferSize, gpu.limits.maxStorageBufferBindingSize);
    this.owner = owner;
  }

  /** A buffer for `bytes`; throws when one so large, or so many, are not to be had. */
  allocate(bytes: number, label: string): Block {
    if (bytes > this.largest) {
      fail(
        label,
        `${mib(bytes)} asked for: a buffer of this GPU device holds at most ${mib(this.largest)}; use smaller batches, or wasm`,
      );
    }
    const size = Math.min(sizeClass(bytes), Math.floor(this.largest / 4) * 4);
    const free = this.bins.get(size)?.pop();
    if (free !== undefined) return free;
    if (this.reservedBytes + size > this.maximum) this.trim();
    if (this.reservedBytes + size > this.maximum) this.exhausted(label, bytes);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.gpu.createBuffer({ size, usage, label });
    this.made++;
    this.reservedBytes += size;
    return { buffer, size, id: ++this.ids, last: 0 };
  }

  protected held(): Iterable<Live> {
    return this.live;
  }

  give(block: Block): void {
    const bin = this.bins.get(block.size);
    if (bin === undefined) this.bins.set(block.size, [block]);
    else bin.push(block);
  }

  /** A buffer for uniform blocks, outside the pool. */
  uniforms(size: number): Block {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.made++;
    this.reservedBytes += size;
    return { buffer: this.gpu.createBuffer({ size, usage, label: "uniforms" }), size, id: ++this.ids, last: 0 };
  }

  destroy(block: Block): void {
    block.buffer.destroy();
    this.reservedBytes -= block.size;
    this.owner.dropped(block.id);
  }

  /** Destroys the free buffers. What was submitted keeps its own until it has run. */
  trim(): void {
    if (!this.owner.settled()) return;
    for (const bin of this.bins.values()) for (const block of bin) this.destroy(block);
    this.bins.clear();
  }
}
