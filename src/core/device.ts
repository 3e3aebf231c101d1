// The door behind which a device stands: storages, launches, waits. Core and ops know no device but this interface.
import type { DType, HostArray } from "./dtype.ts";
import { fail, given, noMore, type WasmgradError } from "./error.ts";

/**
 * Memory that tensors share. `holders` counts the live tensors on it; at zero the device takes the block back. @internal
 */
export interface Storage {
  readonly device: Device;
  readonly bytes: number;
  /** Bytes an element. */
  readonly width: number;
  /** Bumped by every write, so that saved values and packed copies notice. */
  version: number;
  /** Live tensors (views count, each once) and programs that name it. */
  holders: number;
  /** Tensors over it besides the first, where a captured step writes it: the next call releases them, as it does the gradient. */
  aliases?: WeakRef<{ release(reason: string): void }>[];
  /** The op that asked for it, for `memory()` and messages. */
  readonly label: string;
  /** Made inside a recording: it has no bytes of its own outside the program's runs. */
  readonly virtual: boolean;
  /** The lasting storage that `bind` gave a virtual one. */
  readonly alias: Storage | null;
  /** Its number. */
  readonly serial: number;
}

/** How many elements a storage has room for. @internal */
export const elementsOf = ({ bytes, width }: Storage): number => bytes / width;

/** What a launch takes: a dense run of elements in a storage, from element `offset` on. Tensors are buffers. @internal */
export interface Buffer {
  readonly storage: Storage;
  readonly offset: number;
}

/**
 * Values on the host, as devices read them: `HostArray`, of which one for tests makes Float64Array. `tensor()` takes all of them and
 * rounds to float32.
 */
export type TypedData = HostArray | Float64Array;

/** A launch, as a recording keeps it. @internal */
export interface Row {
  readonly kernel: string;
  /** Outputs first. */
  readonly buffers: readonly Buffer[];
  readonly outputs: number;
  /** The loop nest; the product is the work. */
  readonly extents: readonly number[];
  /** 32-bit words: see `word` in dtype.ts. */
  readonly scalars: readonly number[];
  /** The op that launched it, for messages. */
  readonly op: string;
}

/** A recorded program, ready to run again. @internal */
export interface Program {
  /** As recorded, before passes. */
  readonly rows: readonly Row[];
  /** Runs with these inputs; the results are copied to `outputs`. Throws the fault of a kernel. */
  run(inputs: readonly Buffer[], outputs: readonly Buffer[]): void;
  dispose(): void;
}

/** A recording that is going on. @internal */
export interface Recorder {
  /** True: for a while, launches and storages are ordinary ones again. */
  suspend(on: boolean): void;
  /** Gives a virtual storage the lasting bytes of `target`, or new ones. */
  bind(storage: Storage, target: Storage | null): Storage;
  /** Ends it. `inputs` become slots; `outputs` are copied to fresh storages by each run. */
  finish(inputs: readonly Buffer[], outputs: readonly { buffer: Buffer; count: number }[]): Program;
  /** Throws it away: nothing of it has run. */
  abandon(): void;
}

/** What a device is, and why: see `info()`. */
export interface DeviceInfo {
  /** Its type, `"wasm"` or `"webgpu"`, as `device.type`. */
  readonly device: string;
  /** The wasm build (`"simd"`, `"relaxed"`, `"256"`), or the GPU by name. */
  readonly build: string;
  /** Threads that run kernels, the calling one included; 1 on WebGPU. */
  readonly threads: number;
  /** Most bytes of memory that the device may grow to, where it is known beforehand. */
  readonly maximumMemory?: number;
  /** Why this build and this number of threads. */
  readonly why: string;
}

/** What a device's memory holds: see `memory()`. */
export interface MemoryUse {
  /** Bytes of tensors that are alive. */
  liveBytes: number;
  /** Bytes taken from the host, live or free. */
  reservedBytes: number;
  /** Blocks of memory that are alive. Views share one. */
  storages: number;
  /** Bytes and storages by the op that asked for them. */
  byOp: Record<string, Record<"bytes" | "storages", number>>;
}

/** A device, on which tensors lie and kernels run. `init()` makes it. */
export interface Device {
  /** `"wasm"` or `"webgpu"`. */
  readonly type: string;
  /** Reason for the one broken state, or null. A broken device stays so: `init()` makes another. */
  readonly failed: string | null;
  /** What it is: build, threads, and why. */
  readonly info: DeviceInfo;
  /** Threads that ran the last rows, where a device finds out how many do best. */
  readonly walked?: number;
  /** True where `dataSync()` and `itemSync()` may wait: not in a page's own thread, and not on WebGPU. */
  readonly canBlock: boolean;
  /** Bytes of tensors that are alive. */
  readonly liveBytes: number;
  /** Bytes taken from the host, live or free. */
  readonly reservedBytes: number;
  /** It has float16, which `autocast` takes: a WebGPU device with `shader-f16`. */
  readonly float16: boolean;
  /** Made with `debug`: errors come soon, and captured functions are recorded again now and then. @internal */
  readonly debug: boolean;

  /** Faults by the serials of the storages whose values are lost behind them. @internal */
  readonly losses: ReadonlyMap<number, WasmgradError>;
  /** A fault is known that nobody was told of yet. @internal */
  readonly untold: boolean;
  /**
   * Serial of a storage that is needed, too, for what is launched now: a backward's root, or, by `stepBy`, a step's gradient; `TIED`: what
   * is written in place is lost with its inputs; 0: none of these. @internal
   */
  under: number;

  /** A storage of undefined contents, virtual while recording; `width` is 4 by default. Throws when memory runs out, nothing appended. @internal */
  alloc(bytes: number, label: string, width?: number): Storage;
  /** Gives the block back: at once for later rows, to the host after the last row that names it. @internal */
  free(storage: Storage): void;
  /** Appends a row to the current program, or to the recording. Outputs come first in `buffers`. @internal */
  launch(
    kernel: string,
    buffers: readonly Buffer[],
    outputs: number,
    extents: readonly number[],
    scalars: readonly number[],
    op: string,
  ): void;
  /** Host numbers into a storage of that type, rounded to it, ordered like a row. @internal */
  write(buffer: Buffer, data: ArrayLike<number>, dtype: DType): void;
  /** `count` elements as they are when every row appended so far has run: a fresh, unshared copy. @internal */
  read(buffer: Buffer, count: number, dtype: DType): Promise<TypedData>;
  /** As `read`, where the thread may wait. @internal */
  readSync(buffer: Buffer, count: number, dtype: DType): TypedData;
  /** Waits until everything launched so far has run. Throws the fault of a kernel. */
  flush(): Promise<void>;
  /** Hands over what was launched, and lets the event loop turn where the device is behind. Faults are for the next wait. @internal */
  handOver(): Promise<void>;
  /** As `flush()`, without a promise, where this thread may wait (`canBlock`). */
  flushSync(): void;
  /**
   * At the end of every wait, those above included: a promise where the event loop had better turn, a collection is worth it, or
   * the device has fallen behind. @internal
   */
  upkeep(): Promise<void> | null;
  /** Launches go into a recording from here on, and `alloc` gives virtual storages. @internal */
  record(): Recorder;
  /** Live bytes, and which ops asked for them. */
  memory(): MemoryUse;
  /** Ends the device, its workers and its memory: the tensors on it cannot be used afterwards. */
  dispose(): Promise<void>;
}

let current: Device | null = null;

/** @internal */
export function expectDevice(op: string, device: unknown): asserts device is Device {
  if (typeof (device as Device | null)?.launch !== "function")
    fail(op, `device ${given(device)}: a device is expected, as init() gives`);
}

/** The device that new tensors go to: the latest of `init()` or `setDefaultDevice()`. Throws where there is none yet. */
export function defaultDevice(...none: []): Device {
  noMore("defaultDevice", none);
  return current ?? fail("wasmgrad", "no device yet: `await init()` comes first");
}

/** Lets new tensors go to `device`. Tensors that are there stay where they are. */
export function setDefaultDevice(device: Device, ...none: []): void {
  noMore("setDefaultDevice", none);
  expectDevice("setDefaultDevice", device);
  current = device;
}
