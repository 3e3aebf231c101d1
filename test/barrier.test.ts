// The barrier while the code is young: thread 0 returns to the host from a barrier that others reach late, and must come back.
// V8's baseline compiler (Node 20) loses a local across atomic.wait; what it compiled is gone after some hundred calls, so
// this is a process of its own.
import { suite } from "uvu";
import { init } from "../src/init.ts";
import { AWAKE } from "../src/wasm/control.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import type { Build } from "../src/wasm/options.ts";
import { type Case, f } from "./cases/case.ts";
import { execute, type Outcome, sameBits, title } from "./harness.ts";
import { ready } from "./waiting.ts";

// Three shares of 50 ms and more on two cores: some thread is later than the 20 ms for which thread 0 waits in wasm.
const LONG: Case = {
  ...{ family: "matmul", name: "long shares", tolerance: "sum", order: 0, marks: [] },
  inputs: [f([1201, 801]), f([801, 1203])],
  run: (a, b) => a!.matmul(b!),
};

for (const build of ["simd", "relaxed"] as Build[]) {
  const all = suite(`barrier, ${build}`);
  let one: Outcome;
  for (const [threads, awake] of [[1], [3], [2], [2, true]] as [number, boolean?][]) {
    all(`long shares: ${build}, ${threads} threads${awake ? ", thread 0 may not sleep" : ""}`, async () => {
      const device: WasmDevice = await ready(await init({ simd: build, threads }));
      if (awake) device.memoryOf.u32[AWAKE >> 2] = 1;
      try {
        for (let round = 0; round < (threads === 1 ? 1 : 8); round++) {
          const got = execute(LONG, device);
          one ??= got;
          sameBits(`${title(LONG, device)}: not the bits of 1 thread`, got, one);
        }
      } finally {
        await device.dispose();
      }
    });
  }
  all.run();
}
