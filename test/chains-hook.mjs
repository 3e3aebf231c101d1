// `NODE_OPTIONS="--import ./test/chains-hook.mjs"`: chains from one element on, so that tests of small tensors have them.
import { isMainThread } from "node:worker_threads";
import "tsx";

if (isMainThread) {
  const { PAYS } = await import("../src/program/passes/chains.ts");
  Object.assign(PAYS, { piece: 1, alone: 1, shared: 1 });
}
