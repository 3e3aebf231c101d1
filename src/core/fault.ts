// What is lost behind a fault: what was computed from an input that breaks a kernel's rule, such as a label that is no class.
import type { Storage } from "./device.ts";
import type { WasmgradError } from "./error.ts";

/** For `Device.under`: what is written in place is lost with its inputs. @internal */
export const TIED = -1;

/** For `Device.under`: rows are a step of an optimizer by ops, with this gradient. @internal */
export const stepBy = (gradient: Storage): number => TIED - gradient.serial;

/** The serial that rows launched under this depend on besides their inputs; 0 for none. @internal */
export const dependsOn = (under: number): number => (under < TIED ? TIED - under : Math.max(under, 0));

/** Whether rows launched under this are a step by ops. @internal */
export const isStep = (under: number): boolean => under < TIED;

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
