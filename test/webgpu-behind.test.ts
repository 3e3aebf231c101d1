// After a fault, nothing lies, on WebGPU: see behind.ts.
import { test } from "uvu";
import * as w from "../src/index.ts";
import { behind } from "./behind.ts";
import { gpuTest, lack } from "./webgpu-adapter.ts";

if (lack === null) {
  // One device for all: it keeps its pipelines.
  const device = await w.init({ device: "webgpu" });
  behind(
    "webgpu",
    gpuTest,
    async () => device,
    false,
    async () => {},
  );
  test.after(() => device.dispose());
} else gpuTest("after a fault nothing lies", async () => {});

test.run();
