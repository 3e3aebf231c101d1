// What `init` takes for the wasm device. Types alone: nothing of the device comes with them.

/** The builds: multiply, then add; fused multiply-add; fused, with tiles that V8's revectorizer turns into 256-bit code. */
export type Build = "simd" | "relaxed" | "256";

/** A compiled `WebAssembly.Module`. Named without that type, which hosts without the DOM's declarations lack. */
export interface CompiledWasm {
  /** "WebAssembly.Module". */
  readonly [Symbol.toStringTag]?: string;
}

/** A `URL`. Named without that type, too. */
export interface Address {
  /** The address in full. */
  readonly href: string;
  /** What it begins with, such as "https:". */
  readonly protocol: string;
}

/** A wasm file: its address (relative to the page; in Node, Deno and Bun to the working folder), its bytes, or the compiled module. */
export type WasmSource = string | Address | ArrayBuffer | ArrayBufferView | CompiledWasm;

/** What `init` takes for the wasm device, the default one. */
export interface WasmOptions {
  /** The build: `relaxed` (fused multiply-add) where the host has it, else `simd`. "256" sets an experimental flag of V8. */
  simd?: Build;
  /** Threads, this one included. The host's parallelism by default. */
  threads?: number;
  /** Run and check each op before the call returns. */
  debug?: boolean;
  /**
   * Captured steps equal eager ones bit for bit: only passes that keep the bits improve a program. Convolutions add up term
   * by term, without Winograd's algorithm, and a zero counts against an infinity or a NaN, where captured steps may skip it.
   */
  deterministic?: boolean;
  /**
   * Most memory in bytes: up to 4 GiB, which is the default; 1 GiB by default on phones. What the host does not reserve is
   * halved until it does; `info().maximumMemory` tells the outcome.
   */
  maximumMemory?: number;
  /**
   * The wasm file, where it does not lie beside the script, or a file for each build. One file says itself which build it
   * is; of several the best that the host can run is taken.
   */
  wasm?: WasmSource | Partial<Record<Build, WasmSource>>;
  /** What the wasm file must hash to, as in HTML: `sha384-...`, several with blanks between them. */
  integrity?: string;
  /** The address of `wasmgrad-worker.js`, for pages whose policy allows workers from files alone (`worker-src 'self'`). */
  worker?: string | Address;
}
