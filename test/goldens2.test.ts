// The second set of cases recorded from PyTorch (goldens2.ts) on the wasm device. What does not exist here yet is listed by
// name; what is known to fail must fail.
import { suite, test } from "uvu";
import * as assert from "uvu/assert";
import { init } from "../src/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import type { Build } from "../src/wasm/options.ts";
import { KNOWN } from "./goldens/known.ts";
import { checkKnown, folder2, goldens2, known } from "./goldens2.ts";
import { ready } from "./waiting.ts";

const found = goldens2();
if (found === null) {
  test.skip(`goldens2: no folder ${folder2}`);
  console.log("skipped: goldens2: the folder of recorded cases is not there (GOLDENS2_DIR)");
  test.run();
} else {
  const { checks, skipped } = found;
  for (const build of ["simd", "relaxed"] as Build[]) {
    for (const threads of [1, 2]) {
      const all = suite(`goldens2, ${build}, ${threads} thread${threads === 1 ? "" : "s"}`);
      let device: WasmDevice;
      all.before(async () => {
        device = await ready(await init({ simd: build, threads }));
      });
      all.after(() => device.dispose());
      for (const { name, check } of checks) {
        const failing = known(name) === null ? "" : ", known to fail";
        all(`${name}${failing}: ${build}, ${threads} threads`, () => checkKnown(name, check, device));
      }
      all.run();
    }
  }
  test("every case that is known to fail is one of those", () => {
    const names = new Set(checks.map(({ name }) => name));
    const listed = Object.values(KNOWN).flat();
    assert.equal(
      listed.filter((name) => !names.has(name)),
      [],
    );
    assert.is(new Set(listed).size, listed.length);
  });
  for (const name of skipped) test.skip(name);
  test.run();
  console.log(`skipped: ${skipped.length} cases of the second set of what is not here yet: ${skipped.join(", ")}`);
}
