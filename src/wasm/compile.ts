// Whether code may be made at run time.

/** The smallest module: the bytes with which each begins. */
export const EMPTY: readonly number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Whether this thread may make code while it runs: edge hosts and some policies forbid it. */
export function canCompile(): boolean {
  try {
    return new WebAssembly.Module(Uint8Array.from(EMPTY)) !== null;
  } catch {
    return false;
  }
}
