// Elementwise kernels over views: the dense ones, with each input read at its own place of the loop nest.
import { layoutOf } from "../../program/kernels/index.ts";
import { walking } from "../../row/nest.ts";
import { type Kernel, type Registry, text } from "../kernel.ts";
import { strided } from "./copy.ts";

function byStrides(dense: string, k: Kernel): Kernel {
  const layout = layoutOf(walking(dense));
  if (layout === undefined) throw new Error(`${dense}: no line in the table of kernels (src/program/kernels)`);
  const { inputs, extents, scalars } = layout;
  const names = inputs.map(({ name }) => name);
  const reads = new RegExp(`\\b(${names.join("|")})\\[i\\]`, "g");
  return {
    ...k,
    buffers: k.buffers ?? text([...layoutOf(dense)!.outputs, ...inputs]),
    extents: text(extents),
    scalars: text(scalars),
    body: `${strided(
      "i",
      names.map((x) => `${x}_`),
    )}\n  ${k.body.replace(reads, "$1[u32(at_$1_)]")}`,
  };
}

/** The rows over views of kernels that are `y | inputs | n | scalars`, a thread an element. */
export const walked = (dense: Registry): Registry =>
  Object.fromEntries(
    Object.entries(dense).map(([name, entry]) => {
      const kernels = Object.entries(entry.kernels).map(([variant, k]) => [variant, byStrides(name, k)]);
      return [walking(name), { ...entry, kernels: Object.fromEntries(kernels) }];
    }),
  );
