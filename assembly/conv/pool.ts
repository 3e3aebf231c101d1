// conv2d, max-pool and perhaps relu in one row: the convolution of a few images at a time goes to scratch by the kernel
// of conv2d itself, so its bits are the same, and is pooled while it lies in the first cache.
import { extent, first, last, pointer, scalar, scratch } from "../lib/args";
import { conv2d_bias_f32, LEFT } from "./conv";
import { AGAIN } from "./lines";

const ARGS: usize = 256; // bytes for the arguments of conv2d
const BLOCK_BYTES: u32 = 24 << 10; // of images convolved at a time, as long as they are smaller

/**
 * y idx:u32 | x weight bias | n co oh ow ci kh kw ph pw | h w sh sw padh padw dh dw groups pkh pkw psh psw relu lines: y, idx
 * [n, co, ph, pw], idx in the plane [oh, ow] as of max_pool2d; windows of pkh x pkw, psh and psw apart, not padded;
 * lines: lines.ts. The convolution of an image fits into what conv2d leaves alone of scratch memory: the pass sees to
 * it (FUSED_BYTES in src/program/passes/pool.ts).
 */
export function conv2d_pool_f32(args: usize, ith: u32, nth: u32): void {
  const e = args + 20;
  const n = extent(e, 0);
  const co = extent(e, 1);
  const oh = extent(e, 2);
  const ow = extent(e, 3);
  const ci = extent(e, 4);
  const k = ci * extent(e, 5) * extent(e, 6);
  const ph = extent(e, 7);
  const pw = extent(e, 8);
  const image = ci * extent(e, 9) * extent(e, 10);
  const groups = extent(e, 17);
  const pkh = extent(e, 18);
  const pkw = extent(e, 19);
  const psh = extent(e, 20);
  const psw = extent(e, 21);
  const relu = extent(e, 22) != 0;

  if (co == 0) return;
  const cg = co / groups;
  const plane = (oh * ow) << 2;
  const pooled = (ph * pw) << 2;
  // Whole images by the block, or some channels of one group and image.
  const whole = n >= nth;
  let block: u32 = 1;
  let most = co;
  if (whole) {
    block = max<u32>(1, min<u32>(BLOCK_BYTES / max<u32>(co * plane, 1), n / (2 * nth)));
  } else {
    most = min<u32>(cg, (cg * n * groups) / (2 * nth) + 1);
  }
  const shares = whole ? 1 : ((cg + most - 1) / most) * groups;
  const perGroup = shares / groups;
  const halves = pkh == 2 && pkw == 2 && psh == 2 && psw == 2;

  const inner = scratch(ith) + LEFT;
  const full = inner + ARGS;
  for (let q: u32 = 0; q < 16; ++q) store<u32>(inner + 16 + (q << 2), extent(e, q < 7 ? q : q + 2));
  let lines = extent(e, 23);
  store<u32>(inner, 0, 80); // relu comes after the pool
  store<usize>(inner, full);
  const units = ((n + block - 1) / block) * shares;
  const u1 = last(args, units, 1, ith, nth);
  for (let u = first(units, 1, ith, nth); u < u1; ++u) {
    const i = (u / shares) * block;
    const images = min<u32>(block, n - i);
    let o: u32 = 0;
    let channels = co;
    let from = i * groups;
    if (!whole) {
      const g = (u % shares) / perGroup;
      const c = (u % perGroup) * most;
      o = g * cg + c;
      channels = min<u32>(most, cg - c);
      from += g;
      store<u32>(inner, 1, 76);
    }
    store<usize>(inner, pointer(args, 2) + from * image * 4, 4);
    store<usize>(inner, pointer(args, 3) + o * k * 4, 8);
    store<usize>(inner, pointer(args, 4) + o * 4, 12);
    store<u32>(inner, images, 16);
    store<u32>(inner, channels, 20);
    store<u32>(inner, lines, 84);
    conv2d_bias_f32(inner, ith, 1);
    if (whole && lines) lines = AGAIN;
    let y = pointer(args, 0) + (i * co + o) * pooled;
    let idx = pointer(args, 1) + (i * co + o) * pooled;
    let x = full;
    for (let p: u32 = 0; p < images * channels; ++p) {
      if (!halves || !pool2(y, idx, x, ph, pw, ow, relu)) pool(y, idx, x, ph, pw, ow, pkh, pkw, psh, psw, relu);
      y += pooled;
      idx += pooled;
      x += plane;
    }
  }
}

/** Pools a plane with windows of 2x2 that tile it; false if it met a NaN (or infinities of both signs) and must not. */
function pool2(y: usize, idx: usize, x: usize, ph: u32, pw: u32, w: u32, relu: bool): bool {
  if (pw < 4) return false;
  const row = <usize>w << 2;
  const below = i32x4.splat(w);
  const floor = f32x4.splat(relu ? 0 : -Infinity);
  let bad = f32x4.splat(0);
  for (let py: u32 = 0; py < ph; ++py) {
    let px: u32 = 0;
    while (px < pw) {
      // The last four of a row end with it.
      px = min<u32>(px, pw - 4);
      const s = x + (px << 3);
      const a0 = v128.load(s);
      const a1 = v128.load(s, 16);
      const b0 = v128.load(s + row);
      const b1 = v128.load(s + row, 16);
      const p0 = i32x4.shuffle(a0, a1, 0, 2, 4, 6);
      const p1 = i32x4.shuffle(a0, a1, 1, 3, 5, 7);
      const q0 = i32x4.shuffle(b0, b1, 0, 2, 4, 6);
      const q1 = i32x4.shuffle(b0, b1, 1, 3, 5, 7);
      const p = f32x4.pmax(p0, p1);
      const q = f32x4.pmax(q0, q1);
      const low = f32x4.gt(q, p);
      const right = v128.bitselect(f32x4.gt(q1, q0), f32x4.gt(p1, p0), low);
      const corner = i32x4.add(i32x4.splat(2 * (py * w + px)), i32x4(0, 2, 4, 6));
      const sum = f32x4.add(f32x4.add(p0, p1), f32x4.add(q0, q1));
      bad = v128.or(bad, f32x4.ne(sum, sum));
      v128.store(y + (px << 2), f32x4.pmax(f32x4.pmax(p, q), floor));
      v128.store(idx + (px << 2), i32x4.add(i32x4.sub(corner, right), v128.and(low, below)));
      px += 4;
    }
    y += pw << 2;
    idx += pw << 2;
    x += row << 1;
  }
  return !v128.any_true(bad);
}

/** The first maximum of each window of a plane, or its last NaN. */
function pool(
  y: usize,
  idx: usize,
  x: usize,
  ph: u32,
  pw: u32,
  w: u32,
  kh: u32,
  kw: u32,
  sh: u32,
  sw: u32,
  relu: bool,
): void {
  for (let py: u32 = 0; py < ph; ++py) {
    for (let px: u32 = 0; px < pw; ++px) {
      let where = py * sh * w + px * sw;
      let best: f32 = -Infinity;
      let at = where;
      for (let r: u32 = 0; r < kh; ++r) {
        for (let q: u32 = 0; q < kw; ++q) {
          const v = scalar(x, at + q);
          if (v > best || v != v) {
            best = v;
            where = at + q;
          }
        }
        at += w;
      }
      store<f32>(y, relu && best < 0 ? 0 : best);
      store<u32>(idx, where);
      y += 4;
      idx += 4;
    }
  }
}
