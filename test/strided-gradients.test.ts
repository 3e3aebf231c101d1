// Gradients come in as they lie: expanded behind a sum, every second element, transposed. Each op makes of them what it makes of the
// same values lying dense.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { setDefaultDevice } from "../src/core/device.ts";
import { backward } from "../src/core/tape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { expand, full, manualSeed, reshape, select, tensor, transpose } from "../src/ops/index.ts";
import { type Case, dtypeOf, small, values } from "./cases/case.ts";
import { cases } from "./cases/index.ts";
import { reference } from "./harness.ts";

function place(c: Case): Tensor[] {
  return c.inputs.map((input, i) => {
    const [dtype, data] = [dtypeOf(input), values(input, i)];
    const x = tensor(dtype === "bool" ? Uint8Array.from(data) : data, { shape: input.shape, dtype });
    return dtype === "float32" && input.grad !== false ? x.requiresGrad_() : x;
  });
}

/** Values 1, 2, ... / 8 in this shape, lying in some way. */
const WAYS: Record<string, (shape: readonly number[], n: number) => Tensor> = {
  "every second": (shape, n) => {
    const data = Float64Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? i / 16 + 1 / 8 : Number.NaN));
    return select(tensor(data, { shape: [...shape, 2] }), -1, 0);
  },
  transposed: (shape, n) => {
    const [m, k] = [shape.at(-2) ?? 1, shape.at(-1) ?? 1];
    const [turned, outer] = [[...shape.slice(0, -2), k, m], m * k];
    const data = Float64Array.from({ length: n }, (_, i) => {
      const [o, j, r] = [Math.floor(i / outer), Math.floor((i % outer) / m), i % m];
      return (o * outer + r * k + j + 1) / 8;
    });
    const g = tensor(data, { shape: shape.length < 2 ? shape : turned });
    return shape.length < 2 ? g : transpose(g, -2, -1);
  },
};

/** The gradients of a case for this one of its result. */
function gradients(c: Case, g: (shape: readonly number[], n: number) => Tensor): (Float64Array | null)[] {
  manualSeed(1, reference);
  const xs = place(c);
  const y = c.run(...xs);
  if (!y.requiresGrad || y.numel === 0) return [];
  backward(y, g(y.shape, y.numel));
  return xs.map((x) => (x.requiresGrad && x.grad !== null ? (x.grad.dataSync() as unknown as Float64Array) : null));
}

const same = (a: (Float64Array | null)[], b: (Float64Array | null)[]): boolean =>
  a.length === b.length && a.every((x, i) => (x === null ? b[i] === null : x.every((v, j) => Object.is(v, b[i]![j]!))));

test("gradients that lie strided give what dense ones give", () => {
  setDefaultDevice(reference);
  const wrong: string[] = [];
  let compared = 0;
  for (const c of small(cases)) {
    if (c.order === 0) continue;
    const dense = gradients(c, (shape, n) =>
      tensor(
        Float64Array.from({ length: n }, (_, i) => (i + 1) / 8),
        { shape },
      ),
    );
    for (const [way, g] of Object.entries(WAYS)) {
      if (same(gradients(c, g), dense)) compared++;
      else wrong.push(`${c.family}: ${c.name}: ${way}`);
    }
    const ones = gradients(c, (shape) => full(shape, 2));
    const spread = gradients(c, (shape) =>
      expand(
        reshape(
          full([1], 2),
          shape.map(() => 1),
        ),
        shape,
      ),
    );
    if (!same(spread, ones)) wrong.push(`${c.family}: ${c.name}: expanded`);
  }
  assert.equal(wrong, []);
  assert.ok(compared > 700, `${compared}`);
});

test.run();
