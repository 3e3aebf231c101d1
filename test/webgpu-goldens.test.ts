// The cases recorded from PyTorch (goldens.ts) on WebGPU.
import { suite } from "uvu";
import { WebGpuDevice } from "../src/webgpu/device.ts";
import { folder, goldens } from "./goldens.ts";
import { lack } from "./webgpu-adapter.ts";

const all = suite("goldens, webgpu");
const found = goldens();
const missing = found === null ? `no folder ${folder} of recorded cases (GOLDENS_DIR)` : lack;
if (missing !== null) {
  all.skip("goldens on webgpu");
  console.log(`skipped: goldens on webgpu: ${missing}`);
}
let device: WebGpuDevice | undefined;
for (const { name, check } of missing === null ? found!.checks : []) {
  all(`${name}: webgpu`, async () => {
    if (device === undefined || device.failed !== null) device = await WebGpuDevice.create();
    await check(device);
  });
}
all.after(() => device?.dispose());
all.run();
