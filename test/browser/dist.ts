// Test files in pages, on the published files as a server would give them: dist/ itself, behind the headers that isolate.
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { stripVTControlCharacters } from "node:util";
import type { Browser } from "playwright-core";
import { rolldown } from "rolldown";
import { doors } from "../doors.mjs";
import { headersOf, openBrowser, serveFolder } from "../published/pages.ts";
import { HANG_MS } from "../waiting.ts";

const root = new URL("../..", import.meta.url);

/** Writes a test file's bundle to a folder; what is published stays an import. */
async function bundle(file: string, folder: string): Promise<void> {
  const build = await rolldown({
    input: fileURLToPath(new URL(`test/${file}`, root)),
    platform: "neutral",
    resolve: { mainFields: ["module", "main"] },
    external: [/^node:/], // what only hosts do
    plugins: [
      {
        name: "published",
        resolveId(specifier, importer) {
          if (!specifier.startsWith(".") || importer === undefined) return null;
          const { href } = new URL(specifier, pathToFileURL(importer));
          if (!href.startsWith(`${root.href}src/`)) return null;
          return { id: `/${doors(href.slice(root.href.length), importer)}`, external: "absolute" };
        },
      },
    ],
  });
  await build.write({ dir: folder, format: "esm", entryFileNames: "page.js" });
  await build.close();
}

export interface Pages {
  /** Runs a test file in a page of its own, isolated unless it is told otherwise; all that it said, as on a console. */
  run(file: string, variables: Readonly<Record<string, string>>, isolated?: boolean): Promise<string>;
  close(): Promise<void>;
}

async function runIn(browser: Browser, url: string, variables: Readonly<Record<string, string>>): Promise<string> {
  const page = await browser.newPage();
  const said: string[] = [];
  try {
    page.setDefaultTimeout(HANG_MS);
    const cdp = await page.context().newCDPSession(page);
    await page.exposeFunction("collectGarbage", () => cdp.send("HeapProfiler.collectGarbage"));
    await page.exposeFunction("heapUsed", async () => (await cdp.send("Runtime.getHeapUsage")).usedSize);
    await page.addInitScript((given) => Object.assign(globalThis, { variables: given }), variables);
    await new Promise<void>((resolve, reject) => {
      page.on("console", (message) => {
        const text = stripVTControlCharacters(message.text());
        said.push(text);
        if (/^\s*Duration: /.test(text)) resolve();
      });
      page.on("pageerror", (error) => reject(error));
      page.on("crash", () => reject(new Error("the page crashed")));
      page.goto(url).catch(reject);
    });
    return said.join("\n");
  } catch (error) {
    throw new Error(`${said.join("\n")}\n${(error as Error).stack}`);
  } finally {
    await page.close();
  }
}

/** A browser, and a site that has dist/. */
export async function openPages(executablePath: string): Promise<Pages> {
  const folder = await mkdtemp(join(tmpdir(), "wasmgrad-dist-"));
  const closing: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const f of closing.reverse()) await f();
  };
  try {
    await symlink(fileURLToPath(new URL("dist", root)), join(folder, "dist"));
    const sites = await Promise.all(
      [true, false].map((isolated) => serveFolder(folder, headersOf({ isolated, csp: "none" }))),
    );
    for (const site of sites) closing.push(site.close);
    const browser = await openBrowser(executablePath);
    closing.push(() => browser.close());
    const run: Pages["run"] = async (file, variables, isolated = true) => {
      const place = file.replace(".test.ts", "");
      await mkdir(join(folder, place), { recursive: true });
      await bundle(file, join(folder, place));
      const html = '<!doctype html><meta charset="utf-8"><script type="module" src="page.js"></script>';
      await writeFile(join(folder, place, "index.html"), html);
      return runIn(browser, `${sites[isolated ? 0 : 1]!.url}${place}/`, variables);
    };
    return { run, close };
  } catch (error) {
    await close();
    throw error;
  }
}
