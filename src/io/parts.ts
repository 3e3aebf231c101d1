// What `save` and `load` do besides reading and writing tensors of a device: loaded when first used.
import { type Device, defaultDevice, expectDevice } from "../core/device.ts";
import type { DType } from "../core/dtype.ts";
import { expectOptions, fail } from "../core/error.ts";
import { withRoom } from "../core/lifetime.ts";
import type { Tensor } from "../core/tensor.ts";
import { download } from "../host/fetch.ts";
import { clearLeftovers, hasFiles, readFile } from "../host/files.ts";
import { asBytes, describeKind } from "../host/kinds.ts";
import { builtin } from "../host/node.ts";
import { fromData } from "../ops/data.ts";
import { checkRecord, encode } from "./encode.ts";
import { shown } from "./header.ts";
import { open } from "./parse.ts";

export { writeFile } from "../host/files.ts";

/** `given` is what the user gave, `tensors` the same with the values of its tensors. */
export function encoded(op: string, given: unknown, tensors: unknown, metadata: unknown): Uint8Array {
  checkRecord(op, given);
  return encode(op, tensors, metadata);
}

/** The address of a URL, whatever realm made it. */
function hrefOf(file: unknown): string | null {
  const href = typeof file === "object" ? (file as { href?: unknown } | null)?.href : null;
  return typeof href === "string" ? href : null;
}

/** The path that a string or a `file:` address names; null for another address. */
async function pathOf(op: string, file: unknown): Promise<string | null> {
  if (typeof file === "string") return file;
  const href = hrefOf(file);
  if (href === null) return fail(op, `${describeKind(file)}: the file comes first, as in save(file, tensors)`);
  if (!href.startsWith("file:")) return null;
  if (!hasFiles()) fail(op, `${shown(href)}: this host has no files: pass bytes or the address of a server`);
  const url = await builtin("node:url");
  try {
    return url.fileURLToPath(href);
  } catch (error) {
    return fail(op, `${shown(href)}: ${(error as Error).message}: the address of a file is expected`);
  }
}

/** The path of a file to write. */
export async function pathFor(op: string, file: unknown): Promise<string> {
  const path = await pathOf(op, file);
  return (
    path ?? fail(op, `${shown(String(file))}: nothing can be written there: a path or a file: address is expected`)
  );
}

/** The bytes that `load` was given, or those of the file, address, Blob or answer. */
async function bytesOf(file: unknown): Promise<{ bytes: unknown; name: string }> {
  if (asBytes(file) !== null) return { bytes: file, name: "safetensors" };
  const { arrayBuffer, ok, status } = (file ?? {}) as { arrayBuffer?: unknown; ok?: unknown; status?: unknown };
  if (typeof file === "object" && typeof arrayBuffer === "function") {
    if (ok === false) fail("load", `an answer with HTTP status ${Number(status)}: one with the file is expected`);
    let bytes: unknown;
    try {
      bytes = await (file as Blob).arrayBuffer();
    } catch (error) {
      const why = shown(String((error as Error | null)?.message));
      return fail("load", `${describeKind(file)} gives no bytes: ${why}: they are expected`);
    }
    return { bytes, name: "safetensors" };
  }
  const href = hrefOf(file);
  if (typeof file !== "string" && href === null) {
    const forms = "a path, a URL, an ArrayBuffer or a view of one, or a Blob is expected";
    return fail("load", `${describeKind(file)}: ${forms}`);
  }
  const path = await pathOf("load", file);
  if (path === null) return { bytes: await download(href!), name: shown(href!) };
  if (!hasFiles()) {
    const form = "pass new URL(path, location.href), or bytes";
    return fail("load", `${shown(path)}: this host has no files: ${form}`);
  }
  await clearLeftovers(path);
  return { bytes: await readFile(path), name: path };
}

/** The tensors of a file on a device. Each is decoded on its own, so that no more than one is held besides. */
export async function loaded(
  file: unknown,
  options: { device?: Device; dtype?: DType },
): Promise<Record<string, Tensor>> {
  expectOptions("load", options, "device dtype");
  const { device = defaultDevice(), dtype: floats = "float32" } = options;
  expectDevice("load", device);
  if (floats !== "float32" && floats !== "float16") {
    const given = typeof floats === "string" ? shown(floats) : describeKind(floats);
    fail("load", `dtype ${given}: float32 or float16 is expected, for floats alone`);
  }
  const { bytes, name } = await bytesOf(file);
  const { entries, read } = open(bytes, name);
  const made: [string, Tensor][] = [];
  try {
    for (const entry of entries) {
      const { data, shape, dtype } = read(entry);
      const type = dtype === "float32" ? floats : dtype;
      const make = (): Tensor => fromData(data, shape, type, { device, label: shown(entry.key) });
      made.push([entry.key, await withRoom(device, make)]);
    }
    await device.upkeep();
  } catch (error) {
    for (const [, x] of made) x.dispose();
    throw error;
  }
  return Object.fromEntries(made);
}
