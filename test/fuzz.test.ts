// Programs that once differed from PyTorch (fuzz-seeds.json), against its recorded answers, on the f64 reference and on wasm;
// and programs as the fuzzer draws them as captured functions. `npm run fuzz` draws more, beside PyTorch.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Device, init } from "../src/index.ts";
import { capturable, compareCaptured } from "./fuzz/captured.ts";
import { draw, FAMILIES } from "./fuzz/families.ts";
import { printed } from "./fuzz/program.ts";
import { judge, seeds } from "./fuzz/seeds.ts";
import { ReferenceDevice } from "./reference.ts";
import { ready } from "./waiting.ts";

const reference = new ReferenceDevice();
let device: Device;
test.before(async () => {
  device = await ready(await init({ threads: 2 }));
});
test.after(() => device.dispose());

for (const { program, answer, known, capturedKnown } of seeds()) {
  test(`${program.name}${known === undefined ? "" : ", known to fail"}`, () => {
    const mismatch = judge(program, answer, reference, device);
    if (known === undefined) assert.ok(mismatch === null, `${mismatch?.text}\n${printed(program)}`);
    else assert.ok(mismatch !== null, `it passes now: npm run fuzz -- --review takes "${known}" from it`);
  });
  if (!capturable(program)) continue;
  test(`captured: ${program.name}${capturedKnown === undefined ? "" : ", known to fail"}`, async () => {
    const mismatch = await compareCaptured(program, device);
    if (capturedKnown === undefined) assert.ok(mismatch === null, `${mismatch?.text}\n${printed(program)}`);
    else assert.ok(mismatch !== null, `it passes now: npm run fuzz -- --review takes "${capturedKnown}" from it`);
  });
}

test("programs draw the same again, and give as captured functions what plain calls give", async () => {
  let compared = 0;
  for (const family of Object.keys(FAMILIES)) {
    for (let i = 0; i < 12; i++) {
      const program = draw(family, 20240607, i);
      assert.equal(draw(family, 20240607, i), program);
      if (!capturable(program)) continue;
      const mismatch = await compareCaptured(program, device);
      assert.ok(mismatch === null, `${mismatch?.text}\n${printed(program)}`);
      compared++;
    }
  }
  assert.ok(compared > 50, `${compared}`);
});

test.run();
