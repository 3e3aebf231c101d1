// Files, the cache folder, gzip and SHA-256 on any host. Node's modules are imported when first asked for, so that this
// loads in browsers; there `hasFiles()` is false, nothing exists, and reading or writing is an error. Writing: whole.ts.
import { fail } from "../core/error.ts";
import { concat } from "./bytes.ts";
import { hasBuiltins, nodeProcess } from "./node.ts";
import { codeOf, modules } from "./whole.ts";

export { clearLeftovers, writeFile } from "./whole.ts";

/** True where there is a file system: Node, Deno, Bun. */
export const hasFiles = hasBuiltins;

/** An environment variable; undefined where it is unset or empty, may not be read, or there are none. */
export function environment(name: string): string | undefined {
  try {
    return nodeProcess()?.env?.[name] || undefined;
  } catch {
    return undefined; // Deno without permission
  }
}

/** True when there is such a file or folder. */
export async function exists(path: string): Promise<boolean> {
  if (!hasFiles()) return false;
  const { fs } = await modules();
  try {
    await fs.access(path);
    return true;
  } catch {
    return false;
  }
}

/** The bytes of a file. */
export async function readFile(path: string): Promise<Uint8Array> {
  const { fs } = await modules();
  try {
    return await fs.readFile(path);
  } catch (error) {
    const what = codeOf(error) === "ENOENT" ? "there is no such file" : (error as Error).message;
    return fail(path, `cannot be read: ${what}`);
  }
}

/** Parts of a path, joined as the host joins them. */
export async function joinPath(...parts: string[]): Promise<string> {
  return (await modules()).path.join(...parts);
}

/** Where this user's caches lie, with this package's name at the end; null on hosts without files. */
export async function cacheFolder(): Promise<string | null> {
  if (!hasFiles()) return null;
  const { path, os } = await modules();
  const given = environment("XDG_CACHE_HOME");
  if (given !== undefined) return path.join(given, "wasmgrad");
  const home = os.homedir();
  const platform = nodeProcess()?.platform;
  if (platform === "win32")
    return path.join(environment("LOCALAPPDATA") ?? path.join(home, "AppData", "Local"), "wasmgrad");
  if (platform === "darwin") return path.join(home, "Library", "Caches", "wasmgrad");
  return path.join(home, ".cache", "wasmgrad");
}

export const isGzip = (bytes: Uint8Array): boolean => bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;

/** What gzip packed. `name` goes into messages; more than `limit` bytes is an error. */
export async function gunzip(bytes: Uint8Array, name: string, limit = 2 ** 32): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      const why = (error as Error).message || String(error);
      return fail(name, `gzip data of ${bytes.length} bytes, ${length} unpacked (${why}): it is cut short or damaged`);
    });
    if (done) break;
    parts.push(value);
    length += value.length;
    if (length > limit) {
      await reader.cancel().catch(() => {});
      fail(name, `unpacks to more than ${limit} bytes: it is too long`);
    }
  }
  return concat(parts, length);
}

/** SHA-256 in hexadecimal digits. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) fail("sha256", "crypto.subtle is missing: pages have it on https and on localhost only");
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
