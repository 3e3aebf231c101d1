// What is done with modules of Node alone, in Node, Deno and Bun: pages do not load it.
import { builtin, nodeProcess } from "./node.ts";
import type { HostWorker, WorkerEvents } from "./workers.ts";

/** In threads `self` is made of the port; elsewhere it is there. */
const NODE_SELF = `
import { parentPort } from "node:worker_threads";
const self = { postMessage: (m) => parentPort.postMessage(m) };
parentPort.on("message", (data) => self.onmessage({ data }));
`;

/** Starts worker_threads, which Deno and Bun have too: they let the program end, and tell of every death. */
export async function starter(source: string): Promise<(name: string, events: WorkerEvents) => HostWorker> {
  const { Worker } = await builtin("node:worker_threads");
  return (name, events) => {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(NODE_SELF + source)}`), { name });
    worker.on("message", (data) => events.message(data));
    worker.on("error", (error) => events.exit(String((error as Error)?.message ?? error)));
    worker.on("exit", (code) => events.exit(`it exited with code ${code}`));
    worker.unref();
    return { post: (m) => worker.postMessage(m), terminate: () => void worker.terminate() };
  };
}

/** The collector of garbage, which V8 shows on demand; null where there is none to be had. */
export async function exposed(): Promise<(() => void) | null> {
  try {
    const v8 = await builtin("node:v8");
    const vm = await builtin("node:vm");
    v8.setFlagsFromString("--expose-gc");
    const gc = vm.runInNewContext("globalThis.gc") as (() => void) | undefined;
    v8.setFlagsFromString("--no-expose-gc");
    return typeof gc === "function" ? gc : null;
  } catch {
    return null; // hosts that have the modules and refuse what they do
  }
}

/** Node 20 has relaxed SIMD behind a flag that can be set while it runs; newer ones have it, and know no such flag. */
export async function relaxSimd(): Promise<void> {
  if (!(Number.parseInt(nodeProcess()!.versions!.node!, 10) <= 20)) return;
  (await builtin("node:v8")).setFlagsFromString("--experimental-wasm-relaxed-simd");
}

export const parallelism = async (): Promise<number> => (await builtin("node:os")).availableParallelism();

/** The bytes of a file. */
export const readFile = async (file: URL): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await (await builtin("node:fs/promises")).readFile(file));

/** The address of a file, relative to the working folder. */
export async function addressOf(file: string): Promise<URL> {
  const [path, url] = [await builtin("node:path"), await builtin("node:url")];
  return url.pathToFileURL(path.resolve(file));
}

export const gunzip = async (packed: Uint8Array): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array((await builtin("node:zlib")).gunzipSync(packed));
