// The builds: relaxed and wide hold relaxed SIMD instructions, simd none; all export the same kernels.
import { readFileSync } from "node:fs";
import binaryen from "binaryen";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { enableRelaxedSimd } from "../src/host/probe.ts";
import { kernelNames } from "../src/wasm/load.ts";

const bytes = (build: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../dist/${build}.wasm`, import.meta.url)));

/** How often each SIMD instruction stands in the code. */
function instructions(build: string): Map<string, number> {
  const module = binaryen.readBinary(bytes(build));
  const found = new Map<string, number>();
  for (const [name] of module.emitText().matchAll(/\b(?:[fi]\d+x\d+|v128)\.\w+/g)) {
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  module.dispose();
  return found;
}
const relaxed = (found: Map<string, number>): string[] => [...found.keys()].filter((name) => name.includes("relaxed"));

test("the simd build holds no relaxed instruction", () => {
  const found = instructions("simd");
  assert.ok(found.get("f32x4.mul")! > 100);
  assert.equal(relaxed(found), []);
});

for (const build of ["relaxed", "wide"]) {
  test(`the ${build} build holds fused multiply-adds`, () => {
    const found = instructions(build);
    // laneselect gives the same everywhere for masks of whole lanes, which all of ours are.
    assert.equal(relaxed(found).sort(), ["f32x4.relaxed_madd", "f32x4.relaxed_nmadd", "i32x4.relaxed_laneselect"]);
    assert.ok(found.get("f32x4.relaxed_madd")! > 100);
  });
}

test("all builds export the same kernels", async () => {
  assert.ok(await enableRelaxedSimd());
  const names = await Promise.all(
    ["simd", "relaxed", "wide"].map(async (b) => kernelNames(await WebAssembly.compile(bytes(b)))),
  );
  assert.equal(names[0], names[1]);
  assert.equal(names[0], names[2]);
  for (const name of names[0]!) assert.match(name, /^[a-z0-9_]+_(f32|i32|b32)$/);
});

test.run();
