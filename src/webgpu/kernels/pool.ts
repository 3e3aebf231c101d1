// Max and average pooling over planes [h, w] to [oh, ow]; the gradients gather: each element of gx looks at the windows
// that hold it, which may overlap.
import type { Buffer } from "../../core/device.ts";
import { word } from "../../row/words.ts";
import { type Implementation, isHalf, type Kernel, one, type Registry, SIZE } from "../kernel.ts";

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

/** The gradient of max-pooling: of the windows that hold an element, those whose index it is. */
const maxVjp = one({
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
});

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

export const pool: Registry = {
  max_pool2d_f32: one({
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
