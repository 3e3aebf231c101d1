// conv2d and its gradients as products of matrices that are never there: the loads of `tile` compute where an element
// lies. A group of channels is a product of its own.
//   forward  y[co, (image, oy, ox)] = sum over (ci, ky, kx)     w[co, (ci, ky, kx)] * x[ci, oy sh + ky dh - ph, ...]
//   by x     gx[ci, (image, y, x)]  = sum over (co, ky, kx)     w[co, ci, ky, kx] * gy[co, (y + ph - ky dh) / sh, ...]
//   by w     gw[co, (ci, ky, kx)]   = sum over (image, oy, ox)  gy[co, ...] * x[...], for each chunk of images
// Places are u32: one left of or above an image wraps, and is beyond its end like the others.
import type { Buffer, Row } from "../../core/device.ts";
import type { Implementation, Registry } from "../kernel.ts";
import { matrix } from "./matmul.ts";
import { BEFORE } from "./pool.ts";
import { type Product, product } from "./product.ts";
import type { Operand } from "./tile.ts";

const TAPS = "(P.kh * P.kw)";
const PIXELS = "(P.oh * P.ow)";
const OUT = "(P.co / P.groups)";

/** Four elements: `start` leads to the first, `next` to the one after; each is `value`, or 0 without `condition`. */
function gather(
  along: Operand["along"],
  there: string,
  start: string,
  condition: (e: number) => string,
  value: string,
  next: string,
): Operand {
  const each = ["x", "y", "z", "w"].map((l, e) => `{ if (${condition(e)}) { v.${l} = ${value}; } ${next} }`);
  return {
    along,
    load: `\n  var v = vec4<f32>();\n  if (${there}) {\n${start}\n${each.join("\n")}\n  }\n  return v;\n`,
  };
}

/** Taps of 1 x 1 that skip nothing see the planes as they lie, and these begin at multiples of four. */
function pointwise(row: Row, kh: number, kw: number, plane: number): boolean {
  const [, , sh, sw, ph, pw] = row.scalars;
  return kh * kw === 1 && sh === 1 && sw === 1 && ph === 0 && pw === 0 && plane % 4 === 0;
}

/** Four pixels of a plane side by side, `at` of the pixels of all images. */
const run = (
  along: Operand["along"],
  there: string,
  channels: string,
  plane: string,
  at: string,
  first = "",
): Operand => ({
  along,
  load: `
  if (!(${there})) { return vec4<f32>(); }
  let image = ${first}${at} / ${PIXELS};
  return b[((image * ${channels} + ${plane}) * ${PIXELS} + ${at} % ${PIXELS}) / 4u];
`,
});

/** Steps through the pixels of planes [high, wide]: (image, py, px). */
const pixel = (index: string, high: string, wide: string, first = ""): string => `
    var px = ${index} % ${wide};
    var py = ${index} / ${wide} % ${high};
    var image = ${first}${index} / (${wide} * ${high});`;
const step = (high: string, wide: string): string =>
  `px++; if (px == ${wide}) { px = 0u; py++; if (py == ${high}) { py = 0u; image++; } }`;

/** x at the output (image, py, px) and the tap that `offsets` is for: whether it is there, and where. */
const offsets = (tap: string): string => `
    let dy = ${tap} % ${TAPS} / P.kw * P.dh - P.ph;
    let dx = ${tap} % P.kw * P.dw - P.pw;`;
const SEEN = "py * P.sh + dy < P.h && px * P.sw + dx < P.w";
const X = "b[((image * P.ci * P.groups + plane) * P.h + py * P.sh + dy) * P.w + px * P.sw + dx]";

const sizes = (m: number, n: number, count: number, depth: number) => ({ m, n, count, depth });

const forward: Product = {
  inputs: "b a",
  relu: "both",
  bias: `which * ${OUT} + row`,
  shares: ([, co, oh, ow]) => [oh! * ow!, co!],
  size: ([n, co, oh, ow, ci, kh, kw], { 8: groups }) => sizes(co! / groups!, n! * oh! * ow!, groups!, ci! * kh! * kw!),
  widest: { a: true, b: true },
  wide: (row, { depth }) => {
    const [, , oh, ow, , kh, kw] = row.extents as number[];
    return { a: depth % 4 === 0, b: pointwise(row, kh!, kw!, oh! * ow!) };
  },
  vectors: ["columns"],
  source: (_, wide) => ({
    rows: OUT,
    columns: `(P.n * ${PIXELS})`,
    count: "P.groups",
    depth: `P.ci * ${TAPS}`,
    a: matrix("a", "k", [OUT, `P.ci * ${TAPS}`], `which * ${OUT} * P.ci * ${TAPS}`, wide.a),
    b: wide.b
      ? run("lines", `p < end && line < P.n * ${PIXELS}`, "P.ci * P.groups", "which * P.ci + p", "line")
      : gather(
          "lines",
          "p < end",
          `let plane = which * P.ci + p / ${TAPS}; ${offsets("p")} ${pixel("line", "P.oh", "P.ow")}`,
          (e) => `line + ${e}u < P.n * ${PIXELS} && ${SEEN}`,
          X,
          step("P.oh", "P.ow"),
        ),
    at: `(column / ${PIXELS} * P.co + which * ${OUT} + row) * ${PIXELS} + column % ${PIXELS}`,
  }),
};

// Convolution, max-pool of windows of 2 x 2 side by side, and perhaps relu. The columns are those of `forward` window by
// window, so the four of a window are one vec4 of a thread, and the convolution's output is never written. Of each of its
// elements the three rows move 12 bytes (conv 4; pool 4 + 1 + 1, of y and idx; relu 1 + 1) and this one 2, and loads and
// products are the same: on a GPU that does 10 flops a byte, what is saved is worth ci kh kw = 50.
//
// The gradients stay dense (conv2d_pool_vjp_w and _x, which the CPU has, are not here). Sums over the windows' maxima
// alone would do a quarter of the products, but each with a load of its own at a place that idx names, and a GPU has a
// quarter as many loads as products; and products that look up g and idx where they load gy would move 5 bytes for 18, but
// do some 12 integer operations more an element in loads that bound them already where ci kh kw is small.
const WINDOWS = "(P.ph * P.pw)";
const pooled: Product = {
  outputs: "y idx:u32",
  inputs: "b a bias",
  size: ([n, co, , , ci, kh, kw, ph, pw], { 8: groups }) =>
    sizes(co! / groups!, n! * ph! * pw! * 4, groups!, ci! * kh! * kw!),
  widest: { a: true, b: false },
  wide: (_, { depth }) => ({ a: depth % 4 === 0, b: false }),
  vectors: [],
  source: (_, wide) => ({
    rows: OUT,
    columns: `(P.n * ${WINDOWS} * 4u)`,
    count: "P.groups",
    depth: `P.ci * ${TAPS}`,
    a: matrix("a", "k", [OUT, `P.ci * ${TAPS}`], `which * ${OUT} * P.ci * ${TAPS}`, wide.a),
    b: gather(
      "lines",
      `p < end && line < P.n * ${WINDOWS} * 4u`,
      `
    let plane = which * P.ci + p / ${TAPS};
    let dy = p % ${TAPS} / P.kw * P.dh - P.padh;
    let dx = p % P.kw * P.dw - P.padw;
    let image = line / 4u / ${WINDOWS};
    var py = line / 4u / P.pw % P.ph * 2u;
    var px = line / 4u % P.pw * 2u;`,
      () => SEEN,
      X,
      "px ^= 1u; py += 1u - (px & 1u);",
    ),
    at: "",
    four: `
    let window = column / 4u % ${WINDOWS};
    let corner = window / P.pw * 2u * P.ow + window % P.pw * 2u;
    let channel = which * ${OUT} + row;
    var best = four.x + bias[channel];
    var found = corner;
    for (var e = 1u; e < 4u; e++) {
      let v = four[e] + bias[channel];
      if (${BEFORE}) { best = v; found = corner + e / 2u * P.ow + e % 2u; }
    }
    if (P.relu != 0u) { best = relu_(best); }
    let to = (column / 4u / ${WINDOWS} * P.co + channel) * ${WINDOWS} + window;
    y[to] = best;
    idx[to] = found;`,
  }),
};

/** The rows that conv2d_pool stands for, where windows are others, or the convolution alone sums in another order. */
const apart: Implementation["expand"] = (row, make, limits) => {
  const [n, co, oh, ow, ci, kh, kw, ph, pw] = row.extents as number[];
  const [h, w, sh, sw, padh, padw, dh, dw, groups, pkh, pkw, psh, psw, relu] = row.scalars as number[];
  const [y, idx, ...inputs] = row.buffers as [Buffer, Buffer, ...Buffer[]];
  const { op } = row;
  const convolve = (full: Buffer): Row => ({
    ...{ kernel: "conv2d_bias_f32", buffers: [full, ...inputs], outputs: 1, op },
    extents: [n!, co!, oh!, ow!, ci!, kh!, kw!],
    scalars: [h!, w!, sh!, sw!, padh!, padw!, dh!, dw!, groups!, 0, 0],
  });
  const inTiles = co !== groups && entries.conv2d_bias_f32!.expand!(convolve(y), () => y.storage, limits) === null;
  if (inTiles && [pkh, pkw, psh, psw].every((s) => s === 2)) return null;
  const full = { storage: make(n! * co! * oh! * ow!), offset: 0 };
  const pool: Row = {
    ...{ kernel: "max_pool2d_f32", buffers: [y, idx, full], outputs: 2, op },
    extents: [n! * co!, ph!, pw!, pkh!, pkw!],
    scalars: [oh!, ow!, psh!, psw!, 0, 0, 1, 1],
  };
  const floor: Row = {
    kernel: "relu_f32",
    buffers: [y, y],
    outputs: 1,
    extents: [n! * co! * ph! * pw!],
    scalars: [],
    op,
  };
  return [convolve(full), pool, ...(relu === 0 ? [] : [floor])];
};

const ROWS = "(P.channels / P.groups)";
const byX: Product = {
  inputs: "b a",
  size: ([n, channels, h, w, co, kh, kw], { 8: groups }) =>
    sizes(channels! / groups!, n! * h! * w!, groups!, (co! / groups!) * kh! * kw!),
  widest: { a: false, b: true },
  wide: (row) => {
    const [, , h, w, , kh, kw] = row.extents as number[];
    return { a: false, b: pointwise(row, kh!, kw!, h! * w!) };
  },
  vectors: ["columns"],
  source: (_, wide) => ({
    rows: ROWS,
    columns: "(P.n * P.h * P.w)",
    count: "P.groups",
    depth: `${OUT} * ${TAPS}`,
    a: gather(
      "k",
      `line < ${ROWS}`,
      `var plane = which * ${OUT} + p / ${TAPS}; var tap = p % ${TAPS};`,
      (e) => `p + ${e}u < end`,
      `a[(plane * ${ROWS} + line) * ${TAPS} + tap]`,
      `tap++; if (tap == ${TAPS}) { tap = 0u; plane++; }`,
    ),
    // Only outputs whose window meets the pixel: those a multiple of the stride away.
    b: wide.b
      ? run("lines", `p < end && line < P.n * ${PIXELS}`, "P.co", `which * ${OUT} + p`, "line")
      : gather(
          "lines",
          "p < end",
          `
    let plane = which * ${OUT} + p / ${TAPS};
    let dy = P.ph - p % ${TAPS} / P.kw * P.dh;
    let dx = P.pw - p % P.kw * P.dw;
    ${pixel("line", "P.h", "P.w")}`,
          (e) => `line + ${e}u < P.n * P.h * P.w && meets(py + dy, P.sh, P.oh) && meets(px + dx, P.sw, P.ow)`,
          "b[((image * P.co + plane) * P.oh + (py + dy) / P.sh) * P.ow + (px + dx) / P.sw]",
          step("P.h", "P.w"),
        ),
    functions: `
fn meets(at: u32, stride: u32, size: u32) -> bool { return at / stride < size && at % stride == 0u; }`,
    at: `(column / (P.h * P.w) * P.channels + which * ${ROWS} + row) * P.h * P.w + column % (P.h * P.w)`,
  }),
};

const FIRST = "P.n * (which / P.groups) / P.chunks";
/** Of the gradient of output channel `line`, the pixel p of a chunk's images. */
const GY = `
    let image = ${FIRST} + p / ${PIXELS};
    var at = (image * P.co + which % P.groups * ${OUT} + line) * ${PIXELS} + p % ${PIXELS};`;
const byW: Product = {
  inputs: "a b",
  size: ([chunks, n, co, oh, ow, ci, kh, kw], { 8: groups }) =>
    sizes(co! / groups!, ci! * kh! * kw!, chunks! * groups!, Math.ceil(n! / chunks!) * oh! * ow!),
  widest: { a: true, b: true },
  wide: (row) => {
    const [, , , oh, ow, , kh, kw] = row.extents as number[];
    return { a: (oh! * ow!) % 4 === 0, b: pointwise(row, kh!, kw!, oh! * ow!) };
  },
  vectors: ["columns"],
  source: (_, wide) => ({
    rows: OUT,
    columns: `(P.ci * ${TAPS})`,
    count: "P.chunks * P.groups",
    depth: `(P.n * (which / P.groups + 1u) / P.chunks - ${FIRST}) * ${PIXELS}`,
    a: wide.a
      ? { along: "k", load: `if (line >= ${OUT} || p >= end) { return vec4<f32>(); } ${GY} return a[at / 4u];` }
      : gather(
          "k",
          `line < ${OUT}`,
          GY,
          (e) => `p + ${e}u < end`,
          "a[at]",
          `at++; if (at % ${PIXELS} == 0u) { at += (P.co - 1u) * ${PIXELS}; }`,
        ),
    b: wide.b
      ? run("k", "p < end && line < P.ci", "P.ci * P.groups", "which % P.groups * P.ci + line", "p", `${FIRST} + `)
      : gather(
          "k",
          `line < P.ci * ${TAPS}`,
          `let plane = which % P.groups * P.ci + line / ${TAPS}; ${offsets("line")} ${pixel("p", "P.oh", "P.ow", `${FIRST} + `)}`,
          (e) => `p + ${e}u < end && ${SEEN}`,
          X,
          step("P.oh", "P.ow"),
        ),
    at: `(which / P.groups * P.co + which % P.groups * ${OUT} + row) * P.ci * ${TAPS} + column`,
  }),
};

const entries = product("conv2d", forward);

export const conv: Registry = {
  ...entries,
  ...product("conv2d_vjp_x", byX),
  ...product("conv2d_vjp_w", byW),
  conv2d_pool_f32: { ...product("conv2d_pool", pooled).conv2d_pool_f32!, expand: apart },
};
