// The wasm device: rows go into a script in shared memory, and a flush lets all threads walk it.
//
// Where the host may block, thread 0 is the host's own thread: runner.ts has its walk.
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
import { canBlock } from "../host/probe.ts";
import { Arenas } from "../memory/arenas.ts";
import { keepUp } from "../memory/upkeep.ts";
import { Losses } from "../program/behind.ts";
import { choiceOf, launchChosen } from "../program/choices.ts";
import { CHAIN } from "../program/passes/chain.ts";
import { improve } from "../program/passes/index.ts";
import { recorder } from "../program/recorder.ts";
import { denseOf } from "../row/nest.ts";
import { COUNTERS } from "./control.ts";
import { makeParts, type Parts } from "./create.ts";
import { Launched, type Recorded } from "./launched.ts";
import { FIRST_KERNEL } from "./load.ts";
import { type Memory, WasmStorage } from "./memory.ts";
import type { PiecesOnDemand } from "./ondemand.ts";
import type { WasmOptions } from "./options.ts";
import { WasmProgram } from "./program.ts";
import { Runner } from "./runner.ts";
import { addressOf, decode, isParallel, kernel, nameOf, Script, type WasmKernel } from "./script.ts";
import type { Threads } from "./threads.ts";

/** Rows after which a script is handed over without anyone reading. */
const MOST_ROWS = 512;
/** More losses than that are looked at once in so many submits. */
const FEW_LOSSES = 32;
const SELDOM = 256;

export class WasmDevice implements Device {
  readonly type = "wasm";
  info: DeviceInfo;
  readonly canBlock = canBlock();
  readonly float16 = false;
  readonly memoryOf: Memory;
  /** For tests and benchmarks: blocks handed out, rows run. */
  readonly counters = { allocations: 0, rows: 0, threads: 0 };
  readonly deterministic: boolean;
  readonly arenas = new Arenas<WasmStorage>(
    (bytes) => this.alloc(bytes, "captured program") as WasmStorage,
    (storage) => this.free(storage),
  );
  failed: string | null = null;
  readonly #names: readonly string[];
  readonly pool: Threads;
  #runner: Runner;
  /** Place in the function table of each export. */
  readonly #indices: ReadonlyMap<string, number>;
  /** Made when first asked for. */
  readonly #kernels = new Map<string, WasmKernel>();
  readonly debug: boolean;
  /** Rows go into one script while the other may still be walked. */
  #scripts: [Script, Script];
  /** What rows are of, a list a script. */
  #launched: [Launched, Launched];
  /** Serials of rows: appended, and run. */
  #appended = 0;
  readonly losses = new Losses();
  /** Submits since it was last looked whether what was lost still lives. */
  #unforgotten = 0;
  under = 0;
  #executed = 0;
  /** After a failure: addresses that unfinished rows write. */
  #torn: number[] | null = null;
  recorded: Row[] | null = null;

  /** Kernels made of parts of chains. */
  readonly pieces: PiecesOnDemand;

  private constructor(parts: Parts, options: WasmOptions) {
    const { exports, memory, names, pool, info, scripts } = parts;
    this.memoryOf = memory;
    this.#names = names;
    this.#indices = new Map(names.map((name, i) => [name, i + FIRST_KERNEL]));
    this.pool = pool;
    this.info = info;
    this.debug = options.debug ?? false;
    this.deterministic = options.deterministic ?? false;
    this.pieces = parts.pieces;
    this.#scripts = scripts;
    const launched = (): Launched =>
      new Launched(
        this.losses,
        (row) => nameOf(row, names),
        (...at) => memory.bytesFrom(...at),
      );
    this.#launched = [launched(), launched()];
    this.#runner = new Runner(exports, memory, pool, names, this.losses, {
      counters: this.counters,
      check: () => this.#check(),
      fail: (reason) => {
        this.fail(reason);
        throw this.broken();
      },
    });
  }

  static async create(options: WasmOptions = {}): Promise<WasmDevice> {
    // Workers keep what they report to: no closure here may hold the device itself.
    let me: WeakRef<WasmDevice> | undefined;
    const parts = await makeParts(options, {
      lost: (reason) => me?.deref()?.fail(reason),
      fewer: (...said) => me?.deref()?.goOnWith(...said),
    });
    const device = new WasmDevice(parts, options);
    me = new WeakRef(device);
    await parts.start(device);
    return device;
  }

  get liveBytes(): number {
    return this.memoryOf.liveBytes;
  }

  get reservedBytes(): number {
    return this.memoryOf.reservedBytes;
  }

  kernel(name: string): WasmKernel {
    return this.#find(name) ?? fail("launch", `kernel ${name}: wasm has none`);
  }

  #find(name: string): WasmKernel | undefined {
    const found = this.#kernels.get(name);
    if (found !== undefined) return found;
    const dense = denseOf(name);
    let index = this.#indices.get(dense);
    if (index === undefined) return undefined;
    if (dense !== name) index = this.#indices.get("walk_f32")! | (index << 16);
    const made = kernel(name, index, this.deterministic ? null : choiceOf(name));
    this.#kernels.set(name, made);
    return made;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  replaces(row: Row): boolean {
    return this.chosen(row, () => row.buffers[0]!.storage)?.every((r) => r.kernel !== row.kernel) ?? false;
  }

  /** The rows that stand for this one on this device; null for itself. */
  chosen(row: Row, make: (bytes: number) => Storage): readonly Row[] | null {
    const { choice } = this.kernel(row.kernel);
    return choice === null ? null : choice(row, make);
  }

  // ------------------------------------------------------------------------------------------------------ storages

  alloc(bytes: number, label: string, width = 4): Storage {
    this.#check();
    if (this.recorded !== null) return new WasmStorage(this, bytes, label, width, null);
    let block = this.memoryOf.allocate(bytes);
    if (block === null) {
      this.settle();
      block = this.memoryOf.allocate(bytes) ?? this.memoryOf.exhausted(label, bytes);
    }
    this.counters.allocations++;
    this.memoryOf.book(bytes, 1);
    return new WasmStorage(this, bytes, label, width, block);
  }

  /** A storage that the host writes at once: rows that still name its block run first. */
  allocForHost(bytes: number, label: string): WasmStorage {
    const storage = this.alloc(bytes, label) as WasmStorage;
    if (storage.block!.last > this.#executed) this.settle();
    return storage;
  }

  free(storage: Storage): void {
    const s = storage as WasmStorage;
    if (s.block === null) return;
    this.memoryOf.give(s.block);
    this.memoryOf.book(s.bytes, -1);
    s.block = null;
  }

  /** The rows of a recorded program after the passes. */
  improve(rows: readonly Row[], isTemporary: (s: Storage) => boolean): readonly Row[] {
    return improve(rows, isTemporary, this);
  }

  /** A storage without bytes, as `like`, for the results of a program. */
  placeholder({ bytes, width }: Pick<Storage, "bytes" | "width">): WasmStorage {
    return new WasmStorage(this, bytes, "result", width, null);
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
    this.#check();
    if (this.recorded !== null) {
      this.recorded.push({ kernel: name, buffers, outputs, extents, scalars, op });
      return;
    }
    const k = this.kernel(name);
    if (k.choice !== null && launchChosen(this, k.choice, { kernel: name, buffers, outputs, extents, scalars, op }))
      return;
    let script = this.#scripts[0];
    const words = Script.words(buffers.length, extents.length, scalars.length);
    if (script.rows >= MOST_ROWS || !script.fits(words)) {
      this.settle();
      script = this.#scripts[0];
    }
    const serial = ++this.#appended;
    const launched = this.#launched[0];
    const { threads } = this.info;
    const parallel = isParallel(k, extents, threads);
    const meet = threads > 1 && launched.meets(serial, script.rows === 0, buffers, outputs, parallel, k.faults);
    launched.ops[script.rows] = op;
    launched.under[script.rows] = this.under;
    const { i32 } = this.memoryOf;
    const { first } = script;
    const { serials, count } = launched;
    // One pass over the buffers, and no call: what is here is done for each row of each step.
    for (let i = 0; i < buffers.length; i++) {
      const { storage, offset } = buffers[i]!;
      const block = (storage as WasmStorage).block!;
      block.last = serial;
      i32[first + i] = block.address + offset * storage.width;
      serials[count + i] = storage.serial;
    }
    launched.count = count + buffers.length;
    script.append(this.memoryOf, k, buffers.length, outputs, extents, scalars, threads, meet);
    if (this.debug) this.flushSync();
  }

  write(buffer: Buffer, data: ArrayLike<number>, dtype: DType): void {
    this.#check();
    const storage = buffer.storage as WasmStorage;
    if (storage.block!.last > this.#executed) this.settle();
    storage.version++;
    this.#view(buffer, data.length, dtype).set(data);
  }

  async read(buffer: Buffer, count: number, dtype: DType): Promise<TypedData> {
    if (this.#untouched(buffer)) return this.#slice(buffer, count, dtype);
    this.#check();
    const storage = buffer.storage as WasmStorage;
    storage.holders++;
    try {
      this.#submit();
      let data: TypedData | undefined;
      const copy = (): void => {
        data = this.#slice(buffer, count, dtype);
      };
      if (this.#runner.stalled) this.#runner.whenDone(copy);
      else copy();
      await this.#settled();
      readable(storage);
      return data!;
    } finally {
      if (--storage.holders === 0) this.free(storage);
      await this.upkeep();
    }
  }

  readSync(buffer: Buffer, count: number, dtype: DType): TypedData {
    if (this.#untouched(buffer)) return this.#slice(buffer, count, dtype);
    this.flushSync();
    readable(buffer.storage);
    return this.#slice(buffer, count, dtype);
  }

  /** After a failure, what no row was about to write can still be read. */
  #untouched(buffer: Buffer): boolean {
    if (this.#torn === null) return false;
    const { address, size } = (buffer.storage as WasmStorage).block!;
    return !this.#torn.some((a) => a >= address && a < address + size);
  }

  /** A copy that shares nothing. */
  #slice(buffer: Buffer, count: number, dtype: DType): TypedData {
    return this.#view(buffer, count, dtype).slice();
  }

  #view(buffer: Buffer, count: number, dtype: DType): HostArray {
    return new TYPES[dtype].array(this.memoryOf.i32.buffer, addressOf(buffer), count);
  }

  // --------------------------------------------------------------------------------------------------------- flush

  async flush(...none: []): Promise<void> {
    noMore("flush", none);
    this.#check();
    this.#submit();
    try {
      await this.#settled();
    } finally {
      await this.upkeep();
    }
  }

  async handOver(): Promise<void> {
    this.#check();
    this.#submit();
    if (this.#runner.stalled) await this.#runner.drain();
    await this.upkeep();
  }

  upkeep(): Promise<void> | null {
    return keepUp(this.memoryOf);
  }

  flushSync(...none: []): void {
    noMore("flushSync", none);
    this.settle();
    this.throwFault();
  }

  /** Runs what was launched. What a kernel reported is for the next who waits. */
  settle(): void {
    this.#check();
    this.#submit();
    this.#runner.finish();
  }

  /** Runs a captured program's script now. */
  execute(script: Script, rows: Recorded): void {
    this.#check();
    this.counters.rows += script.rows;
    this.#runner.begin(script, rows);
    this.#runner.finish();
    this.#check();
  }

  /** How many faults nobody has thrown yet. */
  get reported(): number {
    return this.#runner.reported;
  }

  /** Throws what a kernel reported. */
  throwFault(): void {
    this.#check();
    this.#runner.throwFault();
  }

  get untold(): boolean {
    return this.#runner.reported > 0;
  }

  /** Lets the threads walk what was appended, behind what still runs. */
  #submit(): void {
    this.#runner.finish();
    const [script, other] = this.#scripts;
    if (script.rows === 0) {
      if (!this.#runner.stalled) this.#forget();
      return;
    }
    const appended = this.#appended;
    const [launched, otherLaunched] = this.#launched;
    this.counters.rows += script.rows;
    this.#launched = [otherLaunched, launched];
    this.#scripts = [other, script];
    other.clear();
    this.#runner.begin(script, launched, () => {
      this.#executed = appended;
      launched.clear();
      if (appended === this.#appended) this.#forget();
    });
  }

  /** Nobody can ask for what was freed any longer. Many are looked at now and then only. */
  #forget(): void {
    const { losses } = this;
    if (!losses.any || (losses.count > FEW_LOSSES && ++this.#unforgotten < SELDOM)) return;
    this.#unforgotten = 0;
    for (const serial of this.memoryOf.gone([...losses.keys(), ...losses.stale])) losses.heal(serial);
  }

  /** Waits for a stalled script, and throws what it reported. */
  async #settled(): Promise<void> {
    if (this.#runner.stalled) await this.#runner.drain();
    this.throwFault();
  }

  // ---------------------------------------------------------------------------------------------------- recordings

  record(): Recorder {
    this.#check();
    return recorder(this);
  }

  program(rows: readonly Row[], ...ends: Parameters<Recorder["finish"]>): Program {
    return new WasmProgram(this, rows, ...ends);
  }

  // ---------------------------------------------------------------------------------------------------------- state

  /** Units of work that each thread has done in parallel rows. */
  workByThread(): number[] {
    const counters = new Float64Array(this.memoryOf.memory.buffer, COUNTERS, this.info.threads * 8);
    return Array.from({ length: this.info.threads }, (_, i) => counters[i * 8]!);
  }

  /** What rows name, in the module's order. */
  get kernelNames(): string[] {
    return this.#names.filter((name) => name !== "walk_f32" && name !== CHAIN);
  }

  /** How many rows were appended. For tests. */
  get appended(): number {
    return this.#appended;
  }

  /** Threads that walk now. */
  get ready(): number {
    return this.pool.ready();
  }

  get walked(): number {
    return this.counters.threads;
  }

  memory(...none: []): MemoryUse {
    noMore("memory", none);
    return this.memoryOf.use();
  }

  async dispose(...none: []): Promise<void> {
    noMore("dispose", none);
    if (this.failed === null) this.fail("it was disposed of");
    this.#torn = null;
    this.memoryOf.letGo();
    this.#runner = null!;
    this.pieces.dispose();
  }

  /** Workers that never came are no failure: what they would have done is done by those that are there. */
  private goOnWith(threads: number, reason: string, remedy: string): void {
    if (this.failed !== null) return;
    this.info = { ...this.info, threads, why: `${this.info.why}; ${reason}` };
    console.warn(`wasmgrad: ${threads === 1 ? "one thread only" : `${threads} threads`}: ${reason}${remedy}.`);
  }

  private fail(reason: string): void {
    if (this.failed !== null) return;
    this.failed = reason;
    this.pool.end();
    const unfinished = [this.#scripts[0], this.#runner.script];
    this.#torn = unfinished.flatMap((script) =>
      script === null ? [] : decode(this.memoryOf, script.address, script.limit).flatMap((r) => r.outputs),
    );
  }

  /** Refuses work in the broken state. */
  #check(): void {
    if (this.failed !== null) throw this.broken();
  }

  private broken(): WasmgradError {
    return new WasmgradError(`wasm device: ${this.failed}: it takes no more work, \`await init()\` makes a new one`);
  }
}
