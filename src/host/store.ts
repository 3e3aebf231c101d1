// Small texts that are kept for this user between runs: files in the cache folder, localStorage in pages. Nobody needs
// them: where nothing can be kept, nothing is found, and nothing fails.
import { cacheFolder, hasFiles, joinPath, readFile, writeFile } from "./files.ts";

interface PageStore {
  getItem(key: string): string | null;
  setItem(key: string, text: string): void;
}

/** Reading the property may throw, where a page may not keep anything. */
const pageStore = (): PageStore | undefined => (globalThis as { localStorage?: PageStore }).localStorage;

const pageKey = (name: string): string => `wasmgrad/${name}`;

async function fileOf(name: string): Promise<string | null> {
  const folder = await cacheFolder();
  return folder === null ? null : joinPath(folder, name);
}

/** What was last kept under `name`; null when there is nothing, or it cannot be read. */
export async function recall(name: string): Promise<string | null> {
  try {
    if (!hasFiles()) return pageStore()?.getItem(pageKey(name)) ?? null;
    const file = await fileOf(name);
    return file === null ? null : new TextDecoder().decode(await readFile(file));
  } catch {
    return null;
  }
}

/** Keeps `text` under `name`, whole or not at all; false where that cannot be. */
export async function remember(name: string, text: string): Promise<boolean> {
  try {
    if (hasFiles()) {
      const file = await fileOf(name);
      if (file === null) return false;
      await writeFile(file, new TextEncoder().encode(text));
      return true;
    }
    const store = pageStore();
    store?.setItem(pageKey(name), text);
    return store !== undefined;
  } catch {
    return false;
  }
}
