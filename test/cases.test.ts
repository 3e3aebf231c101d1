// Every case on the reference (gradients against differences) and on the wasm device: all builds, 1, 2 and 3 threads.
import { setFlagsFromString } from "node:v8";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lacksRevectorizer } from "../src/host/revectorize.ts";
import { init } from "../src/init.ts";
import { factsOf } from "../src/program/kernels/facts.ts";
import { table } from "../src/program/kernels/index.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { BUILDS } from "../src/wasm/load.ts";
import { cases as complete } from "./cases/index.ts";
import {
  check,
  checkGradient,
  checkTwice,
  differentiable,
  execute,
  guard,
  type Outcome,
  sameBits,
  title,
  watch,
} from "./harness.ts";
import { ready } from "./waiting.ts";

/** What a variable of the environment leaves of all that runs here. What it leaves out is named, and run.ts repeats it. */
function part<T extends string | number>(variable: string, whole: readonly T[], which: string): readonly T[] {
  const wanted = process.env[variable]?.split(",");
  if (wanted === undefined) return whole;
  const left = whole.filter((x) => !wanted.includes(String(x)));
  if (left.length > 0) console.log(`skipped: all cases ${which} ${left.join(", ")}: ${variable} is ${wanted}`);
  return whole.filter((x) => wanted.includes(String(x)));
}
const families = part("CASES_FAMILIES", [...new Set(complete.map((c) => c.family))], "of");
const builds = part("CASES_BUILDS", BUILDS, "with the build");
const counts = part("CASES_THREADS", [1, 2, 3], "with a number of threads of");
const cases = complete.filter((c) => families.includes(c.family));

const gradients = suite("reference, f64");
for (const c of cases) {
  if (!differentiable(c)) continue;
  gradients(`${c.family}: ${c.name}: gradient and differences`, () => checkGradient(c));
  if (c.order === 2) gradients(`${c.family}: ${c.name}: second gradient and differences`, () => checkTwice(c));
}
gradients("names are different", () => {
  const names = cases.map((c) => `${c.family}: ${c.name}`);
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  assert.equal(twice, []);
});
gradients.run();

// V8's flags hold for the rest of the process, so "256" comes last. Its bits are those of relaxed. Only optimized code has
// 256 bits: V8's quick first tier is turned off.
const lack = await lacksRevectorizer();
if (lack !== null) console.log(`skipped: all cases with the build 256: ${lack}`);
let before = new Map<string, Outcome>();
for (const build of builds.filter((b) => b !== "256" || lack === null)) {
  if (build !== "256") before = new Map();
  const bits = before;
  for (const threads of counts) {
    const all = suite(`${build}, ${threads} thread${threads === 1 ? "" : "s"}`);
    let device: WasmDevice;
    let seen: ReturnType<typeof watch>;
    all.before(async () => {
      if (build === "256") setFlagsFromString("--no-liftoff");
      device = await ready(await init({ simd: build, threads }));
      seen = watch(device);
    });
    all.after(() => device.dispose());
    for (const c of cases) {
      const name = `${c.family}: ${c.name}`;
      all(`${name}: ${build}, ${threads} threads`, () => {
        const got = execute(c, device);
        check(c, got, device);
        const one = bits.get(name);
        if (one === undefined) bits.set(name, got);
        else sameBits(`${title(c, device)}: not the bits of ${threads === 1 ? "relaxed" : "1 thread"}`, got, one);
      });
    }
    const launched = cases.length === complete.length ? all : all.skip;
    launched(`every kernel was launched: ${build}, ${threads} threads`, () => {
      // What passes alone launch: passes.test.ts holds it to the plain rows.
      const names = device.kernelNames.filter((name) => !table().get(name)!.tags.includes("passes"));
      assert.equal(
        names.filter((name) => !seen.launched.has(name)),
        [],
      );
      assert.equal(
        names.filter((name) => !seen.shared.has(name) && !factsOf(name).once),
        [],
        "with enough work for several threads",
      );
    });
    if (threads > 1) {
      all(`every thread has worked: ${build}, ${threads} threads`, () => {
        for (const work of device.workByThread()) assert.ok(work > 0);
      });
    }
    all.run();
  }

  // Inputs off the grid of 16 bytes in the middle of NaN, words behind every storage: nothing else is read or written.
  const guarded = suite(`${build}, guarded`);
  let device: WasmDevice;
  let look: () => void;
  guarded.before(async () => {
    device = (await init({ simd: build, threads: 1, debug: true })) as WasmDevice;
    look = guard(device);
  });
  guarded.after(() => device.dispose());
  for (const c of cases) {
    const name = `${c.family}: ${c.name}`;
    guarded(`${name}: ${build}, guarded`, () => {
      const got = execute(c, device, true);
      look();
      check(c, got, device);
      sameBits(`${title(c, device)}: not the bits of an aligned input`, got, bits.get(name)!);
    });
  }
  guarded.run();
}
