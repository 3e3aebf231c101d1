// Moving elements of any dtype: copies, fills, ranges, strided gathers and transposes. Words travel as u32, so that no float
// of theirs is touched.
import type { Row } from "../../core/device.ts";
import { isHalf, type Kernel, one, type Registry } from "../kernel.ts";

/** Index of point i of the dense loop nest d0..d5, for strides named `name0`..`name5`. */
export const strided = (index: string, names: readonly string[]): string => `
  var rest = ${index};
  ${names.map((n) => `var at_${n} = 0;`).join(" ")}
  ${[5, 4, 3, 2, 1, 0]
    .map(
      (d) =>
        `{ let c = i32(rest % d${d}); rest = rest / d${d}; ${names.map((n) => `at_${n} += c * ${n}${d};`).join(" ")} }`,
    )
    .join("\n  ")}`;

const TILE = 16;

/** The kernel by the bits of its elements: buffers of 16 are float16, which u32 means the bits of. */
const moving = (name: string, k: Kernel): Registry => ({
  [`${name}_b32`]: one({ ...k }),
  [`${name}_b16`]: one({ ...k }),
});

export const copy: Registry = {
  ...moving("copy", { body: "y[i] = x[i];" }),
  fill_f32: {
    kernels: {
      "": { body: "y[i] = word;" },
      cast: { buffers: "y", scalars: "value", body: "y[i] = value;" },
    },
    variant: ({ buffers: [y] }: Row) => (isHalf(y!.storage) ? "cast" : ""),
  },
  fill_i32: one({ body: "y[i] = word;" }),
  // fma rounds once, as the f64 of the wasm kernel does for whole steps.
  arange_f32: one({ body: "y[i] = fma(f32(i), step, start);" }),
  arange_i32: one({
    body: "y[i] = start + i32(i) * step;",
  }),
  ...moving("permute", {
    body: `${strided("i", ["s"])}
  y[i] = x[u32(at_s)];`,
  }),
  ...moving("scatter", {
    body: `${strided("i", ["s"])}
  y[u32(at_s)] = x[i];`,
  }),
  scatter_add_f32: one({
    body: `${strided("i", ["s"])}
  y[u32(at_s)] = before[u32(at_s)] + x[i];`,
  }),
  // A workgroup turns a tile of 16 x 16 through workgroup memory, so both sides are read and written in runs.
  ...moving("transpose", {
    size: [TILE, TILE, 1],
    groups: ([batch, m, n]) => batch! * Math.ceil(m! / TILE) * Math.ceil(n! / TILE),
    barriers: true,
    head: `var<workgroup> tile: array<u32, ${TILE * (TILE + 1)}>;`,
    body: `
  let across = (n + ${TILE - 1}u) / ${TILE}u;
  let down = (m + ${TILE - 1}u) / ${TILE}u;
  let matrix = group / (across * down);
  let r0 = group % (across * down) / across * ${TILE}u;
  let c0 = group % across * ${TILE}u;
  if (matrix < batch && r0 + lid.y < m && c0 + lid.x < n) {
    tile[lid.y * ${TILE + 1}u + lid.x] = x[(matrix * m + r0 + lid.y) * n + c0 + lid.x];
  }
  workgroupBarrier();
  if (matrix < batch && c0 + lid.y < n && r0 + lid.x < m) {
    y[(matrix * n + c0 + lid.y) * m + r0 + lid.x] = tile[lid.x * ${TILE + 1}u + lid.y];
  }`,
  }),
};
