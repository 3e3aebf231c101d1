// By hand: `node --import tsx test/webgpu-run.ts FAMILY [part of a name] [--small] [--times] [--guard]` runs
// cases on WebGPU against the reference. FAMILY may be `all`.
import { WebGpuDevice } from "../src/webgpu/device.ts";
import { type Case, small } from "./cases/case.ts";
import { cases } from "./cases/index.ts";
import { checkAll, guard } from "./webgpu-harness.ts";

const MOST_SHOWN = 20;
const args = process.argv.slice(2);
const [family = "all", part = ""] = args.filter((a) => !a.startsWith("--"));
const from = args.includes("--small") ? small(cases) : cases;
const list = from.filter((c) => (family === "all" || c.family === family) && c.name.includes(part));
let device = await WebGpuDevice.create();
console.log(device.info.why);
const begin = performance.now();
const total = { passed: 0, failures: 0, deviations: 0 };
const times: [ms: number, name: string][] = [];
let rest = list;
while (rest.length > 0) {
  const look = args.includes("--guard") ? guard(device) : undefined;
  const took = (c: Case, ms: number) => times.push([ms, `${c.family}: ${c.name}`]);
  const { passed, failures, deviations } = await checkAll(rest, device, took, look);
  total.passed += passed;
  for (const { c, message } of failures) {
    if (total.failures++ < MOST_SHOWN) console.log(`FAIL ${c.family}: ${c.name}\n     ${message.slice(0, 400)}`);
  }
  for (const { message } of deviations) {
    if (total.deviations++ < MOST_SHOWN) console.log(`DRIVER ${message.slice(0, 400)}`);
  }
  rest = rest.slice(passed + failures.length + deviations.length);
  if (device.failed !== null && rest.length > 0) device = await WebGpuDevice.create();
}
await device.dispose();
if (args.includes("--times")) {
  for (const [ms, name] of times.sort((a, b) => b[0] - a[0]).slice(0, MOST_SHOWN))
    console.log(`${ms.toFixed(0)} ms ${name}`);
}
console.log(
  `${total.passed} of ${list.length} cases pass, ${total.failures} fail, ${total.deviations} deviations of special values; ` +
    `${((performance.now() - begin) / 1000).toFixed(1)} s`,
);
process.exitCode = total.failures > 0 ? 1 : 0;
