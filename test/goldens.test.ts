// The cases recorded from PyTorch (goldens.ts) on the wasm device. What does not exist here yet is listed by name.
import { suite, test } from "uvu";
import { init } from "../src/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import type { Build } from "../src/wasm/options.ts";
import { folder, goldens } from "./goldens.ts";
import { ready } from "./waiting.ts";

const found = goldens();
if (found === null) {
  test.skip(`goldens: no folder ${folder}`);
  console.log(`skipped: goldens: the folder of recorded cases is not there (GOLDENS_DIR)`);
  test.run();
} else {
  const { checks, skipped } = found;
  for (const build of ["simd", "relaxed"] as Build[]) {
    for (const threads of [1, 2]) {
      const all = suite(`goldens, ${build}, ${threads} thread${threads === 1 ? "" : "s"}`);
      let device: WasmDevice;
      all.before(async () => {
        device = await ready(await init({ simd: build, threads }));
      });
      all.after(() => device.dispose());
      for (const { name, check } of checks) all(`${name}: ${build}, ${threads} threads`, () => check(device));
      all.run();
    }
  }
  for (const name of skipped) test.skip(name);
  test.run();
  console.log(`skipped: ${skipped.length} recorded cases of what is not here yet: ${skipped.join(", ")}`);
}
