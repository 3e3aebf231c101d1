// Choices: the rows that one puts in the place of a row give the same result. The other tests let the reference choose as the device
// does, for the bounds of its errors, so a choice that makes a wrong row is wrong on both sides there.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Choice } from "../src/program/choices.ts";
import { winograd } from "../src/program/winograd.ts";
import { cases } from "./cases/conv.ts";
import { execute, type Value } from "./harness.ts";
import { ReferenceDevice } from "./reference.ts";

/** Rows that were replaced, by kernel. */
const taken = new Map<string, number>();
const noting = (kernel: string, choice: Choice): Choice => {
  return (row, make) => {
    const rows = choice(row, make);
    if (rows !== null) taken.set(kernel, (taken.get(kernel) ?? 0) + 1);
    return rows;
  };
};
const chosen = new ReferenceDevice();
chosen.choices = Object.fromEntries(Object.entries(winograd).map(([k, choice]) => [k, noting(k, choice)]));
const plain = new ReferenceDevice();

/** In f64 two algorithms differ in the last places. */
function near(what: string, got: Value, expected: Value): void {
  assert.equal(got.shape, expected.shape, what);
  const size = Array.from(expected.data).reduce((most, x) => Math.max(most, Math.abs(x)), 1);
  const off = got.data.findIndex((x, i) => {
    const y = expected.data[i]!;
    return !(Math.abs(x - y) <= 1e-10 * size || Object.is(x, y));
  });
  assert.is(off, -1, `${what}: at ${off} ${got.data[off]}, expected ${expected.data[off]}`);
}

test("a convolution and its gradients come to the same by the algorithm that is chosen", () => {
  let compared = 0;
  for (const c of cases) {
    const before = [...taken.values()].join();
    const got = execute(c, chosen);
    if ([...taken.values()].join() === before) continue;
    compared++;
    const expected = execute(c, plain);
    near(c.name, got.out, expected.out);
    for (const [i, g] of got.grads.entries())
      if (g !== null) near(`${c.name}: gradient of input ${i}`, g, expected.grads[i]!);
  }
  assert.ok(compared > 20, `${compared} cases`);
  const kernels = ["conv2d_f32", "conv2d_bias_f32", "conv2d_vjp_x_f32", "conv2d_vjp_w_f32"];
  for (const kernel of kernels) assert.ok((taken.get(kernel) ?? 0) > 10, `${kernel}: ${taken.get(kernel)}`);
});

test.run();
