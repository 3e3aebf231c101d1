// The second set of cases recorded from PyTorch (goldens2.ts) on WebGPU. What is known to fail must fail here too.
import { suite } from "uvu";
import { WebGpuDevice } from "../src/webgpu/device.ts";
import { checkKnown, folder2, goldens2 } from "./goldens2.ts";
import { lack } from "./webgpu-adapter.ts";

const all = suite("goldens2, webgpu");
const found = goldens2();
const missing = found === null ? `no folder ${folder2} of recorded cases (GOLDENS2_DIR)` : lack;
if (missing !== null) {
  all.skip("goldens2 on webgpu");
  console.log(`skipped: goldens2 on webgpu: ${missing}`);
}
let device: WebGpuDevice | undefined;
for (const { name, check } of missing === null ? found!.checks : []) {
  all(`${name}: webgpu`, async () => {
    if (device === undefined || device.failed !== null) device = await WebGpuDevice.create();
    await checkKnown(name, check, device);
  });
}
all.after(() => device?.dispose());
all.run();
