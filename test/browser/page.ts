// A page for tests and benches: a bundle served on the loopback, isolated as threads need it, and a Chromium without a
// window.
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { chromium, type Page } from "playwright-core";
import { bundle } from "../../bundle.mjs";
import { HANG_MS } from "../waiting.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/** WebGPU on any adapter, and none of the services that a browser calls at its start. */
export const FLAGS = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  // SwiftShader unrolls the clearing of workgroup memory otherwise: seconds a pipeline.
  "--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  ...(process.env.CHROMIUM_FLAGS?.split(" ") ?? []),
];

/** What a page must be sent with to have shared memory. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Where the browser is, or null. */
export const findChromium = (): string | null =>
  [process.env.CHROMIUM ?? "", ...PLACES].find((path) => path !== "" && existsSync(path)) ?? null;

export interface PageOptions {
  /** HTML of the body. */
  body?: string;
  /** Without the headers that isolate a page it has no shared memory, so wasm has one thread. */
  isolated?: boolean;
}

export interface Served {
  readonly url: string;
  close(): Promise<void>;
}

/** Bundles `entry` (a path from the project's root) and serves it with the wasm files. */
export async function serve(entry: string, { body = "", isolated = true }: PageOptions = {}): Promise<Served> {
  const [script] = await bundle({ page: entry });
  const html = `<!doctype html><meta charset="utf-8"><title>wasmgrad</title><body>${body}<script type="module" src="/page.js"></script>`;
  const files: Record<string, [string, () => string | Uint8Array]> = {
    "/": ["text/html", () => html],
    "/page.js": ["text/javascript", () => script!.code],
  };
  files["/favicon.ico"] = ["image/x-icon", () => ""];
  for (const name of ["simd", "relaxed", "wide"]) {
    files[`/${name}.wasm`] = ["application/wasm", () => readFileSync(`${root}dist/${name}.wasm`)];
  }
  const server = createServer((request, response) => {
    const found = files[request.url?.split("?")[0] ?? ""];
    response.writeHead(found === undefined ? 404 : 200, {
      "content-type": found?.[0] ?? "text/plain",
      ...(isolated ? ISOLATION : {}),
    });
    response.end(found?.[1]());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close };
}

export interface OpenPage {
  readonly page: Page;
  close(): Promise<void>;
}

/** Serves `entry` and opens the page; `query` comes behind its address. */
export async function openPage(
  executablePath: string,
  entry: string,
  options: PageOptions & { query?: string } = {},
): Promise<OpenPage> {
  const served = await serve(entry, options);
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS, timeout: HANG_MS });
  const close = async (): Promise<void> => {
    await browser.close();
    await served.close();
  };
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(HANG_MS);
    page.on("pageerror", (error) => console.log(`page: ${error.stack ?? error.message}`));
    page.on("console", (message) => message.type() === "error" && console.log(`page: ${message.text()}`));
    await page.goto(`${served.url}${options.query ?? ""}`);
    return { page, close };
  } catch (error) {
    await close();
    throw error;
  }
}
