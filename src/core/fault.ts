// What is lost behind a fault: what was computed from an input that breaks a kernel's rule, such as a label that is no class.
import type { Storage } from "./device.ts";
import type { WasmgradError } from "./error.ts";

let last = 0;

/** Storages are numbered in turn from 1, so that a list of them holds none. The numbers come round after 10^9. @internal */
export function nextSerial(): number {
  last = last === 0x3fffffff ? 1 : last + 1;
  return last;
}

/** Why the values of a storage are lost; null where they are not. @internal */
export const faultOf = ({ device, serial }: Storage): WasmgradError | null =>
  device.losses.size === 0 ? null : (device.losses.get(serial) ?? null);

/** Throws where the values of a storage are lost. @internal */
export function readable(storage: Storage): void {
  const fault = faultOf(storage);
  if (fault !== null) throw fault;
}
