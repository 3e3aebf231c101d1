// Max and average pooling over planes [h, w] to [oh, ow]; the gradients gather: each element of gx looks at the windows
// that hold it, which may overlap.
import type { Buffer, Row } from "../../core/device.ts";
import { word } from "../../row/words.ts";
import { type Implementation, isHalf, type Kernel, one, type Registry, SIZE } from "../kernel.ts";

const WINDOWS = "planes oh ow kh kw";
const GEOMETRY = "h:i32 w:i32 sh:i32 sw:i32 ph:i32 pw:i32";

/** One thread an output. */
const perOutput: Kernel["groups"] = ([planes, oh, ow]) => Math.ceil((planes! * oh! * ow!) / SIZE);
/** One thread an element of the input. */
const perInput: Kernel["groups"] = ([planes], [h, w]) => Math.ceil((planes! * h! * w!) / SIZE);

/** Plane, row and column of thread i. */
const OUTPUT = `
  let plane = i / (oh * ow);
  let top = i32(i / ow % oh) * sh - ph;
  let left = i32(i % ow) * sw - pw;
  let start = i32(plane) * h * w;`;
const INPUT = `
  let plane = i / u32(h * w);
  let iy = i32(i) / w % h;
  let ix = i32(i) % w;
  let start = i32(plane * oh * ow);`;

/** WGSL: v before best in a window: the first maximum; a NaN before any number, of several the last, as PyTorch has it. */
export const BEFORE = "(isNan_(v) || (order_(v) > order_(best) && !isNan_(best)))";

/** PyTorch's: the window clipped to the padded plane if padding counts, else to the plane; or a number given. */
const DIVISOR = `
fn divisor_(top: i32, left: i32) -> f32 {
  if (P.given != 0) { return f32(P.given); }
  let bottom = top + i32(P.kh);
  let right = left + i32(P.kw);
  if (P.padded != 0) { return f32((min(bottom, P.h + P.ph) - top) * (min(right, P.w + P.pw) - left)); }
  return f32(max((min(bottom, P.h) - max(top, 0)) * (min(right, P.w) - max(left, 0)), 1));
}`;

/** Of the outputs along a dim, the first and last whose window (undilated, k long) holds position `at`. */
const holding = (name: string, at: string, o: string, k: string, s: string, p: string): string => `
  let ${name}0 = max(${at} + ${p} - i32(${k}) + ${s}, 0) / ${s};
  let ${name}1 = min((${at} + ${p}) / ${s}, i32(${o}) - 1);`;

/**
 * The gradient of max-pooling when only indices are known. A workgroup takes a plane: it clears it, then adds 256
 * outputs at a time; of those with one index, the first adds all, in order.
 */
const byIndex: Kernel = {
  buffers: "gx gy idx:i32",
  extents: "planes oh ow",
  scalars: "h:i32 w:i32",
  groups: ([planes]) => planes!,
  barriers: true,
  head: `var<workgroup> places: array<i32, ${SIZE}>;
var<workgroup> values: array<f32, ${SIZE}>;`,
  body: `
  let size = u32(h * w);
  let outputs = oh * ow;
  let plane = group;
  if (plane >= planes) { return; } // the whole workgroup
  for (var j = li; j < size; j += ${SIZE}u) { gx[plane * size + j] = 0.0; }
  for (var turn = 0u; turn < outputs; turn += ${SIZE}u) {
    storageBarrier();
    workgroupBarrier();
    let j = turn + li;
    var at = -1;
    if (j < outputs) {
      at = idx[plane * outputs + j];
      values[li] = gy[plane * outputs + j];
    }
    places[li] = at;
    workgroupBarrier();
    var sum = 0.0;
    var leads = at >= 0;
    for (var k = 0u; k < ${SIZE}u; k++) {
      if (places[k] == at) {
        if (k < li) { leads = false; }
        if (k >= li) { sum += values[k]; }
      }
    }
    if (leads) { gx[plane * size + u32(at)] += sum; }
  }`,
};

/** The same where the launch says how the windows lie. */
const byWindow: Kernel = {
  buffers: "gx gy idx:i32",
  extents: "planes oh ow",
  scalars: `${GEOMETRY} dh:i32 dw:i32 kh:i32 kw:i32`,
  groups: perInput,
  body: `
  if (i < planes * u32(h * w)) {
    ${INPUT}
    let here = iy * w + ix;
    ${holding("y", "iy", "oh", "((kh - 1) * dh + 1)", "sh", "ph")}
    ${holding("x", "ix", "ow", "((kw - 1) * dw + 1)", "sw", "pw")}
    var sum = 0.0;
    for (var oy = y0; oy <= y1; oy++) {
      for (var ox = x0; ox <= x1; ox++) {
        let at = u32(start + oy * i32(ow) + ox);
        if (idx[at] == here) { sum += gy[at]; }
      }
    }
    gx[i] = sum;
  }`,
};

/** A window that is the whole plane is a line to sum. */
const ofPlane: Implementation["expand"] = ({ buffers, extents, scalars, op }, make) => {
  const [planes, oh, ow, kh, kw] = extents as [number, number, number, number, number];
  const [h, w, , , ph, pw, , given] = scalars as [number, number, number, number, number, number, number, number];
  if (oh * ow !== 1 || kh !== h || kw !== w || (ph | pw) !== 0 || h * w <= 32) return null;
  const [y, x] = buffers as [Buffer, Buffer];
  // A sum may be too large for float16 where the mean is not.
  const sum = isHalf(y.storage) ? { storage: make(planes), offset: 0 } : y;
  return [
    { kernel: "sum_f32", buffers: [sum, x], outputs: 1, extents: [planes, h * w, 1], scalars: [], op },
    { kernel: "div_scalar_f32", buffers: [y, sum], outputs: 1, extents: [planes], scalars: [word(given || h * w)], op },
  ];
};

const maxVjp: Implementation = {
  kernels: { "": byIndex, windows: byWindow },
  variant: ({ scalars }: Row) => (scalars.length > 2 ? "windows" : ""),
};

export const pool: Registry = {
  max_pool2d_f32: one({
    buffers: "y idx:i32 x",
    extents: WINDOWS,
    scalars: `${GEOMETRY} dh:i32 dw:i32`,
    groups: perOutput,
    body: `
  if (i < planes * oh * ow) {
    ${OUTPUT}
    var best = -inf_();
    var found = -1;
    for (var r = 0; r < i32(kh); r++) {
      let iy = top + r * dh;
      if (iy < 0 || iy >= h) { continue; }
      for (var q = 0; q < i32(kw); q++) {
        let ix = left + q * dw;
        if (ix < 0 || ix >= w) { continue; }
        let v = x[u32(start + iy * w + ix)];
        if (found < 0 || ${BEFORE}) {
          best = v;
          found = iy * w + ix;
        }
      }
    }
    y[i] = best;
    idx[i] = found;
  }`,
  }),
  max_pool2d_vjp_f32: maxVjp,
  avg_pool2d_f32: {
    ...one({
      buffers: "y x",
      extents: WINDOWS,
      scalars: `${GEOMETRY} padded:i32 given:i32`,
      groups: perOutput,
      head: DIVISOR,
      body: `
  if (i < planes * oh * ow) {
    ${OUTPUT}
    let y1 = min(top + i32(kh), h);
    let x1 = min(left + i32(kw), w);
    var sum = 0.0;
    for (var iy = max(top, 0); iy < y1; iy++) {
      var row = 0.0;
      for (var ix = max(left, 0); ix < x1; ix++) { row += x[u32(start + iy * w + ix)]; }
      sum += row;
    }
    y[i] = sum / divisor_(top, left);
  }`,
    }),
    expand: ofPlane,
  },
  avg_pool2d_vjp_f32: one({
    buffers: "gx gy",
    extents: WINDOWS,
    scalars: `${GEOMETRY} padded:i32 given:i32`,
    groups: perInput,
    head: DIVISOR,
    body: `
  if (i < planes * u32(h * w)) {
    ${INPUT}
    ${holding("y", "iy", "oh", "kh", "sh", "ph")}
    ${holding("x", "ix", "ow", "kw", "sw", "pw")}
    var sum = 0.0;
    for (var oy = y0; oy <= y1; oy++) {
      var row = 0.0;
      for (var ox = x0; ox <= x1; ox++) {
        row += gy[u32(start + oy * i32(ow) + ox)] / divisor_(oy * sh - ph, ox * sw - pw);
      }
      sum += row;
    }
    gx[i] = sum;
  }`,
  }),
};
