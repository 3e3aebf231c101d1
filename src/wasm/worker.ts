// The source of a worker. It instantiates the module on the shared memory and waits in wasm for programs; a trap while it
// serves is noted in shared memory, where the others see it, and told to the host. bundle.mjs also writes it as a file.
//
// Pieces lie in shared memory as bytes, one behind another: wasm calls `take` before it walks a program, which makes kernels of those that
// came since, in their order, so that a place in the table means the same to every thread. A policy that counts for workers alone may
// forbid that: such a worker says so from the start, and gets no program with pieces.

import { EMPTY } from "./compile.ts";
import { GENERATION, PIECES, PIECES_BASE, TAKES, TRAPPED } from "./control.ts";

export const WORKER = `
self.onmessage = async ({ data: { module, memory, names, ith } }) => {
  const table = new WebAssembly.Table({ initial: names.length + 16, element: "anyfunc" });
  let ready = ${TAKES};
  let at = ${PIECES_BASE};
  const take = () => {
    const words = new Int32Array(memory.buffer);
    const end = ${PIECES_BASE} + Atomics.load(words, ${PIECES >> 2});
    for (let next; ready === ${TAKES} && at < end; at = next) {
      const length = words[at >> 2];
      const piece = new WebAssembly.Module(new Uint8Array(memory.buffer, at + 4, length).slice());
      table.grow(1, new WebAssembly.Instance(piece, { env: { memory } }).exports.f);
      next = (at + 7 + length) & -4;
    }
  };
  const exit = () => self.close ? self.close() : process.exit(1);
  let serving = false;
  try {
    const { exports } = await WebAssembly.instantiate(module, { env: { memory, table, exit, take, now: () => performance.now() } });
    names.forEach((name, i) => table.set(i + 16, exports[name]));
    try {
      new WebAssembly.Module(new Uint8Array([${EMPTY}]));
    } catch {
      ready = 1;
    }
    serving = true;
    exports.serve(ith, ready);
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
