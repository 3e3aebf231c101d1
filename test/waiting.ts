// Waits of tests: they end by what happens, however long that takes on a busy machine. The limit only ends a hang.
import type { Device } from "../src/core/device.ts";
import type { WasmDevice } from "../src/wasm/device.ts";

/** Far above what anything here takes. */
export const HANG_MS = 600_000;

/** Returns when `happened` says so. */
export async function until(what: string, happened: () => boolean): Promise<void> {
  const limit = performance.now() + HANG_MS;
  while (!happened()) {
    if (performance.now() > limit) throw new Error(`${what}: it has not come in ${HANG_MS / 60_000} minutes`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A wasm device, when all its threads walk, always from now on, and pieces can be made. */
export async function ready(device: Device): Promise<WasmDevice> {
  const wasm = device as WasmDevice;
  await until(`${wasm.info.threads} threads`, () => wasm.ready >= wasm.info.threads || wasm.failed !== null);
  if (wasm.failed !== null) throw new Error(`the device failed before its threads were ready: ${wasm.failed}`);
  if (wasm.pool.counts !== null) wasm.pool.counts.learns = false;
  await wasm.pieces.load();
  return wasm;
}
