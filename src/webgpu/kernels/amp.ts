// What GradScaler launches: gradients unscaled, the scale moved on, and the word that skips rows that last.
import type { Row } from "../../core/device.ts";
import { type Kernel, one, type Registry, SIZE } from "../kernel.ts";

/** More gradients in a dispatch than this make the chain of compares long. */
const MOST = 16;
const FINITE = "(bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u";

/** Thread i finds its gradient by the lengths; all that find an infinity or a NaN write the same. */
function unscale(k: number): Kernel {
  const range = Array.from({ length: k }, (_, s) => s);
  const part = (s: number): string => `
  if (at < n${s}) {
    let v = g${s}[at];
    if (!(${FINITE})) { atomicStore(&found[0], 1u); }
    g${s}[at] = v * inverse;
    return;
  }
  at -= n${s};`;
  return {
    buffers: `found:atomic ${range.map((s) => `g${s}`).join(" ")} scale`,
    extents: `count ${range.map((s) => `n${s}`).join(" ")}`,
    groups: ([, ...lengths]) => Math.ceil(lengths.reduce((a, b) => a + b, 0) / SIZE),
    body: `
  var at = i;
  let inverse = 1.0 / scale[0];
  ${range.map(part).join("")}`,
  };
}

export const amp: Registry = {
  amp_unscale_f32: {
    kernels: Object.fromEntries(Array.from({ length: MOST }, (_, i) => [String(i + 1), unscale(i + 1)])),
    variant: (row) => String(row.extents[0]),
    expand: (row, _, { bindings }) => {
      const [found, ...grads] = row.buffers.slice(0, row.outputs);
      const most = Math.min(MOST, bindings - 2);
      return Array.from({ length: Math.ceil(grads.length / most) }, (_, r): Row => {
        const own = grads.slice(r * most, (r + 1) * most);
        const lengths = row.extents.slice(1 + r * most, 1 + (r + 1) * most);
        return {
          ...row,
          buffers: [found!, ...own, row.buffers[row.outputs]!],
          outputs: 1 + own.length,
          extents: [own.length, ...lengths],
        };
      });
    },
  },
  // https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cuda/AmpKernels.cu
  amp_update_f32: one({
    size: [1, 1, 1],
    groups: () => 1,
    body: `
  let steps = tracker[0] + 1;
  var v = scale[0];
  if (found[0] != 0) {
    scale[0] = v * backoff;
    tracker[0] = 0;
  } else if (steps == interval) {
    v = v * growth;
    if (${FINITE}) { scale[0] = v; }
    tracker[0] = 0;
  } else {
    tracker[0] = steps;
  }`,
  }),
  amp_skip_i32: one({
    size: [1, 1, 1],
    groups: () => 1,
    skips: true,
    body: "atomicStore(&faultWord[3], select(0u, u32(found[0]), on != 0u));",
  }),
};
