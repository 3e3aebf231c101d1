// Cases on WebGPU against the reference, forward, gradients and gradients of gradients: the small ones, or with
// WEBGPU_CASES=all every one (`npm run test-webgpu`), and those again with guards around inputs and
// storages. And on a device with the least limits and without subgroups: all, or those of families that use subgroups.
import { suite, test } from "uvu";
import * as assert from "uvu/assert";
import { init } from "../src/init.ts";
import { table } from "../src/program/kernels/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { WebGpuDevice } from "../src/webgpu/device.ts";
import { registry } from "../src/webgpu/kernels/index.ts";
import { type Case, small, special } from "./cases/case.ts";
import { cases } from "./cases/index.ts";
import { execute, reference } from "./harness.ts";
import { gpuTest, lack, leastDevice } from "./webgpu-adapter.ts";
import { checkCase, guard } from "./webgpu-harness.ts";

/** Kernels that passes alone launch, and those of an algorithm that a device may offer: without them others do the work. */
/** Kernels that a device may lack: those of passes and choices alone. */
const optional = (name: string): boolean =>
  table()
    .get(name)
    ?.tags.some((tag) => tag === "passes" || tag === "choices") ?? false;

/** Kernels that cases launch on the reference. */
function launchedBy(list: readonly Case[]): Set<string> {
  const seen = new Set<string>();
  const launch = reference.launch.bind(reference);
  reference.launch = (name, ...rest) => {
    seen.add(name);
    launch(name, ...rest);
  };
  try {
    for (const c of list) execute(c, reference);
  } finally {
    reference.launch = launch;
  }
  return seen;
}

test("every kernel of the wasm device is there, but those that only passes or Winograd launch", async () => {
  const wasm = (await init({ threads: 1 })) as WasmDevice;
  const names = wasm.kernelNames.filter((name) => !optional(name));
  await wasm.dispose();
  assert.equal(
    names.filter((name) => !(name in registry)),
    [],
  );
});

test("the small cases launch every kernel that cases launch", () => {
  const few = launchedBy(small(cases));
  const all = launchedBy(cases.filter((c) => !/\d{5}/.test(c.name)));
  assert.equal(
    [...all].filter((name) => !few.has(name) && !optional(name)),
    [],
  );
});

const SUBGROUPS = /softmax|reduce|norm|loss/;
const full = process.env.WEBGPU_CASES === "all";
const list = full ? cases : small(cases);
const deviations: string[] = [];
gpuTest("a driver's own way with special values is reported", async () => {
  for (const line of deviations) console.log(`deviation: ${line}`);
});

for (const build of ["webgpu", ...(full ? ["webgpu, guarded"] : []), "webgpu, least limits"]) {
  const guarded = build.includes("guarded");
  const least = build.includes("least");
  const those = least && !full ? list.filter((c) => SUBGROUPS.test(c.family)) : list;
  const all = suite(build);
  let device: WebGpuDevice | undefined;
  let look: (() => Promise<void>) | undefined;
  all.after(() => device?.dispose());
  if (lack !== null) {
    console.log(`skipped: ${those.length} cases on ${build}: ${lack}`);
    all.skip(`${those.length} cases on ${build}`);
  }
  for (const c of lack === null ? those : []) {
    all(`${c.family}: ${c.name}: ${build}`, async () => {
      if (device === undefined || device.failed !== null) {
        device = least ? await leastDevice() : await WebGpuDevice.create();
        if (guarded) look = guard(device);
      }
      try {
        await checkCase(c, device, guarded);
      } catch (error) {
        const { message } = error as Error;
        if (!special(c) || !message.includes(": off by")) throw error;
        deviations.push(message);
      }
      await look?.();
    });
  }
  all.run();
}
test.run();
