// wasmgrad: the built bundle, captured and eager, and the peak of the build. Arguments: build, threads.

import { floatsOf } from "../measure.ts";
import type { Build } from "../peaks.ts";
import { Peaks } from "../peaks.ts";
import { library, prepare, ready } from "../work.ts";
import { serve } from "./adapter.ts";

const [build = "relaxed", threads = "1"] = process.argv.slice(2) as [Build, string];
const w = await library();
const device = await w.init({ simd: build, threads: Number(threads) });
await ready(device);
let peaks: Peaks | null = null;

await serve({ wasmgrad: w.version, node: process.versions.node, v8: process.versions.v8 }, (c, mode) => {
  if (mode === "peak") {
    peaks ??= new Peaks(build, Number(threads), 16 << 20);
    const floats = floatsOf(c);
    const work = peaks.work(c.peak, floats);
    // So much of the peak's own work takes as long as the case would at the peak.
    return { ...work, unit: peaks.amount(c.peak, floats) / c.work };
  }
  const work = prepare(w, device, c, mode);
  if (work === null) throw new Error("the library has no such op yet");
  return work;
});
