// Chains from one element on: tests of captured steps, of what is behind a fault, of writes and views once more, whose tensors are small.
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runFile } from "./file.ts";

const FILES = [
  ...["captured", "captured-host", "captured-gradients", "capture", "views-captured", "writes"],
  ...["behind", "faults", "optim-rule", "passes-small", "barriers"],
];
const root = fileURLToPath(new URL("..", import.meta.url));
const hook = new URL("chains-hook.mjs", import.meta.url).href;
const env = { ...process.env, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import ${hook}`.trim() };

for (const name of FILES) {
  test(`${name}.test.ts`, async () => {
    const { passed, failed, trouble, text } = await runFile(`${name}.test.ts`, { root, env, hangMs: 600_000 });
    // Marked, so that the runner does not count its lines.
    const end = text.slice(-3000).replaceAll("\n", "\n| ");
    assert.is(trouble, null, end);
    assert.is(failed, 0, end);
    assert.ok(passed > 0, end);
    console.log(`with chains: ${name}: ${passed}`);
  });
}

test.run();
