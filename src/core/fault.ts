// What of the values is lost behind a fault: an input that breaks a kernel's rule, such as a label that is no class. Only the kernel sees
// it, long after the launch; what was computed from it is marked then, and says so whenever it is read.
import type { Storage } from "./device.ts";
import type { WasmgradError } from "./error.ts";

/** Storages without which a storage is lost, though no row reads them for it: a gradient behind its loss. @internal */
export interface Needs {
  readonly of: Storage;
  readonly next: Needs | null;
}

/** Storages that were marked and live on: while there are none nobody has to look. @internal */
export const marks = { count: 0 };

/** Why the values of a storage are lost; null where they are not. @internal */
export function faultOf(storage: Storage): WasmgradError | null {
  let { fault } = storage;
  for (let n = storage.needs; fault === null && n !== null; n = n.next) fault = faultOf(n.of);
  return fault;
}

/** Throws where the values of a storage are lost. @internal */
export function readable(storage: Storage): void {
  const fault = faultOf(storage);
  if (fault !== null) throw fault;
}
