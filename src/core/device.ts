// The door behind which a device stands: storages, launches, waits. Core and ops know no device but this interface.
import type { DType } from "./dtype.ts";
import { fail } from "./error.ts";

/** Memory that tensors share. `holders` counts the live tensors on it; at zero the device takes the block back. */
export interface Storage {
  readonly device: Device;
  readonly bytes: number;
  /** Its elements are float16. */
  readonly half?: boolean;
  /** Bumped by every write, so that saved values and packed copies notice. */
  version: number;
  /** Recorded in-place writes: a view that was taken before has another history. */
  rebases?: number;
  /** Live tensors (views count, each once) and programs that name it. */
  holders: number;
  /** The op that asked for it, for `memory()` and messages. */
  readonly label: string;
  /** Made inside a recording: it has no bytes of its own outside the program's runs. */
  readonly virtual: boolean;
  /** The lasting storage that `bind` gave a virtual one. */
  readonly alias: Storage | null;
}

/** How many elements a storage has room for. */
export const elementsOf = ({ bytes, half }: Storage): number => bytes / (half ? 2 : 4);

/** What a launch takes: a dense run of elements in a storage, from element `offset` on. Tensors are buffers. */
export interface Buffer {
  readonly storage: Storage;
  readonly offset: number;
}

export type TypedData = Float32Array | Int32Array | Float64Array;

/** A launch, as a recording keeps it. */
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

/** A recorded program, ready to run again. */
export interface Program {
  /** As recorded, before passes. */
  readonly rows: readonly Row[];
  /** Runs with these inputs; the results are copied to `outputs`. Throws the fault of a kernel. */
  run(inputs: readonly Buffer[], outputs: readonly Buffer[]): void;
  dispose(): void;
}

export interface DeviceInfo {
  readonly device: string;
  readonly build: string;
  readonly threads: number;
  /** Most bytes of memory that the device may grow to, where it is known beforehand. */
  readonly maximumMemory?: number;
  /** Why this build and this number of threads. */
  readonly why: string;
}

export interface MemoryUse {
  liveBytes: number;
  reservedBytes: number;
  storages: number;
  /** Bytes and storages by the op that asked for them. */
  byOp: Record<string, { bytes: number; storages: number }>;
}

export interface Device {
  readonly type: string;
  /** Reason for the one broken state, or null. */
  readonly failed: string | null;
  readonly info: DeviceInfo;
  /** True where `dataSync` may wait. */
  readonly canBlock: boolean;
  readonly liveBytes: number;
  /** Bytes taken from the host, live or free. */
  readonly reservedBytes: number;
  /** Convolutions may go by Winograd's algorithm: there are kernels for it, and sums need not be added up term by term. */
  readonly winograd?: boolean;
  /** It has float16, and rows that last can be skipped by a word on the device (`amp_skip_i32`). */
  readonly float16: boolean;

  /** Takes so many bytes from the host in advance, if it gives them. */
  reserve?(bytes: number): void;
  /** A storage with undefined contents; virtual while recording. Throws when memory runs out, with nothing appended. */
  alloc(bytes: number, label: string, half?: boolean): Storage;
  /** Gives the block back: at once for later rows, to the host after the last row that names it. */
  free(storage: Storage): void;
  /** Appends a row to the current program, or to the recording. Outputs come first in `buffers`. */
  launch(
    kernel: string,
    buffers: readonly Buffer[],
    outputs: number,
    extents: readonly number[],
    scalars: readonly number[],
    op: string,
  ): void;
  /** Host data into a storage, ordered like a row. */
  write(buffer: Buffer, data: TypedData): void;
  /** `count` elements as they are when every row appended so far has run: a fresh, unshared copy. */
  read(buffer: Buffer, count: number, dtype: DType): Promise<TypedData>;
  readSync(buffer: Buffer, count: number, dtype: DType): TypedData;
  /** Runs what was appended. Throws the fault of a kernel. */
  flush(): Promise<void>;
  flushSync(): void;
  /** Null, or a promise for when a device that runs by itself has caught up. */
  pace?(): Promise<void> | null;

  /** Launches go into a recording from here on, and `alloc` gives virtual storages. */
  record(): void;
  /** True: for a while, launches and storages are ordinary ones again. */
  suspend(on: boolean): void;
  /** Gives a virtual storage the lasting bytes of `target`, or new ones. */
  bind(storage: Storage, target: Storage | null): Storage;
  /** Ends the recording. `inputs` become slots; `outputs` are copied to fresh storages at the end of each run. */
  finish(inputs: readonly Buffer[], outputs: readonly { buffer: Buffer; count: number }[]): Program;
  /** Throws the recording away: nothing of it has run. */
  abandon(): void;

  memory(): MemoryUse;
  /** Ends the device: workers and memory. */
  dispose(): Promise<void>;
}

let current: Device | null = null;

/** The device that new tensors go to. */
export function defaultDevice(): Device {
  return current ?? fail("wasmgrad", "no device yet: `await init()` comes first");
}

export function setDefaultDevice(device: Device): void {
  current = device;
}

let find!: (name: string) => Promise<Device>;

/** How a device is found, or made, by its name. */
export function setFinder(f: typeof find): void {
  find = f;
}

/** The device itself, or the one of that name: "wasm", "webgpu". */
export const deviceOf = async (d: Device | string): Promise<Device> => (typeof d === "string" ? find(d) : d);
