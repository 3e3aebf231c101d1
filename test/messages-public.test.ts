// The messages of public names are those of messages.snap.json: on the sources and, by dist.test.ts, on what is published.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import snapshot from "./messages.snap.json" with { type: "json" };
import { cases } from "./messages.ts";
import { hostWords } from "./messages-words.ts";
import { inPage } from "./place.ts";

// The messages of missing digits are asked for: where the environment names a folder of them, nothing would be thrown.
if (!inPage) delete process.env.MNIST_DIR;

/** Plays another processor for Node. */
const HOST_ONLY = new Set(["init: simd 256 on another processor"]);
const MAY_NOT_WAIT =
  "GradScaler: on this thread wasm cannot wait for what the gradients hold: float32 needs no scaling, use enabled: false";
/** A page's own thread may not wait, which it says first. */
const IN_PAGE: Record<string, string> = {
  "capture: reading inside": "dataSync: []: this thread may not wait; use await data()",
  "GradScaler: unscaled twice": MAY_NOT_WAIT,
  "GradScaler: unscaled behind the step": MAY_NOT_WAIT,
  "GradScaler: two steps": MAY_NOT_WAIT,
  "GradScaler: asked inside capture": MAY_NOT_WAIT,
};

const names = Object.keys(cases).filter((name) => !(inPage && HOST_ONLY.has(name)));
for (const name of HOST_ONLY) if (!names.includes(name)) console.log(`skipped: ${name}: not in a page`);
const expected: Record<string, string> = { ...snapshot, ...(inPage ? IN_PAGE : {}) };

test("each message is as it was", async () => {
  const device = await w.init({ threads: 1 });
  const wrong: string[] = [];
  for (const name of names) {
    w.setDefaultDevice(device);
    let found = "nothing was thrown";
    try {
      await cases[name]!();
    } catch (error) {
      const { message, stack } = error as Error;
      found = error instanceof w.WasmgradError ? hostWords(message) : `not an error of the package: ${stack}`;
    }
    if (found !== expected[name]) wrong.push(`${name}: ${found}\n  expected: ${expected[name]}`);
  }
  await device.dispose();
  assert.is(wrong.join("\n"), "");
});

test.run();
