// Elementwise kernels over views: the dense ones, with each input read at its own place of the loop nest.
import { walking } from "../../row/nest.ts";
import { type Kernel, type Registry, signature } from "../kernel.ts";
import { DIMS, strided, strides } from "./copy.ts";

function byStrides(k: Kernel): Kernel {
  const [, ...inputs] = signature(k).buffers.map((b) => b.name);
  const lists = inputs.map((x) => `${x}_`);
  const reads = new RegExp(`\\b(${inputs.join("|")})\\[i\\]`, "g");
  return {
    ...k,
    extents: DIMS,
    scalars: [...lists.map(strides), k.scalars ?? ""].join(" "),
    body: `${strided("i", lists)}\n  ${k.body.replace(reads, "$1[u32(at_$1_)]")}`,
  };
}

/** The rows over views of kernels that are `y | inputs | n | scalars`, a thread an element. */
export const walked = (dense: Registry): Registry =>
  Object.fromEntries(
    Object.entries(dense).map(([name, entry]) => {
      const kernels = Object.entries(entry.kernels).map(([variant, k]) => [variant, byStrides(k)]);
      return [walking(name), { ...entry, kernels: Object.fromEntries(kernels) }];
    }),
  );
