// How a bundle carries a build inside: pages that carry none leave this out.
import { hasBuiltins } from "../host/node.ts";
import { side } from "../host/part.ts";
import { carried } from "./carried.ts";

/** Lets `init` take a build's file from this text, gzip data in base64, which bundle.mjs makes. */
export function carry(file: string, text: string): void {
  carried.set(file, async () => {
    const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    // Test runners that play a page in Node lack the streams of one.
    if (hasBuiltins()) return (await side()).gunzip(packed);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  });
}
