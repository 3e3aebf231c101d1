// The WebGPU device: a launch becomes a dispatch of a cached pipeline and bind group, a flush one encoder and one submit.
//
// Nothing here waits: everything goes through a queue in order, and only reads and `flush()` are promises. Errors of the
// GPU come late; they are thrown at the next wait.
import type {
  Buffer,
  Device,
  DeviceInfo,
  MemoryUse,
  Program,
  Recorder,
  Row,
  Storage,
  TypedData,
} from "../core/device.ts";
import { type DType, type HostArray, TYPES } from "../core/dtype.ts";
import { fail, noMore, WasmgradError } from "../core/error.ts";
import { readable } from "../core/fault.ts";
import { findGpu } from "../host/gpu.ts";
import { Arenas } from "../memory/arenas.ts";
import { keepUp } from "../memory/upkeep.ts";
import { type Losses, lasts } from "../program/behind.ts";
import { improve } from "../program/passes/index.ts";
import { recorder } from "../program/recorder.ts";
import { Batch, EAGER } from "./batch.ts";
import { listen } from "./events.ts";
import { FAULT_BYTES, Faults } from "./faults.ts";
import { readHalf, writeHalf } from "./half.ts";
import { isHalf, type Limits } from "./kernel.ts";
import { lib, registry } from "./kernels/index.ts";
import { type Block, GpuStorage, Memory } from "./memory.ts";
import { BLOCK, Pipelines, type Range } from "./pipelines.ts";
import { GpuProgram } from "./program.ts";
import { Queue } from "./queue.ts";
import { Reads } from "./reads.ts";
import { Staging } from "./staging.ts";

/** Rows after which a batch is submitted without anyone reading. */
const MOST_ROWS = 512;
/** Submits that may wait for the GPU before callers are asked to wait, and before work is refused. */
const [MOST_IN_FLIGHT, MOST_WAITING] = [16, 1 << 12];

export interface WebGpuOptions {
  /** The adapter to prefer: "high-performance" by default. */
  powerPreference?: GPUPowerPreference;
  /** A device that is there already. */
  gpu?: GPUDevice;
  debug?: boolean;
  deterministic?: boolean;
  /** Most GPU memory in bytes. */
  maximumMemory?: number;
}

export class WebGpuDevice implements Device {
  readonly type = "webgpu";
  readonly info: DeviceInfo;
  readonly canBlock = false;
  readonly float16: boolean;
  readonly gpu: GPUDevice;
  readonly memoryOf: Memory;
  readonly pipelines: Pipelines;
  readonly faults: Faults;
  readonly losses: Losses;
  under = 0;
  readonly untold = false;
  /** For tests. */
  readonly counters = { submits: 0, dispatches: 0 };
  readonly arenas = new Arenas<GpuStorage>(
    (bytes) => this.lasting(bytes, "captured program"),
    (storage) => this.free(storage),
  );
  failed: string | null = null;
  private readonly queue = new Queue();
  private readonly reads: Reads;
  private readonly deterministic: boolean;
  readonly debug: boolean;
  private readonly eagerUniforms: GpuStorage;
  private batch: Batch;
  private spare: Batch[] = [];
  private appended = 0;
  private submitted = 0;
  private readonly numbers: number[] = []; // of eager rows
  /** What went wrong since the last wait. */
  private pending: WasmgradError | null = null;
  private inFlight = 0;
  recorded: Row[] | null = null;

  private constructor(gpu: GPUDevice, info: DeviceInfo, limits: Limits, options: WebGpuOptions) {
    this.gpu = gpu;
    this.float16 = gpu.features.has("shader-f16");
    this.info = info;
    this.deterministic = options.deterministic ?? false;
    this.debug = options.debug ?? false;
    this.pipelines = new Pipelines(gpu, registry, lib, limits, (error) => this.fail(error.message));
    this.memoryOf = new Memory(gpu, options.maximumMemory ?? Number.POSITIVE_INFINITY, {
      dropped: (id) => this.pipelines.forget(id),
      settled: () => {
        this.submit();
        return this.queue.idle;
      },
    });
    this.faults = new Faults(this.memoryOf, (buffer) => {
      this.submit(); // what was launched is guarded yet
      this.upload({ buffer } as Block, new Int32Array(FAULT_BYTES / 4));
    });
    this.losses = this.faults.losses;
    this.reads = new Reads(new Staging(gpu), this.faults, {
      enqueue: (encode) => this.enqueue(() => [], encode),
      behind: (run) => this.queue.push({ waits: () => [], run }),
      appended: () => this.appended,
      trouble: () => (this.failed !== null ? this.broken() : this.takePending()),
      gone: () => this.lost(),
    });
    this.eagerUniforms = this.uniforms(MOST_ROWS);
    this.batch = new Batch(this.pipelines, this.faults.word, MOST_ROWS);
    listen(gpu, options.gpu === undefined, this);
  }

  static async create(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
    const { gpu, why, subgroups } = await findGpu(options.gpu, options.powerPreference ?? "high-performance");
    const { limits } = gpu;
    const cut: Limits = {
      bindings: limits.maxStorageBuffersPerShaderStage - 1,
      invocations: limits.maxComputeInvocationsPerWorkgroup,
      subgroups,
    };
    const info = { device: "webgpu", build: subgroups ? "wgsl, subgroups" : "wgsl", threads: 1, why };
    return new WebGpuDevice(gpu, info, cut, options);
  }

  get liveBytes(): number {
    return this.memoryOf.liveBytes;
  }

  /** Rows appended so far, and runs of programs. */
  get rowsBefore(): number {
    return this.appended;
  }

  get reservedBytes(): number {
    return this.memoryOf.reservedBytes;
  }

  get kernelNames(): string[] {
    return this.pipelines.names;
  }

  // ------------------------------------------------------------------------------------------------------ storages

  alloc(bytes: number, label: string, width = 4): Storage {
    this.check();
    if (this.recorded !== null) return this.placeholder(bytes, label, width);
    const block = this.memoryOf.allocate(bytes, label);
    this.memoryOf.book(bytes, 1);
    const storage = new GpuStorage(this, bytes, label, width, block);
    this.memoryOf.live.add(storage);
    return storage;
  }

  free(storage: Storage): void {
    const s = storage as GpuStorage;
    if (s.block === null) return;
    this.memoryOf.give(s.block);
    this.memoryOf.book(s.bytes, -1);
    this.memoryOf.live.delete(s);
    this.faults.forgetStorage(s.serial);
    s.block = null;
  }

  /** A storage without bytes: virtual ones, and the temporaries of a program. */
  placeholder(bytes: number, label = "result", width = 4): GpuStorage {
    return new GpuStorage(this, bytes, label, width, null);
  }

  /** A storage outside any recording. */
  lasting(bytes: number, label: string, width = 4): GpuStorage {
    const { recorded } = this;
    this.recorded = null;
    try {
      return this.alloc(bytes, label, width) as GpuStorage;
    } finally {
      this.recorded = recorded;
    }
  }

  /** Uniform blocks for so many rows. */
  uniforms(rows: number): GpuStorage {
    return new GpuStorage(this, rows * BLOCK, "uniforms", 4, this.memoryOf.uniforms(rows * BLOCK));
  }

  /** Behind the jobs that name them. */
  freeUniforms(storage: GpuStorage): void {
    const { block } = storage;
    storage.block = null;
    this.queue.push({ waits: () => [], run: () => this.memoryOf.destroy(block!) });
  }

  // ---------------------------------------------------------------------------------------------------------- rows

  launch(
    kernel: string,
    buffers: readonly Buffer[],
    outputs: number,
    extents: readonly number[],
    scalars: readonly number[],
    op: string,
  ): void {
    this.check();
    const row: Row = { kernel, buffers, outputs, extents, scalars, op };
    if (this.recorded !== null) {
      this.recorded.push(row);
      return;
    }
    const temporaries: GpuStorage[] = [];
    const make = (elements: number): GpuStorage => {
      const s = this.lasting(elements * 4, op);
      temporaries.push(s);
      return s;
    };
    for (const r of this.pipelines.expand(row, make)) this.append(r, row);
    // Later rows may have the bytes of a temporary: they run behind those that named it.
    for (const s of temporaries) this.free(s);
    if (this.debug) this.submit();
  }

  private append(row: Row, whole: Row): void {
    if (this.batch.full) this.submit();
    const written = row.buffers.slice(0, row.outputs).map((b) => b.storage);
    const inPlace = row.buffers.slice(row.outputs).some((b) => written.includes(b.storage));
    const number = this.faults.number(row, this.under);
    this.numbers.push(number);
    const word = this.faults.launched(row, whole, number, this.under, this.appended);
    if (word === null) return;
    this.batch.append(row, EAGER, inPlace || lasts(row), word);
    this.appended++;
    for (const b of row.buffers) (b.storage as GpuStorage).block!.last = this.appended;
  }

  expand(rows: readonly Row[], make: (elements: number) => Storage): Row[] {
    return rows.flatMap((r) => this.pipelines.expand(r, make));
  }

  /** The rows of a recorded program after the passes. */
  improve(rows: readonly Row[], isTemporary: (s: Storage) => boolean): readonly Row[] {
    return improve(rows, isTemporary, {
      deterministic: this.deterministic,
      has: (kernel) => this.pipelines.has(kernel),
    });
  }

  write(buffer: Buffer, data: ArrayLike<number>, dtype: DType): void {
    this.check();
    const storage = buffer.storage as GpuStorage;
    if (isHalf(storage)) {
      writeHalf(this, buffer, data);
      return;
    }
    storage.version++;
    const { array } = TYPES[dtype];
    if (storage.block!.last > this.submitted) this.submit();
    this.upload(storage.block!, data instanceof array ? data : new array(data), buffer.offset * storage.width);
  }

  /** Host data behind what was submitted. */
  upload(block: Block, words: HostArray, offset = 0): void {
    if (words.length === 0) return;
    const send = (source: HostArray): void =>
      this.gpu.queue.writeBuffer(block.buffer, offset, source as Float32Array<ArrayBuffer>);
    if (this.queue.idle) send(words);
    else {
      const kept = words.slice();
      this.queue.push({ waits: () => [], run: () => send(kept) });
    }
  }

  /** A program has been handed over: it counts as a row, so that its faults are told from those before it. */
  ran(): void {
    this.submitted = ++this.appended;
  }

  /** Hands over what was appended. */
  submit(): void {
    const { batch } = this;
    this.submitted = this.appended;
    if (batch.dispatches.length === 0) return;
    this.batch = this.spare.pop() ?? new Batch(this.pipelines, this.faults.word, MOST_ROWS);
    const { block } = this.eagerUniforms;
    const uniforms: Range = { buffer: block!.buffer, id: block!.id, offset: 0, size: BLOCK };
    this.enqueue(
      () => batch.waits(),
      (encoder) => {
        const words = batch.words.subarray(0, (batch.dispatches.length * BLOCK) / 4);
        this.gpu.queue.writeBuffer(block!.buffer, 0, words);
        batch.encode(encoder, uniforms);
        this.counters.dispatches += batch.dispatches.length;
        batch.dispatches.length = 0;
        this.spare.push(batch);
      },
    );
    this.faults.trim(this.numbers);
  }

  /** One encoder and one submit, in order, when what it waits for is there. */
  enqueue(waits: () => readonly Promise<void>[], encode: (encoder: GPUCommandEncoder) => void): void {
    this.check();
    if (this.inFlight >= MOST_WAITING) {
      fail(
        "webgpu",
        `${this.inFlight} programs wait for the GPU: at most ${MOST_WAITING} may, await something in the loop`,
      );
    }
    this.queue.push({
      waits,
      run: () => {
        if (this.failed !== null) return;
        this.gpu.pushErrorScope("validation");
        this.gpu.pushErrorScope("out-of-memory");
        const encoder = this.gpu.createCommandEncoder();
        encode(encoder);
        this.gpu.queue.submit([encoder.finish()]);
        this.counters.submits++;
        this.inFlight++;
        for (let i = 0; i < 2; i++) {
          this.gpu.popErrorScope().then(
            (error) => error !== null && this.report(error),
            () => {},
          );
        }
        this.gpu.queue.onSubmittedWorkDone().then(
          () => this.inFlight--,
          () => {},
        );
      },
    });
  }

  // --------------------------------------------------------------------------------------------------------- waits

  async read(buffer: Buffer, count: number, dtype: DType): Promise<TypedData> {
    this.check();
    const { storage } = buffer;
    const { block, width } = storage as GpuStorage;
    if (isHalf(storage)) return readHalf(this, buffer, count);
    this.submit();
    try {
      const bytes = await this.reads.take(block!.buffer, buffer.offset * width, count * width);
      readable(storage);
      return new TYPES[dtype].array(bytes, 0, count);
    } finally {
      await this.upkeep();
    }
  }

  readSync(): TypedData {
    return fail("readSync", "a GPU cannot be waited for: use await data() or item()");
  }

  async flush(...none: []): Promise<void> {
    noMore("flush", none);
    this.check();
    this.submit();
    try {
      await this.reads.take(this.faults.word.buffer, 0, 0);
    } finally {
      await this.upkeep();
    }
  }

  flushSync(): void {
    this.check();
    this.submit();
  }

  async handOver(): Promise<void> {
    this.flushSync();
    await this.upkeep();
  }

  upkeep(): Promise<void> | null {
    return keepUp(this.memoryOf) ?? this.pace();
  }

  /** When the GPU is far behind: a promise for when it has caught up. */
  private pace(): Promise<void> | null {
    if (this.inFlight <= MOST_IN_FLIGHT || this.failed !== null) return null;
    return this.gpu.queue.onSubmittedWorkDone().then(
      () => {},
      () => {},
    );
  }

  private takePending(): WasmgradError | null {
    const { pending } = this;
    this.pending = null;
    return pending;
  }

  /** An error of the GPU's own: after it what was computed is not to be trusted. */
  report(error: GPUError): void {
    const what = error.constructor.name === "GPUOutOfMemoryError" ? "GPU memory has run out" : "the GPU refused work";
    this.fail(`${what}: ${error.message}`);
  }

  // ---------------------------------------------------------------------------------------------------- recordings

  record(): Recorder {
    this.check();
    return recorder(this);
  }

  program(rows: readonly Row[], ...ends: Parameters<Recorder["finish"]>): Program {
    return new GpuProgram(this, rows, ...ends);
  }

  // ---------------------------------------------------------------------------------------------------------- state

  memory(...none: []): MemoryUse {
    noMore("memory", none);
    return this.memoryOf.use();
  }

  async dispose(...none: []): Promise<void> {
    noMore("dispose", none);
    if (this.failed === null) this.fail("it was disposed of");
    // A driver may still be compiling or running what it would lose.
    await this.pipelines.settled();
    await this.gpu.queue.onSubmittedWorkDone().catch(() => {});
    this.gpu.destroy();
  }

  fail(reason: string): void {
    if (this.failed !== null) return;
    this.failed = reason;
    this.queue.clear();
    this.reads.reject(this.broken());
  }

  private check(): void {
    if (this.failed !== null) throw this.broken();
  }

  private lost(): WasmgradError {
    this.fail("the GPU device was lost");
    return this.broken();
  }

  private broken(): WasmgradError {
    return new WasmgradError(`webgpu device: ${this.failed}: it takes no more work, \`await init()\` makes a new one`);
  }
}
