// Several tensors end to end in one vector, and back.
import { empty } from "../core/make.ts";
import type { Tensor } from "../core/tensor.ts";
import { copy_, narrow, reshape, view, zero_ } from "../ops/index.ts";

/** The place of tensor i in the vector, in its own shape. */
export function places(flat: Tensor, like: readonly Tensor[]): Tensor[] {
  let begin = 0;
  return like.map((x) => {
    const place = view(narrow(flat, 0, begin, x.numel), x.shape);
    begin += x.numel;
    return place;
  });
}

/** The values of `sources`, zeros for null, end to end; each has the size of its tensor in `like`. Unrecorded. */
export function flatten(sources: readonly (Tensor | null)[], like: readonly Tensor[], op: string): Tensor {
  const n = like.reduce((sum, x) => sum + x.numel, 0);
  const flat = empty([n], "float32", op, like[0]!.device);
  places(flat, like).forEach((place, i) => {
    const x = sources[i]!;
    if (x === null) zero_(place);
    else copy_(place, reshape(x, place.shape));
  });
  return flat;
}
