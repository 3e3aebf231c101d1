// What an op makes on its way is given back: a case that runs again and again, with a backward and without, holds no more tensors
// after one run than after the one before. Memory would be found by the collector all the same, but late.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { setDefaultDevice } from "../src/core/device.ts";
import { count } from "../src/core/lifetime.ts";
import { backward } from "../src/core/tape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { full, manualSeed, matmul, select, softmax, t, tensor } from "../src/ops/index.ts";
import { type Case, dtypeOf, small, values } from "./cases/case.ts";
import { cases } from "./cases/index.ts";
import { reference } from "./harness.ts";

/** Cases that make several tensors themselves, or drop one of several results: those are the caller's. */
const OWN =
  /views|transpose|turned|heads|columns|gaps|expanded|inside| of a part|transposed part|made dense|itself|branches|every second|neither rows|over products|batches|linear of|steps first|Winograd.* relu|then relu|matmul: matmul (nt|tn|tt)|int32, \[5,7\]|^reduce: (max|min)|t of t|heaviside|logits|the second draw/;
/** Recorded, the tensors in between go with the graph: these are left. */
const OWN_RECORDED = /views|: clamp \[|at its bounds|^reduce: (max|min)|^inplace: .* part/;

function place(c: Case, recorded: boolean): Tensor[] {
  return c.inputs.map((input, i) => {
    const [dtype, data] = [dtypeOf(input), values(input, i)];
    const x = tensor(dtype === "bool" ? Uint8Array.from(data) : data, { shape: input.shape, dtype });
    return recorded && c.order > 0 && dtype === "float32" && input.grad !== false ? x.requiresGrad_() : x;
  });
}

/** Runs a case, recorded with a backward, and drops what came; the tensors that are there then. */
function run(c: Case, xs: readonly Tensor[]): number {
  const y = c.run(...xs);
  if (y.requiresGrad) {
    const g = full(y.shape, 1);
    backward(y, g);
    for (const x of xs) if (x.requiresGrad) x.grad = null;
    g.dispose();
  }
  if (!xs.includes(y)) y.dispose();
  return count.tensors;
}

for (const recorded of [false, true]) {
  test(`no op leaves tensors behind${recorded ? ", nor its backward" : ""}`, () => {
    setDefaultDevice(reference);
    manualSeed(1, reference);
    const wrong: string[] = [];
    let flat = 0;
    for (const c of small(cases)) {
      const name = `${c.family}: ${c.name}`;
      if ((recorded ? OWN_RECORDED : OWN).test(name) || (recorded && c.order === 0)) continue;
      const xs = place(c, recorded);
      const [, , third, fourth] = [0, 1, 2, 3].map(() => run(c, xs));
      if (third === fourth) flat++;
      else wrong.push(`${name}: ${fourth! - third!} more with each run`);
      for (const x of xs) x.dispose();
    }
    assert.equal(wrong, []);
    assert.ok(flat > 500, `${flat}`);
  });
}

test("the dense copy of a view goes with the op that needs it", () => {
  setDefaultDevice(reference);
  const view = t(full([3, 4], 1));
  const before = count.tensors;
  softmax(view, 0);
  assert.is(count.tensors, before + 1);
});

test("stacked tensors leave as much behind where the last does not fit as where the second does not", () => {
  setDefaultDevice(reference);
  const left = [1, 20].map((fitting) => {
    const list = [...Array.from({ length: fitting }, () => full([2], 1)), full([3], 1)];
    const before = count.tensors;
    assert.throws(() => tensor(list), /shape, dtype and device must be the same/);
    return count.tensors - before;
  });
  assert.is(left[0], left[1]);
});

test("a product that copies a factor twice keeps neither copy", () => {
  setDefaultDevice(reference);
  // No line of it is a run, and in front of the matrices are more than two loops.
  const a = select(full([2, 1, 4, 1, 3, 5, 2], 1), 6, 0);
  const b = full([3, 1, 2, 5, 2], 1);
  const before = count.tensors;
  const y = matmul(a, b);
  assert.equal(y.shape, [2, 3, 4, 2, 3, 2]);
  assert.is(count.tensors, before + 1);
});

test.run();
