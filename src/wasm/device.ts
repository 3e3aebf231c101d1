// The wasm device: rows go into a script in shared memory, and a flush lets all threads walk it.
//
// Where the host may block, thread 0 is the host's own thread. When it has waited too long at a barrier it comes back from wasm
// ("stalled"): an awaited flush then lets the event loop learn of a worker's death, a synchronous one judges by time.
import type { Buffer, Device, DeviceInfo, MemoryUse, Program, Row, Storage, TypedData } from "../core/device.ts";
import type { DType } from "../core/dtype.ts";
import { fail, WasmgradError } from "../core/error.ts";
import { canBlock, collector } from "../host/probe.ts";
import { faultMessage } from "../program/fault.ts";
import { improve } from "../program/passes/index.ts";
import {
  COUNTERS,
  FAULT_CLAIM,
  FAULT_INDEX,
  FAULT_ROW,
  FAULT_VALUE,
  MAX_THREADS,
  SCRATCH_BASE,
  SCRATCH_BYTES,
  SHARE_BEGAN,
} from "./control.ts";
import {
  type Build,
  chooseBuild,
  compile,
  type Exports,
  FIRST_KERNEL,
  HEAP_BASE,
  instantiateOn,
  kernelNames,
} from "./load.ts";
import { Memory, WasmStorage } from "./memory.ts";
import { chooseThreads, Pool } from "./pool.ts";
import { WasmProgram } from "./program.ts";
import { addressOf, decode, type Kernel, kernel, Script } from "./script.ts";

/** Rows after which a script is handed over without anyone reading. */
const MOST_ROWS = 512;
const SCRIPT_BYTES = 1 << 18;
/** A barrier may last this long, or this many times thread 0's own share of the row. */
const PATIENCE_MS = 2000;
const PATIENCE_SHARES = 8;

export interface WasmOptions {
  /** The build: `relaxed` (fused multiply-add) where the host has it, else `simd`. */
  simd?: Build;
  /** Threads, this one included. The host's parallelism by default. */
  threads?: number;
  /** Run and check each op before the call returns. */
  debug?: boolean;
  /** Captured steps equal eager ones bit for bit: only passes that keep the bits improve a program. */
  deterministic?: boolean;
  /** Most memory in bytes, up to 4 GiB. */
  maximumMemory?: number;
  /** Where the wasm file is, when not beside the script. */
  wasm?: string | URL;
}

/** A script that the threads walk, and the rows of a captured program for messages. */
interface Run {
  readonly script: Script;
  readonly rows: readonly Row[] | null;
  readonly nth: number;
  /** The row before which thread 0 waits; 0 behind the last. */
  stalledAt: number;
  stalledSince: number;
  readonly after: (() => void)[];
}

export class WasmDevice implements Device {
  readonly type = "wasm";
  readonly info: DeviceInfo;
  readonly canBlock = canBlock();
  readonly memoryOf: Memory;
  /** For tests and benchmarks: rows appended, scripts run, rows run. */
  readonly counters = { appended: 0, runs: 0, rows: 0, allocations: 0 };
  failed: string | null = null;
  private readonly exports: Exports;
  private readonly pool: Pool;
  private readonly kernels: Map<string, Kernel>;
  private readonly names: readonly string[];
  private readonly debug: boolean;
  private readonly deterministic: boolean;
  /** Rows go into one script while the other may still be walked. */
  private scripts: [Script, Script];
  private ops: string[] = [];
  private running: Run | null = null;
  /** Serials of rows: appended, and run. */
  private appended = 0;
  private executed = 0;
  private fault: WasmgradError | null = null;
  /** After a failure: addresses that unfinished rows write. */
  private torn: number[] | null = null;
  private recorded: Row[] | null = null;
  private suspended = false;
  private arenas: { storage: WasmStorage; users: number }[] = [];

  private constructor(
    exports: Exports,
    memory: Memory,
    names: readonly string[],
    pool: Pool,
    info: DeviceInfo,
    options: WasmOptions,
    scripts: [Script, Script],
  ) {
    this.exports = exports;
    this.memoryOf = memory;
    this.names = names;
    this.kernels = new Map(names.map((name, i) => [name, kernel(name, i + FIRST_KERNEL)]));
    this.pool = pool;
    this.info = info;
    this.debug = options.debug ?? false;
    this.deterministic = options.deterministic ?? false;
    this.scripts = scripts;
  }

  static async create(options: WasmOptions = {}): Promise<{ device: WasmDevice; collect: () => void }> {
    const { threads: wanted, maximumMemory = 2 ** 32 } = options;
    if (wanted !== undefined && (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_THREADS)) {
      fail("init", `threads ${wanted}: an integer from 1 to ${MAX_THREADS} is expected`);
    }
    if (!(maximumMemory > 0)) fail("init", `maximumMemory ${maximumMemory}: a positive number of bytes is expected`);
    const { build, why } = await chooseBuild(options.simd);
    const { threads, why: whyThreads } = await chooseThreads(wanted);
    const module = await compile(build, options.wasm);
    const memory = new Memory(HEAP_BASE, maximumMemory);
    const names = kernelNames(module);
    const exports = await instantiateOn(module, memory.memory, names);
    const needed = 2 * SCRIPT_BYTES + threads * SCRATCH_BYTES;
    const place = (bytes: number): number =>
      memory.allocate(bytes)?.address ??
      fail("init", `${memory.maximum} bytes of memory: ${threads} threads alone must have ${needed + HEAP_BASE}`);
    const scripts: [Script, Script] = [new Script(), new Script()];
    for (const s of scripts) s.place(place(SCRIPT_BYTES), SCRIPT_BYTES);
    memory.i32[SCRATCH_BASE >> 2] = place(threads * SCRATCH_BYTES);
    const pool = new Pool(memory.i32, threads);
    const info = { device: "wasm", build, threads, why: `build: ${why}; threads: ${whyThreads}` };
    const device = new WasmDevice(exports, memory, names, pool, info, options, scripts);
    await pool.start(module, memory.memory, names, (reason) => device.fail(reason));
    return { device, collect: await collector() };
  }

  get liveBytes(): number {
    return this.memoryOf.liveBytes;
  }

  kernel(name: string): Kernel {
    return this.kernels.get(name) ?? fail("launch", `kernel ${name}: the wasm device has no such kernel`);
  }

  // ------------------------------------------------------------------------------------------------------ storages

  alloc(bytes: number, label: string): Storage {
    this.check();
    if (this.recorded !== null && !this.suspended) return new WasmStorage(this, bytes, label, null);
    let block = this.memoryOf.allocate(bytes);
    if (block === null) {
      this.flushSync();
      block = this.memoryOf.allocate(bytes) ?? this.memoryOf.exhausted(label, bytes);
    }
    this.counters.allocations++;
    this.memoryOf.account(label, bytes, 1);
    return new WasmStorage(this, bytes, label, block);
  }

  /** A storage that the host writes at once: rows that still name its block run first. */
  allocForHost(bytes: number, label: string): WasmStorage {
    const storage = this.alloc(bytes, label) as WasmStorage;
    if (storage.block!.last > this.executed) this.flushSync();
    return storage;
  }

  free(storage: Storage): void {
    const s = storage as WasmStorage;
    if (s.block === null) return;
    this.memoryOf.give(s.block);
    this.memoryOf.account(s.label, s.bytes, -1);
    s.block = null;
  }

  /** The rows of a recorded program after the passes. */
  improve(rows: readonly Row[], isTemporary: (s: Storage) => boolean): readonly Row[] {
    return improve(rows, isTemporary, (kernel) => this.kernels.has(kernel), this.deterministic);
  }

  /** A storage without bytes, for the results of a program. */
  placeholder(bytes: number): WasmStorage {
    return new WasmStorage(this, bytes, "result", null);
  }

  /** Bytes for a program's temporaries. Programs share them: only state and results outlive a run. */
  arena(bytes: number): WasmStorage {
    let found = this.arenas.find((a) => a.storage.bytes >= bytes);
    if (found === undefined) {
      found = { storage: this.alloc(bytes, "captured program") as WasmStorage, users: 0 };
      this.arenas.push(found);
    }
    found.users++;
    return found.storage;
  }

  releaseArena(storage: WasmStorage): void {
    const found = this.arenas.find((a) => a.storage === storage)!;
    if (--found.users > 0) return;
    this.arenas = this.arenas.filter((a) => a !== found);
    this.free(storage);
  }

  // ---------------------------------------------------------------------------------------------------------- rows

  launch(
    name: string,
    buffers: readonly Buffer[],
    outputs: number,
    extents: readonly number[],
    scalars: readonly number[],
    op: string,
  ): void {
    this.check();
    if (this.recorded !== null && !this.suspended) {
      this.recorded.push({ kernel: name, buffers, outputs, extents, scalars, op });
      return;
    }
    const k = this.kernel(name);
    let script = this.scripts[0];
    const words = Script.words(buffers.length, extents.length, scalars.length);
    if (script.rows >= MOST_ROWS || !script.fits(words)) {
      this.flushSync();
      script = this.scripts[0];
    }
    script.append(this.memoryOf, k, buffers, outputs, addressOf, extents, scalars, this.info.threads);
    this.ops.push(op);
    this.appended++;
    this.counters.appended++;
    for (let i = 0; i < buffers.length; i++) (buffers[i]!.storage as WasmStorage).block!.last = this.appended;
    if (this.debug) this.flushSync();
  }

  write(buffer: Buffer, data: TypedData): void {
    this.check();
    const storage = buffer.storage as WasmStorage;
    if (storage.block!.last > this.executed) this.flushSync();
    storage.version++;
    const view = data instanceof Int32Array ? this.memoryOf.i32 : this.memoryOf.f32;
    view.set(data, addressOf(buffer) >>> 2);
  }

  async read(buffer: Buffer, count: number, dtype: DType): Promise<TypedData> {
    if (this.untouched(buffer)) return this.slice(buffer, count, dtype);
    this.check();
    if (this.running !== null) this.finishSync();
    const storage = buffer.storage as WasmStorage;
    storage.holders++;
    try {
      this.submit();
      if (this.running === null) return this.copy(buffer, count, dtype);
      let data: TypedData | undefined;
      (this.running as Run).after.push(() => {
        data = this.copy(buffer, count, dtype);
      });
      await this.drain();
      this.throwFault();
      return data!;
    } finally {
      if (--storage.holders === 0) this.free(storage);
    }
  }

  readSync(buffer: Buffer, count: number, dtype: DType): TypedData {
    if (this.untouched(buffer)) return this.slice(buffer, count, dtype);
    this.flushSync();
    return this.slice(buffer, count, dtype);
  }

  private copy(buffer: Buffer, count: number, dtype: DType): TypedData {
    this.throwFault();
    return this.slice(buffer, count, dtype);
  }

  /** After a failure, what no row was about to write can still be read. */
  private untouched(buffer: Buffer): boolean {
    if (this.torn === null) return false;
    const { address, size } = (buffer.storage as WasmStorage).block!;
    return !this.torn.some((a) => a >= address && a < address + size);
  }

  /** A copy that shares nothing. */
  private slice(buffer: Buffer, count: number, dtype: DType): TypedData {
    const first = addressOf(buffer) / 4;
    const view = dtype === "float32" ? this.memoryOf.f32 : this.memoryOf.i32;
    return view.slice(first, first + count);
  }

  // --------------------------------------------------------------------------------------------------------- flush

  async flush(): Promise<void> {
    this.check();
    if (this.running !== null) this.finishSync();
    this.submit();
    if (this.running !== null) await this.drain();
    this.throwFault();
  }

  flushSync(): void {
    this.check();
    if (this.running !== null) this.finishSync();
    this.submit();
    if (this.running !== null) this.finishSync();
    this.throwFault();
  }

  /** Runs a captured program's script now. */
  execute(script: Script, rows: readonly Row[]): void {
    this.begin(script, rows);
    if (this.running !== null) this.finishSync();
    this.throwFault();
  }

  /** Lets the threads walk what was appended. */
  private submit(): void {
    const [script, other] = this.scripts;
    if (script.rows === 0) return;
    this.scripts = [other, script];
    other.clear();
    if (this.fault !== null) {
      this.ops = [];
      this.executed = this.appended;
      return;
    }
    const serial = this.appended;
    this.begin(script, null, () => {
      this.executed = serial;
    });
  }

  private begin(script: Script, rows: readonly Row[] | null, after: () => void = () => {}): void {
    this.check();
    const nth = script.parallel ? this.pool.ready() : 1;
    const run: Run = { script, rows, nth, stalledAt: -1, stalledSince: 0, after: [after] };
    this.counters.runs++;
    this.counters.rows += script.rows;
    this.running = run;
    if (nth > 1) this.exports.start(script.address, script.limit, nth);
    this.walk(run, script.address, false);
  }

  /** Thread 0's walk, up to the end or to a barrier where the others are late. */
  private walk(run: Run, row: number, again: boolean): void {
    let stopped: number;
    try {
      stopped = this.exports.walk(row, run.script.limit, 0, run.nth, again ? 1 : 0) >>> 0;
    } catch (error) {
      this.fail(`thread 0 trapped: ${(error as Error).message}`);
      this.check();
      throw error;
    }
    if (stopped === run.script.limit) this.completed(run);
    else {
      if (run.stalledAt !== stopped) run.stalledSince = performance.now();
      run.stalledAt = stopped;
    }
  }

  private completed(run: Run): void {
    this.running = null;
    const words = this.memoryOf.u32;
    const row = words[FAULT_ROW >> 2]!;
    if (row !== 0) {
      this.fault = this.describeFault(run, row);
      for (const word of [FAULT_INDEX, FAULT_VALUE, FAULT_ROW, FAULT_CLAIM]) words[word >> 2] = 0;
    }
    if (run.rows === null) this.ops = [];
    for (const f of run.after) f();
  }

  private describeFault(run: Run, args: number): WasmgradError {
    const { u32, i32 } = this.memoryOf;
    const rows = decode(this.memoryOf, run.script.address, run.script.limit);
    const n = rows.findIndex((r) => r.args === args);
    const { kernel: index, extents } = rows[n]!;
    const name = this.names[index - FIRST_KERNEL]!;
    const op = (run.rows === null ? this.ops[n] : run.rows[n]?.op) ?? name;
    return new WasmgradError(faultMessage(name, op, extents, u32[FAULT_INDEX >> 2]!, i32[FAULT_VALUE >> 2]!));
  }

  /** Waits for a stalled run without blocking: the event loop may learn that a worker is gone. */
  private async drain(): Promise<void> {
    while (this.running !== null) {
      const run = this.running;
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (this.running !== run) continue;
      this.judge(run, false);
      this.walk(run, run.stalledAt, true);
    }
    this.check();
  }

  private finishSync(): void {
    while (this.running !== null) {
      const run = this.running;
      this.judge(run, true);
      this.walk(run, run.stalledAt, true);
    }
  }

  /** Throws when the others will not come: one trapped, died, or is later than patience allows. */
  private judge(run: Run, byTime: boolean): void {
    const trapped = this.exports.trapped();
    if (trapped !== 0 && this.failed === null) this.fail(`worker ${trapped - 1} trapped`);
    if (byTime && this.failed === null) {
      const share = run.stalledSince - this.shareBegan();
      const waited = performance.now() - run.stalledSince;
      if (waited > Math.max(PATIENCE_MS, PATIENCE_SHARES * share)) {
        this.fail(`a worker did not come to the barrier within ${(waited / 1000).toFixed(1)} s: it has died or hangs`);
      }
    }
    this.check();
  }

  /** When thread 0 began its share of the row at hand. */
  private shareBegan(): number {
    return new Float64Array(this.memoryOf.memory.buffer, SHARE_BEGAN, 1)[0]!;
  }

  private throwFault(): void {
    this.check();
    const fault = this.fault;
    this.fault = null;
    if (fault !== null) throw fault;
  }

  // ---------------------------------------------------------------------------------------------------- recordings

  record(): void {
    this.check();
    this.recorded = [];
  }

  suspend(on: boolean): void {
    this.suspended = on;
  }

  bind(storage: Storage, target: Storage | null): Storage {
    const virtual = storage as WasmStorage;
    this.suspended = true;
    try {
      virtual.alias = (target ?? this.alloc(storage.bytes, storage.label)) as WasmStorage;
    } finally {
      this.suspended = false;
    }
    return virtual.alias;
  }

  finish(inputs: readonly Buffer[], outputs: readonly { buffer: Buffer; count: number }[]): Program {
    const rows = this.recorded!;
    this.recorded = null;
    return new WasmProgram(this, rows, inputs, outputs);
  }

  abandon(): void {
    this.recorded = null;
    this.suspended = false;
  }

  // ---------------------------------------------------------------------------------------------------------- state

  /** Units of work that each thread has done in parallel rows. */
  workByThread(): number[] {
    const counters = new Float64Array(this.memoryOf.memory.buffer, COUNTERS, this.info.threads * 8);
    return Array.from({ length: this.info.threads }, (_, i) => counters[i * 8]!);
  }

  /** Threads that walk now. */
  get ready(): number {
    return this.pool.ready();
  }

  memory(): MemoryUse {
    return this.memoryOf.use();
  }

  async dispose(): Promise<void> {
    if (this.failed === null) this.fail("it was disposed of");
  }

  private fail(reason: string): void {
    if (this.failed !== null) return;
    this.failed = reason;
    this.pool.end();
    const scripts = [this.scripts[0], ...(this.running === null ? [] : [this.running.script])];
    this.torn = scripts.flatMap((script) =>
      decode(this.memoryOf, script.address, script.limit).flatMap((r) => r.outputs),
    );
    this.running = null;
  }

  /** Refuses work in the broken state. */
  private check(): void {
    if (this.failed === null) return;
    throw new WasmgradError(`wasm device: ${this.failed}: it takes no more work, \`await init()\` makes a new one`);
  }
}
