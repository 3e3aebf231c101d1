// The source of a worker. It instantiates the module on the shared memory and waits in wasm for programs; a trap while it
// serves is noted in shared memory, where the others see it, and told to the host. bundle.mjs also writes it as a file.
import { GENERATION, TRAPPED } from "./control.ts";

export const WORKER = `
self.onmessage = async ({ data: { module, memory, names, ith } }) => {
  const table = new WebAssembly.Table({ initial: names.length + 16, element: "anyfunc" });
  const exit = () => self.close ? self.close() : process.exit(1);
  let serving = false;
  try {
    const { exports } = await WebAssembly.instantiate(module, { env: { memory, table, exit, now: () => performance.now() } });
    names.forEach((name, i) => table.set(i + 16, exports[name]));
    serving = true;
    exports.serve(ith);
  } catch (error) {
    if (serving) {
      const words = new Int32Array(memory.buffer);
      Atomics.store(words, ${TRAPPED >> 2}, 1 + ith);
      Atomics.notify(words, ${GENERATION >> 2});
    }
    self.postMessage({ trap: String(error && error.message || error) });
  }
};
`;
