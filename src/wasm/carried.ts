// Builds that a bundle carries inside, for pages that load no further file: the entry `wasmgrad/inline`.
import { hasBuiltins } from "../host/node.ts";
import { side } from "../host/part.ts";
import { FILES } from "./address.ts";
import type { Build } from "./options.ts";

/** gzip data in base64, by the file's name. */
const carried = new Map<string, string>();

/** Lets `init` take a build's file from this text; bundle.mjs makes it. */
export function carry(file: string, text: string): void {
  carried.set(file, text);
}

/** The builds that are carried. */
export const carriedBuilds = (): Build[] => (Object.keys(FILES) as Build[]).filter((b) => carried.has(FILES[b]));

/** The bytes of a carried file; null when there is none. */
export async function carriedBytes(file: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const text = carried.get(file);
  if (text === undefined) return null;
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  // Test runners that play a page in Node lack the streams of one.
  if (hasBuiltins()) return (await side()).gunzip(packed);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
