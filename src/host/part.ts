// Parts of the package that are loaded when they are first needed.
import { fail } from "../core/error.ts";

/** What `load` imports. Service workers import nothing while they run: there the entries that have it must be imported at the start. */
export async function part<T>(op: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const why = (error as Error).message ?? String(error);
    return fail(
      op,
      `a part of the package could not be loaded (${why}): it must be served beside the rest; service workers, which ` +
        'load nothing, read safetensors by the entry "wasmgrad/io"',
    );
  }
}

/** What is done with modules of Node: pages do not load it. */
export const side = () => part("init", () => import("./side.ts"));
