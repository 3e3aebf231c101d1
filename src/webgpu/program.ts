// A recorded program on the GPU: its dispatches made ready once. A run encodes them between the copies of inputs and
// results, and submits once; it makes no buffer, bind group or pipeline.
import { type Buffer, elementsOf, type Program, type Row, type Storage } from "../core/device.ts";
import { fail } from "../core/error.ts";
import { readable } from "../core/fault.ts";
import { outsides } from "../program/behind.ts";
import { chains } from "../program/passes/chains.ts";
import { plan } from "../program/plan.ts";
import { COPY } from "../row/movers.ts";
import { Batch } from "./batch.ts";
import type { WebGpuDevice } from "./device.ts";
import { bitsOfRows, Faults } from "./faults.ts";
import type { Block, GpuStorage } from "./memory.ts";
import { BLOCK, type Range } from "./pipelines.ts";

/** Storage bindings begin at multiples of this (the most that WebGPU lets a device ask for). */
const ALIGN = 256;

/** Copies of buffers begin and end at words. */
const words = (bytes: number): number => Math.ceil(bytes / 4) * 4;
const offWord = ({ storage, offset }: Buffer): boolean => (storage.width * offset) % 4 !== 0;

interface Copy {
  readonly slot: number;
  readonly block: Block;
  readonly offset: number;
  readonly bytes: number;
}

export class GpuProgram implements Program {
  readonly rows: readonly Row[];
  private readonly device: WebGpuDevice;
  private readonly batch: Batch;
  private readonly uniforms: GpuStorage;
  private readonly owned: GpuStorage[] = [];
  private arena: GpuStorage | null = null;
  private readonly inputs: Copy[] = [];
  private readonly outputs: Copy[] = [];
  /** Lasting storages that the rows write. */
  private readonly written: readonly GpuStorage[];
  private readonly numbers: number[] = [];
  /** By which its rows may fault. */
  private readonly bits: number;
  /** Storages from outside that each run makes anew, and those that it reads. */
  private readonly made: readonly GpuStorage[];
  private readonly read: readonly GpuStorage[];

  constructor(
    device: WebGpuDevice,
    rows: readonly Row[],
    inputs: readonly Buffer[],
    outputs: readonly { buffer: Buffer; count: number }[],
  ) {
    this.device = device;
    this.rows = rows;
    const real = (s: Storage): GpuStorage => (s.alias ?? s) as GpuStorage;
    const own = (s: Storage, label: string): Block => {
      const kept = device.lasting(s.bytes, label);
      this.owned.push(kept);
      return kept.block!;
    };
    /** Inputs have a buffer of their own; so have results that are temporaries. */
    const homes = new Map<Storage, Block>();
    inputs.forEach(({ storage }, slot) => {
      const block = own(storage, "captured input");
      homes.set(storage, block);
      this.inputs.push({ slot, block, offset: 0, bytes: words(storage.bytes) });
    });
    const copyTo = (storage: Storage, from: Buffer, count: number): Row => {
      const buffers = [{ storage, offset: 0 }, from];
      return { kernel: COPY[storage.width]!, buffers, outputs: 1, extents: [count], scalars: [], op: "capture" };
    };
    const shifted: Row[] = [];
    outputs.forEach(({ buffer: result, count }, slot) => {
      let buffer = result;
      if (offWord(result)) {
        buffer = {
          storage: device.placeholder(count * result.storage.width, "captured result", result.storage.width),
          offset: 0,
        };
        shifted.push(copyTo(buffer.storage, result, count));
      }
      const s = real(buffer.storage);
      let block = s.block ?? homes.get(s);
      if (block === undefined) {
        block = own(s, "captured result");
        homes.set(s, block);
      }
      this.outputs.push({ slot, block, offset: buffer.offset * s.width, bytes: words(count * s.width) });
    });
    const temporary = (s: Storage): boolean => real(s).virtual && !homes.has(real(s)) && !homes.has(s);
    // Passes must see that results are read at the end; the copies themselves are the encoder's.
    const copies = outputs.map(({ buffer, count }) => {
      const { bytes, width } = buffer.storage;
      return copyTo(device.placeholder(bytes, "result", width), buffer, count);
    });
    const improved = device.improve([...rows, ...shifted, ...copies], temporary).filter((r) => !copies.includes(r));
    const plain = device.expand(improved, (elements) => device.placeholder(elements * 4));
    const encoded = chains(plain, {
      isTemporary: temporary,
      isInput: () => false, // inputs are copied before anything runs
      ...{ index: () => 0, least: 0, pieces: null, kernels: device.pipelines.pieces },
    });
    const { offsets, bytes } = plan(encoded, temporary, null, ALIGN);
    if (bytes > 0) this.arena = device.arenas.take(bytes);
    this.uniforms = device.uniforms(Math.max(1, encoded.length));
    this.batch = new Batch(device.pipelines, device.faults.word, encoded.length);
    const written = new Set<GpuStorage>();
    const whole = (b: Block): Range => ({ buffer: b.buffer, id: b.id, offset: 0, size: b.size });
    const place = {
      range: (storage: Storage): Range => {
        const s = real(storage);
        const block = s.block ?? homes.get(s);
        if (block != null) return whole(block);
        const { buffer, id } = this.arena!.block!;
        const size = Math.max(16, Math.ceil(s.bytes / 16) * 16);
        return { buffer, id, offset: offsets.get(s)!, size };
      },
      offset: (b: Buffer): number => b.offset,
    };
    for (const r of encoded) {
      let lasting = false;
      for (let i = 0; i < r.outputs; i++) {
        const s = real(r.buffers[i]!.storage);
        if (s.virtual) continue;
        written.add(s);
        lasting = true;
      }
      const number = device.faults.number(r);
      this.numbers.push(number);
      this.batch.append(r, place, lasting, Faults.wordOf(r, number));
    }
    this.bits = bitsOfRows(encoded, this.numbers);
    const { made, read } = outsides(plain, real);
    this.made = made;
    this.read = read;
    this.written = [...written];
    device.upload(this.uniforms.block!, this.batch.words);
  }

  run(given: readonly Buffer[], outputs: readonly Buffer[]): void {
    // Inputs are copied before anything runs: what the rows write would not be seen in them.
    given.forEach(({ storage }, i) => {
      if (this.written.includes(storage as GpuStorage))
        fail("capture", `argument ${i + 1} is written by the function itself: on webgpu clone() of it is expected`);
    });
    this.note(given, outputs);
    const dense: GpuStorage[] = [];
    const inputs = given.map((b) => {
      if (!offWord(b)) return b;
      const storage = this.device.lasting(b.storage.bytes, "captured input", b.storage.width);
      const count = elementsOf(b.storage) - b.offset;
      this.device.launch(COPY[storage.width]!, [{ storage, offset: 0 }, b], 1, [count], [], "capture");
      dense.push(storage);
      return { storage, offset: 0 };
    });
    // Rows that were launched before it run before it.
    this.device.submit();
    for (const s of this.written) s.version++;
    const { block } = this.uniforms;
    const uniforms: Range = { buffer: block!.buffer, id: block!.id, offset: 0, size: BLOCK };
    // Where inputs and results lie is looked up now: they may be released before the job has run.
    const from = this.inputs.map((c) => ({
      c,
      b: inputs[c.slot]!,
      at: (inputs[c.slot]!.storage as GpuStorage).block!,
    }));
    const to = this.outputs.map((c) => ({ c, at: (outputs[c.slot]!.storage as GpuStorage).block! }));
    this.device.enqueue(
      () => this.batch.waits(),
      (encoder) => {
        for (const { c, b, at } of from)
          copy(encoder, at.buffer, b.offset * b.storage.width, c.block.buffer, 0, c.bytes);
        this.batch.encode(encoder, uniforms);
        for (const { c, at } of to) copy(encoder, c.block.buffer, c.offset, at.buffer, 0, c.bytes);
      },
    );
    this.device.ran();
    for (const s of dense) this.device.free(s);
  }

  /** What a run may lose; throws where what it needs is lost. */
  private note(given: readonly Buffer[], outputs: readonly Buffer[]): void {
    const { faults, rowsBefore } = this.device;
    const needed = [...given.map(({ storage }) => storage), ...this.read];
    for (const s of needed) readable(s);
    const bits = needed.reduce((all, s) => all | faults.bitsOf(s.serial), this.bits);
    for (const { serial } of [...this.made, ...outputs.map(({ storage }) => storage)]) {
      faults.forgetStorage(serial);
      if (bits !== 0) faults.note(serial, bits, 0, rowsBefore);
    }
  }

  dispose(): void {
    for (const s of this.owned) this.device.free(s);
    this.device.freeUniforms(this.uniforms);
    if (this.arena !== null) this.device.arenas.release(this.arena);
    this.arena = null;
    this.device.faults.forget(this.numbers);
  }
}

function copy(
  encoder: GPUCommandEncoder,
  from: GPUBuffer,
  fromOffset: number,
  to: GPUBuffer,
  toOffset: number,
  bytes: number,
): void {
  if (bytes > 0) encoder.copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
}
