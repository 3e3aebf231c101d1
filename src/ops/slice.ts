// Views of parts: some elements, at equal steps. They share storage, as in PyTorch.

import { fail, given } from "../core/error.ts";
import { denseStrides } from "../core/layout.ts";
import { apply, type Op } from "../core/op.ts";
import { type Shape, show } from "../core/shape.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { viewOf } from "./shape.ts";
import { dimension } from "./strides.ts";
import { type Place, partGradient } from "./views.ts";

/** Some elements, at equal steps: where they lie as seen from the input, and where they would lie in a dense one. */
const Slice: Op<{ readonly here: Place; readonly dense: Place; readonly fixed: string | null }> = {
  name: "slice",
  strided: true,
  forward([x], { here, fixed }) {
    return viewOf(x!, here.shape, here.strides, x!.offset + here.offset, fixed);
  },
  vjp: (g, { inputs: [x], params }) => [partGradient(g, params.dense, x!.shape)],
};

/** `cut` gives the place for the strides of a tensor of this shape. */
function slicing(x: Tensor, cut: (strides: readonly number[]) => Place, fixed: string | null = null): Tensor {
  const dense = cut(denseStrides(x.shape));
  return apply(Slice, [x], { here: x.strides === null ? dense : cut(x.strides), dense, fixed });
}

const cutting =
  (shape: Shape, d: number, start: number, length: number, step: number) =>
  (strides: readonly number[]): Place => ({
    shape: shape.map((n, i) => (i === d ? length : n)),
    strides: strides.map((s, i) => (i === d ? s * step : s)),
    offset: start * (strides[d] ?? 0),
    memory: null,
  });

function narrowed(x: Tensor, d: number, start: number, length: number, fixed: string | null = null): Tensor {
  return slicing(x, cutting(x.shape, d, start, length, 1), fixed);
}

/**
 * Items `start` to `start + length` of `dim`: `[4, 3]` with dim 0, start 1 and length 2 gives `[2, 3]`. A negative start counts
 * from the end. A view. https://pytorch.org/docs/stable/generated/torch.narrow.html
 */
export function narrow(x: Tensor, dim: number, start: number, length: number, ...none: []): Tensor {
  alive("narrow", x, none);
  const d = dimension("narrow", dim, x);
  const size = x.shape[d] ?? 1;
  const whole = Number.isInteger(start) && Number.isInteger(length);
  const from = whole && start < 0 ? start + size : start;
  if (!whole || from < 0 || length < 0 || from + length > size) {
    const range = `start ${given(start)} and length ${given(length)}`;
    fail("narrow", `${show(x.shape)}, dim ${dim}: ${range} lie outside [0, ${size}]`);
  }
  return narrowed(x, d, from, length);
}

/** Which dim, and its size; throws for what has none. */
function along(op: string, dim: number, x: Tensor, none: readonly unknown[]): [dim: number, size: number] {
  alive(op, x, none);
  const d = dimension(op, dim, x);
  return [d, x.shape[d] ?? fail(op, `${show(x.shape)}: at least one dim is expected`)];
}

/**
 * Items `start` to but without `end` of `dim`, every `step`-th: as `x[start:end:step]` in Python, where negative numbers count
 * from the end, null leaves a bound out, and what lies outside is cut. `[5, 3]` with dim 0, 1, null and step 2 gives `[2, 3]`. A
 * view.
 */
export function slice(
  x: Tensor,
  dim: number,
  start: number | null = null,
  end: number | null = null,
  step = 1,
  ...none: []
): Tensor {
  const [d, size] = along("slice", dim, x, none);
  if (!Number.isInteger(step) || step < 1)
    fail("slice", `${show(x.shape)}, step ${given(step)}: a positive integer is expected`);
  const bound = (v: number | null, absent: number): number => {
    if (v !== null && !Number.isInteger(v))
      fail("slice", `${show(x.shape)}, bound ${given(v)}: an integer or null is expected`);
    const at = v ?? absent;
    return Math.min(size, Math.max(0, at < 0 ? at + size : at));
  };
  const from = bound(start, 0);
  const length = Math.max(0, Math.ceil((bound(end, size) - from) / step));
  return slicing(x, cutting(x.shape, d, from, length, step));
}

/** Item `index` of `dim`, without that dim: `[4, 3]` with dim 0 gives `[3]`. A negative index counts from the end. A view. */
export function select(x: Tensor, dim: number, index: number, ...none: []): Tensor {
  alive("select", x, none);
  const d = dimension("select", dim, x);
  const size = x.shape[d] ?? 0;
  if (!Number.isInteger(index) || index < -size || index >= size) {
    fail("select", `${show(x.shape)}, dim ${dim}: index ${given(index)} is outside [${-size}, ${size})`);
  }
  return selected(x, d, index < 0 ? index + size : index, null);
}

const selected = (x: Tensor, d: number, index: number, fixed: string | null): Tensor =>
  slicing(
    x,
    (strides) => ({
      shape: x.shape.filter((_, i) => i !== d),
      strides: strides.filter((_, i) => i !== d),
      offset: index * strides[d]!,
      memory: null,
    }),
    fixed,
  );

/**
 * The diagonal of `dim1` and `dim2` (0 and 1 by default), as a last dim: `[3, 4]` gives `[3]`. A positive `offset` lies above the
 * main one, a negative one below. A view. https://pytorch.org/docs/stable/generated/torch.diagonal.html
 */
export function diagonal(x: Tensor, offset = 0, dim1 = 0, dim2 = 1, ...none: []): Tensor {
  alive("diagonal", x, none);
  const [a, b] = [dimension("diagonal", dim1, x), dimension("diagonal", dim2, x)];
  if (a === b || x.ndim < 2)
    fail("diagonal", `${show(x.shape)}, dims ${dim1} and ${dim2}: two different dims are expected`);
  if (!Number.isInteger(offset)) fail("diagonal", `${show(x.shape)}, offset ${given(offset)}: an integer is expected`);
  const [m, n] = [x.shape[a]!, x.shape[b]!];
  const length = Math.max(0, offset >= 0 ? Math.min(m, n - offset) : Math.min(m + offset, n));
  return slicing(x, (strides) => ({
    shape: [...x.shape.filter((_, i) => i !== a && i !== b), length],
    strides: [...strides.filter((_, i) => i !== a && i !== b), strides[a]! + strides[b]!],
    offset: length === 0 ? 0 : offset >= 0 ? offset * strides[b]! : -offset * strides[a]!,
    memory: null,
  }));
}

const ONE_OF_SEVERAL =
  "a view that is the output of a function that returns multiple views is modified in place: this is refused; use narrow() or select(), or clone() it";

/** Its items along `dim` (0 by default), without that dim: `[2, 3]` gives two of `[3]`. Views, which may not be written where gradients are recorded. */
export function unbind(x: Tensor, dim = 0, ...none: []): Tensor[] {
  const [d, length] = along("unbind", dim, x, none);
  return Array.from({ length }, (_, i) => selected(x, d, i, ONE_OF_SEVERAL));
}

/**
 * Parts of `dim` (0 by default), of a size, of which the last may be smaller, or of the sizes given: `[5, 3]` by 2 gives
 * `[2, 3]`, `[2, 3]` and `[1, 3]`. Views, which may not be written where gradients are recorded.
 * https://pytorch.org/docs/stable/generated/torch.split.html
 */
export function split(x: Tensor, size: number | readonly number[], dim = 0, ...none: []): Tensor[] {
  const [d, n] = along("split", dim, x, none);
  let sizes: readonly number[];
  if (typeof size === "number") {
    if (!Number.isInteger(size) || size < 0 || (size === 0 && n !== 0)) {
      fail("split", `${show(x.shape)}, size ${size}: a positive integer is expected`);
    }
    sizes = n === 0 ? [0] : Array.from({ length: Math.ceil(n / size) }, (_, i) => Math.min(size, n - i * size));
  } else {
    if (!Array.isArray(size))
      fail("split", `${show(x.shape)}, size ${given(size)}: a positive integer or an array of sizes is expected`);
    sizes = size;
  }
  if (!sizes.every((s) => Number.isInteger(s) && s >= 0) || sizes.reduce((a, b) => a + b, 0) !== n) {
    fail("split", `${show(x.shape)}, sizes ${given(sizes)}: sizes whose sum is ${n} are expected`);
  }
  let from = 0;
  return sizes.map((length) => {
    const y = narrowed(x, d, from, length, ONE_OF_SEVERAL);
    from += length;
    return y;
  });
}

/**
 * At most `chunks` parts of `dim` (0 by default), of equal size but for the last: `[5, 3]` in 2 gives `[3, 3]` and `[2, 3]`. Views,
 * as of `split`. https://pytorch.org/docs/stable/generated/torch.chunk.html
 */
export function chunk(x: Tensor, chunks: number, dim = 0, ...none: []): Tensor[] {
  const [d, n] = along("chunk", dim, x, none);
  if (!Number.isInteger(chunks) || chunks < 1)
    fail("chunk", `${show(x.shape)}, chunks ${given(chunks)}: a positive integer is expected`);
  if (n === 0 && chunks > 1 << 16)
    fail("chunk", `${show(x.shape)}, chunks ${chunks}: at most 65536 of nothing are expected`);
  return split(x, n === 0 ? Array.from({ length: chunks }, () => 0) : Math.ceil(n / chunks), d);
}
