// Where the package's files are. Each address is a literal of its own, since bundlers copy the file that such a literal
// names. These say where the files lie as seen from the sources; bundle.mjs makes "./" of "../../dist/".
import { hasBuiltins, nodeProcess } from "../host/node.ts";
import type { Build } from "./options.ts";

const BESIDE: Record<string, () => URL> = {
  "simd.wasm": () => new URL("../../dist/simd.wasm", import.meta.url),
  "relaxed.wasm": () => new URL("../../dist/relaxed.wasm", import.meta.url),
  "wide.wasm": () => new URL("../../dist/wide.wasm", import.meta.url),
  "wasmgrad-worker.js": () => new URL("../../dist/wasmgrad-worker.js", import.meta.url),
};

/** The names of the builds' files. */
export const FILES: Record<Build, string> = { simd: "simd.wasm", relaxed: "relaxed.wasm", "256": "wide.wasm" };

/** True where this runs from the sources. */
export const fromSources = (): boolean => String(import.meta.url).endsWith(".ts");

/** `__filename` in the CommonJS bundles, and only there: bundle.mjs puts it in, since webpack takes the name itself for a promise. */
declare const COMMONJS_FILE: string | undefined;

/** Where the first script lies: a page's classic one, a worker's, or a CommonJS file. */
function firstScript(): string | undefined {
  const { document, location } = globalThis as {
    document?: { currentScript?: { src?: string } | null };
    location?: { href: string };
  };
  // A bundle for Node that is no module does not know its own file: the program's is the next best.
  const file = typeof COMMONJS_FILE === "string" ? COMMONJS_FILE : hasBuiltins() ? nodeProcess()?.argv?.[1] : undefined;
  if (file !== undefined) {
    const path = encodeURI(file.replaceAll("\\", "/")).replace(/[?#]/g, encodeURIComponent);
    return `file://${path.startsWith("/") ? "" : "/"}${path}`;
  }
  return document === undefined ? location?.href : document.currentScript?.src;
}
/** Asked for while the script runs: later the page does not tell. */
const script = firstScript();

/**
 * The address of a file of the package; null where nothing tells. Bundles that are no modules (iife, cjs) have no
 * `import.meta.url`: there it lies beside the script. In a bundle that is one it may not lie there either.
 */
export function urlOf(file: string): URL | null {
  for (const find of [BESIDE[file]!, () => new URL(file, script)]) {
    try {
      return find();
    } catch {
      // No such address, or none that others can lie beside (`blob:`).
    }
  }
  return null;
}
