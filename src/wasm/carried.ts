// Builds that a bundle carries inside, for pages that load no further file: the entry `wasmgrad/inline` brings them by carry.ts.
import { FILES } from "./address.ts";
import type { Build } from "./options.ts";

/** What unpacks a file, by its name. */
export const carried = new Map<string, () => Promise<Uint8Array<ArrayBuffer>>>();

/** The builds that are carried. */
export const carriedBuilds = (): Build[] => (Object.keys(FILES) as Build[]).filter((b) => carried.has(FILES[b]));
