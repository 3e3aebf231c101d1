// A page for tests: a bundle served on the loopback, isolated as threads need it, in a Chromium without a window.
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { chromium, type Page } from "playwright-core";
import { bundle } from "../../bundle.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/** WebGPU on any adapter, and none of the services that a browser calls at its start. */
const FLAGS = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  // SwiftShader unrolls the clearing of workgroup memory otherwise: seconds a pipeline.
  "--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Where the browser is, or null. */
export const findChromium = (): string | null =>
  [process.env.CHROMIUM ?? "", ...PLACES].find((path) => path !== "" && existsSync(path)) ?? null;

export interface OpenPage {
  readonly page: Page;
  close(): Promise<void>;
}

/** Bundles `entry` (a path from the project's root), serves it with the wasm files, and opens the page. */
export async function openPage(executablePath: string, entry: string): Promise<OpenPage> {
  const [script] = await bundle({ test: entry });
  const files: Record<string, [string, () => string | Uint8Array]> = {
    "/": ["text/html", () => '<!doctype html><title>tests</title><script type="module" src="/test.js"></script>'],
    "/test.js": ["text/javascript", () => script!.code],
  };
  files["/favicon.ico"] = ["image/x-icon", () => ""];
  for (const name of ["simd", "relaxed", "wide"]) {
    files[`/${name}.wasm`] = ["application/wasm", () => readFileSync(`${root}dist/${name}.wasm`)];
  }
  const server = createServer((request, response) => {
    const found = files[request.url ?? ""];
    response.writeHead(found === undefined ? 404 : 200, {
      "content-type": found?.[0] ?? "text/plain",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    response.end(found?.[1]());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
  const close = async (): Promise<void> => {
    await browser.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  try {
    const page = await browser.newPage();
    page.on("pageerror", (error) => console.log(`page: ${error.stack ?? error.message}`));
    page.on("console", (message) => message.type() === "error" && console.log(`page: ${message.text()}`));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return { page, close };
  } catch (error) {
    await close();
    throw error;
  }
}
