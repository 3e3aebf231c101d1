// Rows made ready for an encoder: compiled kernels, bind groups, workgroups, and their uniform blocks side by side.
import type { Buffer, Row, Storage } from "../core/device.ts";
import { bindingsOf, isHalf } from "./kernel.ts";
import type { GpuStorage } from "./memory.ts";
import { BLOCK, type Compiled, type Pipelines, type Range } from "./pipelines.ts";

interface Dispatch {
  readonly compiled: Compiled;
  readonly ranges: readonly Range[];
  readonly groups: readonly [number, number, number];
  /** Bytes from the beginning of the uniform buffer. */
  readonly offset: number;
  bound: GPUBindGroup | null;
}

/** Where a storage lies, and the float in it that a buffer begins at. */
export interface Locator {
  range(storage: Storage): Range;
  offset(buffer: Buffer): number;
}

/** Outside programs every storage has a buffer to itself. */
export const EAGER: Locator = {
  range(storage) {
    const { buffer, id, size } = (storage as GpuStorage).block!;
    return { buffer, id, offset: 0, size };
  },
  offset: (b) => b.offset,
};

export class Batch {
  readonly words: Int32Array<ArrayBuffer>;
  readonly dispatches: Dispatch[] = [];
  private readonly pipelines: Pipelines;
  private readonly faultWord: Range;

  constructor(pipelines: Pipelines, faultWord: Range, rows: number) {
    this.pipelines = pipelines;
    this.faultWord = faultWord;
    this.words = new Int32Array((rows * BLOCK) / 4);
  }

  get full(): boolean {
    return (this.dispatches.length + 1) * BLOCK > this.words.byteLength;
  }

  /** Appends a row of the registry; nothing when it has no work. `word` is its number in faults, or the bits that guard it. */
  append(row: Row, place: Locator, guarded: boolean, word: number): void {
    const { map, unique } = bindingsOf(row.buffers.map((b) => b.storage.alias ?? b.storage));
    const compiled = this.pipelines.of(row, map, unique.map(isHalf), guarded);
    const groups = this.pipelines.groupsOf(compiled, row);
    if (groups.some((g) => g === 0)) return;
    const ranges = unique.map((s) => place.range(s));
    if (compiled.fault !== "none") ranges.push(this.faultWord);
    const at = this.dispatches.length * (BLOCK / 4);
    const offsets = row.buffers.map((b) => place.offset(b));
    this.pipelines.encode(compiled, row, offsets, word, this.words, at);
    this.dispatches.push({ compiled, ranges, groups, offset: at * 4, bound: null });
  }

  /** Pipelines that are still being compiled. */
  waits(): Promise<void>[] {
    const found = new Set<Promise<void>>();
    for (const { compiled } of this.dispatches) if (compiled.pipeline === null) found.add(compiled.ready);
    return [...found];
  }

  /** One compute pass over all dispatches. */
  encode(encoder: GPUCommandEncoder, uniforms: Range): void {
    if (this.dispatches.length === 0) return;
    const pass = encoder.beginComputePass();
    let last: GPUComputePipeline | null = null;
    for (const d of this.dispatches) {
      const pipeline = d.compiled.pipeline!;
      d.bound ??= this.pipelines.group(d.compiled, uniforms, d.ranges);
      if (pipeline !== last) pass.setPipeline(pipeline);
      last = pipeline;
      pass.setBindGroup(0, d.bound, [d.offset]);
      pass.dispatchWorkgroups(...d.groups);
    }
    pass.end();
  }
}
