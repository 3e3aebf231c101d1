// The entry `wasmgrad/methods`: methods of all elementwise functions, each that function with the tensor in front.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { Tensor, tensor } from "../src/index.ts";
import * as blend from "../src/ops/blend.ts";
import * as kinds from "../src/ops/kinds.ts";
import * as math from "../src/ops/math.ts";
import * as modulo from "../src/ops/modulo.ts";
import * as pairs from "../src/ops/pairs.ts";
import * as powers from "../src/ops/pow.ts";
import * as special from "../src/ops/special.ts";
import * as written from "../src/ops/written.ts";

await w.init({ threads: 1 });
// biome-ignore lint/suspicious/noExplicitAny: methods by name
const methods = Tensor.prototype as any;
const names = Object.keys({ ...blend, ...kinds, ...math, ...modulo, ...pairs, ...powers, ...special, ...written });

test("a page has the common ones alone, and all behind the import", async () => {
  for (const name of ["erf", "pow", "isnan", "clamp_"]) assert.type(methods[name], "function", name);
  for (const name of ["erfc", "fmod", "exp_", "addcmul_"]) assert.is(methods[name], undefined, name);
  await import("../src/moremethods.ts");
  assert.ok(names.length > 90);
  for (const name of names) assert.type(methods[name], "function", name);
});

test("a method is the function", () => {
  const x = (): Tensor => tensor([0.5, 0.25]);
  // biome-ignore lint/suspicious/noExplicitAny: methods by name
  const by = (name: string, ...rest: unknown[]): unknown => (x() as any)[name](...rest).toJSON();
  assert.equal(by("erfc"), w.erfc(x()).toJSON());
  assert.equal(by("fmod", 0.2), w.fmod(x(), 0.2).toJSON());
  assert.equal(by("addcmul", x(), x(), { value: 2 }), [1, 0.375]);
  const y = x();
  // biome-ignore lint/suspicious/noExplicitAny: a method of the entry
  assert.is((y as any).square_(), y);
  assert.equal(y.toJSON(), [0.25, 0.0625]);
});

test.run();
