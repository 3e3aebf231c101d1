// Several tensors end to end in one vector, and back.
import { empty } from "../core/make.ts";
import { apply, type Op } from "../core/op.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { reshape, view } from "./shape.ts";
import { narrow } from "./slice.ts";
import { copy_, zero_ } from "./write.ts";

/** The places of tensors of these shapes in a vector, each in its shape. @internal */
export function places(flat: Tensor, like: readonly { readonly shape: Shape; readonly numel: number }[]): Tensor[] {
  let begin = 0;
  return like.map((x) => {
    const place = view(narrow(flat, 0, begin, x.numel), x.shape);
    begin += x.numel;
    return place;
  });
}

/** The values of `sources`, zeros for null, end to end; each has the size of its tensor in `like`. Unrecorded. @internal */
export function flatten(sources: readonly (Tensor | null)[], like: readonly Tensor[], op: string): Tensor {
  const n = like.reduce((sum, x) => sum + x.numel, 0);
  const flat = empty([n], "float32", op, like[0]!.device);
  for (const [i, place] of places(flat, like).entries()) {
    const x = sources[i]!;
    if (x === null) zero_(place);
    else copy_(place, reshape(x, place.shape));
  }
  return flat;
}

/** Most tensors in one op: what an op knows of its inputs are bits of a word. */
const MOST = 16;

const Joined: Op<readonly { readonly shape: Shape; readonly numel: number }[]> = {
  name: "parametersToVector",
  forward: (inputs) => flatten(inputs, inputs, "parametersToVector"),
  vjp: (g, { params }) => places(g, params),
};

/** As `flatten` of tensors, recorded. @internal */
export function joined(xs: readonly Tensor[]): Tensor {
  if (xs.length <= MOST)
    return apply(
      Joined,
      xs,
      xs.map(({ shape, numel }) => ({ shape, numel })),
    );
  const parts: Tensor[] = [];
  for (let i = 0; i < xs.length; i += MOST) parts.push(joined(xs.slice(i, i + MOST)));
  return joined(parts);
}
