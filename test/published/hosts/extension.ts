// Cells of a browser's extension (Manifest V3): its service worker, and a page of its own, which the manifest isolates.
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type BrowserContext, chromium, type Worker } from "playwright-core";
import { findChromium } from "../../browser/page.ts";
import { type Cell, inFolder, type Trained } from "./cell.ts";

declare const trainHere: () => Promise<Trained>;

const executablePath = findChromium();
/** How long the extension may take to start: it only ends what hangs. */
const LIMIT = 600_000;

/** Starts Chromium with the extension: the package's files as they are, beside the scripts that import them. */
async function open(folder: string): Promise<{ context: BrowserContext; worker: Worker }> {
  const extension = join(folder, "extension");
  const dist = join(folder, "../node_modules/wasmgrad/dist");
  for (const name of await readdir(dist)) {
    if (/\.(js|wasm)$/.test(name)) await cp(join(dist, name), join(extension, "wasmgrad", name));
  }
  await cp(join(folder, "train.mjs"), join(extension, "train.mjs"));
  const context = await chromium.launchPersistentContext(join(folder, "profile"), {
    ...{ executablePath: executablePath!, headless: true, timeout: LIMIT },
    ignoreDefaultArgs: ["--disable-extensions"],
    args: [
      ...["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
      ...[`--load-extension=${extension}`, `--disable-extensions-except=${extension}`],
      // Branded builds need it for the switch above.
      "--disable-features=DisableLoadExtensionCommandLineSwitch",
    ],
  });
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker", { timeout: LIMIT }));
  return { context, worker };
}

/** A page, or a service worker. */
interface Place {
  evaluate<R>(run: () => R | Promise<R>): Promise<R>;
}

/** Trains where the extension has defined it, once its module has been evaluated. */
async function trained(where: Place): Promise<Trained> {
  const end = Date.now() + LIMIT;
  while (!(await where.evaluate(() => "trainHere" in globalThis))) {
    if (Date.now() > end) throw new Error("its script never ran to the end");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return where.evaluate(() => trainHere());
}

async function inPage(context: BrowserContext, worker: Worker): Promise<Trained> {
  const page = await context.newPage();
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  await page.goto(new URL("page.html", worker.url()).href);
  try {
    return await trained(page);
  } catch (error) {
    throw new Error(`${(error as Error).message}\non the console: ${said.join("\n")}`);
  }
}

const cell = (name: string, threads: number, run: typeof inPage): Cell => ({
  ...{ name, threads },
  needs: [executablePath ?? "Chromium"],
  run: (published) =>
    inFolder(published, async (folder) => {
      const { context, worker } = await open(folder);
      try {
        return await run(context, worker);
      } finally {
        await context.close();
      }
    }),
});

export const cells: Cell[] = [
  cell("extension (Manifest V3): service worker", 1, (_, worker) => trained(worker)),
  cell("extension (Manifest V3): page", 2, inPage),
];
