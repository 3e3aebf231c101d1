// The comparison of devices in a page: driven in a headless Chromium, or served for a browser that a person opens.
import { findChromium, openPage, serve } from "../test/browser/page.ts";
import type { DevicesData, DevicesOptions } from "./devices.ts";

declare const measureHere: typeof import("./page/devices.ts").measureHere;

export const ENTRY = "bench/page/devices.ts";
export const body = `<style>
  body { font: 14px sans-serif; margin: 2em } table { border-collapse: collapse; margin: 1em 0 }
  th, td { padding: 2px 12px; text-align: right; border-bottom: 1px solid #ddd } th:first-child, td:first-child { text-align: left }
</style><h1>wasm and WebGPU over the batch size</h1>
<p>A few minutes; leave this page in front. <button>Measure</button> <span></span></p><div></div>`;

export interface PageData {
  readonly data: DevicesData;
  readonly browser: string;
}

/** Measures in Chromium; null where none is installed. */
export async function devicesInPage(
  options: Omit<DevicesOptions, "onPoint">,
  onPoint: (what: string, done: number, total: number) => void,
): Promise<PageData | null> {
  const path = findChromium();
  if (path === null) return null;
  const { page, close } = await openPage(path, ENTRY, { body });
  try {
    await page.exposeFunction("tell", onPoint);
    const data = await page.evaluate((o) => measureHere(o), options);
    return { data, browser: `Chromium ${page.context().browser()!.version()}` };
  } finally {
    await close();
  }
}

/** Serves the page until the process ends; the address. */
export const serveDevices = async (): Promise<string> => (await serve(ENTRY, { body })).url;
