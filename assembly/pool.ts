// Max and average pooling over planes [h, w] to [oh, ow]. Max-pooling remembers where in its plane each maximum was
// found. Windows of 2x2 that tile the plane, the common case, go four at a time.
import { extent, first, last, pointer } from "./lib/args";

// @ts-ignore: decorator
@inline
function larger(v: v128, best: v128): v128 {
  return v128.or(f32x4.gt(v, best), f32x4.ne(v, v));
}

/** y idx:i32 | x | planes oh ow kh kw | h:i32 w:i32 sh:i32 sw:i32 ph:i32 pw:i32 dh:i32 dw:i32: the first maximum of a window, or the last NaN */
export function max_pool2d_f32(args: usize, ith: u32, nth: u32): void {
  const e = args + 12;
  const planes = extent(e, 0);
  const oh = extent(e, 1);
  const ow = extent(e, 2);
  const kh = extent(e, 3);
  const kw = extent(e, 4);
  const h = extent(e, 5);
  const w = extent(e, 6);
  const sh = extent(e, 7);
  const sw = extent(e, 8);
  const ph = extent(e, 9);
  const pw = extent(e, 10);
  const dh = extent(e, 11);
  const dw = extent(e, 12);
  const halves = kh == 2 && kw == 2 && sh == 2 && sw == 2 && (ph | pw) == 0 && dh == 1 && dw == 1 && ow * 2 <= w;

  const lines = planes * oh;
  const u1 = last(args, lines, 1, ith, nth);
  let u = first(lines, 1, ith, nth);
  const before: u32 = oh ? u / oh : 0;
  let x = pointer(args, 2) + before * h * w * 4;
  let y = pointer(args, 0) + u * ow * 4;
  let idx = pointer(args, 1) + u * ow * 4;
  let oy = oh ? u % oh : 0;
  for (; u < u1; ++u) {
    const top = oy * sh - ph;
    let ox: u32 = 0;
    if (halves && top + 2 <= h) {
      const ws = i32x4.splat(w);
      const one = i32x4.splat(1);
      let at = i32x4.add(i32x4.splat(top * w), i32x4(0, 2, 4, 6));
      let s = x + top * w * 4;
      for (; ox + 4 <= ow; ox += 4) {
        const a0 = v128.load(s);
        const a1 = v128.load(s, 16);
        const b0 = v128.load(s + (w << 2));
        const b1 = v128.load(s + (w << 2), 16);
        let best = i32x4.shuffle(a0, a1, 0, 2, 4, 6);
        let where = at;
        let v = i32x4.shuffle(a0, a1, 1, 3, 5, 7);
        let m = larger(v, best);
        best = v128.bitselect(v, best, m);
        where = i32x4.sub(where, m);
        v = i32x4.shuffle(b0, b1, 0, 2, 4, 6);
        m = larger(v, best);
        best = v128.bitselect(v, best, m);
        const below = i32x4.add(at, ws);
        where = v128.bitselect(below, where, m);
        v = i32x4.shuffle(b0, b1, 1, 3, 5, 7);
        m = larger(v, best);
        best = v128.bitselect(v, best, m);
        where = v128.bitselect(i32x4.add(below, one), where, m);
        v128.store(y + (ox << 2), best);
        v128.store(idx + (ox << 2), where);
        at = i32x4.add(at, i32x4.splat(8));
        s += 32;
      }
    }
    for (; ox < ow; ++ox) {
      const left = ox * sw - pw;
      let best: f32 = -Infinity;
      let where: u32 = -1;
      for (let r: u32 = 0; r < kh; ++r) {
        const iy = top + r * dh;
        if (iy >= h) continue;
        for (let q: u32 = 0; q < kw; ++q) {
          const ix = left + q * dw;
          if (ix >= w) continue;
          const v = load<f32>(x + ((iy * w + ix) << 2));
          if (where == -1 || v > best || v != v) {
            best = v;
            where = iy * w + ix;
          }
        }
      }
      store<f32>(y + (ox << 2), best);
      store<u32>(idx + (ox << 2), where);
    }
    y += ow << 2;
    idx += ow << 2;
    if (++oy == oh) {
      oy = 0;
      x += (h * w) << 2;
    }
  }
}

/**
 * Four gradients to two rows of eight of gx, each to the corner of its 2x2 that idx names; false if one lies outside.
 */
// @ts-ignore: decorator
@inline
function spread(to: usize, row: usize, g: v128, where: v128, at: v128, w: v128): bool {
  const one = i32x4.splat(1);
  const m0 = i32x4.eq(where, at);
  const m1 = i32x4.eq(where, i32x4.add(at, one));
  const below = i32x4.add(at, w);
  const m2 = i32x4.eq(where, below);
  const m3 = i32x4.eq(where, i32x4.add(below, one));
  const g0 = v128.and(g, m0);
  const g1 = v128.and(g, m1);
  const g2 = v128.and(g, m2);
  const g3 = v128.and(g, m3);
  v128.store(to, i32x4.shuffle(g0, g1, 0, 4, 1, 5));
  v128.store(to, i32x4.shuffle(g0, g1, 2, 6, 3, 7), 16);
  v128.store(to + row, i32x4.shuffle(g2, g3, 0, 4, 1, 5));
  v128.store(to + row, i32x4.shuffle(g2, g3, 2, 6, 3, 7), 16);
  return i32x4.all_true(v128.or(v128.or(m0, m1), v128.or(m2, m3)));
}

/** Tries to write a plane of gx in one pass, taking idx to come from 2x2 windows; false if it does not. */
function unpool(gx: usize, gy: usize, idx: usize, oh: u32, ow: u32, w: u32): bool {
  const ws = i32x4.splat(w);
  const row = <usize>w << 2;
  for (let oy: u32 = 0; oy < oh; ++oy) {
    let at = i32x4.add(i32x4.splat(2 * oy * w), i32x4(0, 2, 4, 6));
    let to = gx;
    let ox: u32 = 0;
    for (; ox + 4 <= ow; ox += 4) {
      if (!spread(to, row, v128.load(gy + (ox << 2)), v128.load(idx + (ox << 2)), at, ws)) return false;
      at = i32x4.add(at, i32x4.splat(8));
      to += 32;
    }
    for (; ox < ow; ++ox) {
      const g = load<f32>(gy + (ox << 2));
      const d = load<u32>(idx + (ox << 2)) - 2 * (oy * w + ox);
      if (d > 1 && d - w > 1) return false;
      store<f32>(to, d == 0 ? g : 0);
      store<f32>(to, d == 1 ? g : 0, 4);
      store<f32>(to + row, d == w ? g : 0);
      store<f32>(to + row, d == w + 1 ? g : 0, 4);
      to += 8;
    }
    gx += 2 * row;
    gy += <usize>ow << 2;
    idx += <usize>ow << 2;
  }
  return true;
}

/** gx | gy idx:i32 | planes oh ow | h:i32 w:i32 sh:i32 sw:i32 ph:i32 pw:i32 dh:i32 dw:i32 kh:i32 kw:i32: each gradient is added where its maximum was; windows may overlap */
export function max_pool2d_vjp_f32(args: usize, ith: u32, nth: u32): void {
  const e = args + 12;
  const planes = extent(e, 0);
  const oh = extent(e, 1);
  const ow = extent(e, 2);
  const h = extent(e, 3);
  const w = extent(e, 4);
  const end = last(args, planes, 1, ith, nth);
  for (let p = first(planes, 1, ith, nth); p < end; ++p) {
    const gx = pointer(args, 0) + p * h * w * 4;
    const gy = pointer(args, 1) + p * oh * ow * 4;
    const idx = pointer(args, 2) + p * oh * ow * 4;
    if (h == 2 * oh && w == 2 * ow && unpool(gx, gy, idx, oh, ow, w)) continue;
    memory.fill(gx, 0, (<usize>h * w) << 2);
    for (let i: u32 = 0; i < oh * ow; ++i) {
      const to = gx + (load<u32>(idx + (i << 2)) << 2);
      store<f32>(to, load<f32>(to) + load<f32>(gy + (i << 2)));
    }
  }
}

// PyTorch's divisor: the window clipped to the padded plane if padding counts, else to the plane; or a number given.
// @ts-ignore: decorator
@inline
function divisor(e: usize, top: i32, left: i32, kh: i32, kw: i32, h: i32, w: i32, ph: i32, pw: i32): f32 {
  const given = extent(e, 12);
  if (given) return <f32>(<i32>given);
  if (extent(e, 11)) return <f32>((min(top + kh, h + ph) - top) * (min(left + kw, w + pw) - left));
  return <f32>max((min(top + kh, h) - max(top, 0)) * (min(left + kw, w) - max(left, 0)), 1);
}

/** y | x | planes oh ow kh kw | h:i32 w:i32 sh:i32 sw:i32 ph:i32 pw:i32 padded:i32 given:i32: the divisor, 0 for none */
export function avg_pool2d_f32(args: usize, ith: u32, nth: u32): void {
  const e = args + 8;
  const planes = extent(e, 0);
  const oh = extent(e, 1);
  const ow = extent(e, 2);
  const kh = extent(e, 3);
  const kw = extent(e, 4);
  const h = extent(e, 5);
  const w = extent(e, 6);
  const sh = extent(e, 7);
  const sw = extent(e, 8);
  const ph = extent(e, 9);
  const pw = extent(e, 10);
  const halves = kh == 2 && kw == 2 && sh == 2 && sw == 2 && (ph | pw) == 0;
  const lines = planes * oh;
  const u1 = last(args, lines, 1, ith, nth);
  for (let u = first(lines, 1, ith, nth); u < u1; ++u) {
    const x = pointer(args, 1) + (u / oh) * h * w * 4;
    const y = pointer(args, 0) + u * ow * 4;
    const top = <i32>((u % oh) * sh - ph);
    let ox: u32 = 0;
    if (halves && <u32>top + 2 <= h && ow * 2 <= w) {
      const by = f32x4.splat(divisor(e, top, 0, 2, 2, h, w, 0, 0));
      const row = w << 2;
      let s = x + top * w * 4;
      for (; ox + 4 <= ow; ox += 4) {
        const a0 = v128.load(s);
        const a1 = v128.load(s, 16);
        const b0 = v128.load(s + row);
        const b1 = v128.load(s + row, 16);
        const a = f32x4.add(i32x4.shuffle(a0, a1, 0, 2, 4, 6), i32x4.shuffle(a0, a1, 1, 3, 5, 7));
        const b = f32x4.add(f32x4.add(a, i32x4.shuffle(b0, b1, 0, 2, 4, 6)), i32x4.shuffle(b0, b1, 1, 3, 5, 7));
        v128.store(y + (ox << 2), f32x4.div(b, by));
        s += 32;
      }
    }
    for (; ox < ow; ++ox) {
      const left = <i32>(ox * sw - pw);
      let sum: f32 = 0;
      const y1 = min(top + <i32>kh, <i32>h);
      const x1 = min(left + <i32>kw, <i32>w);
      for (let iy = max(top, 0); iy < y1; ++iy) {
        for (let ix = max(left, 0); ix < x1; ++ix) sum += load<f32>(x + ((iy * w + ix) << 2));
      }
      store<f32>(y + (ox << 2), sum / divisor(e, top, left, kh, kw, h, w, ph, pw));
    }
  }
}

/**
 * gx | gy | planes oh ow kh kw | h:i32 w:i32 sh:i32 sw:i32 ph:i32 pw:i32 padded:i32 given:i32: each gradient spread over its
 * window
 */
export function avg_pool2d_vjp_f32(args: usize, ith: u32, nth: u32): void {
  const e = args + 8;
  const planes = extent(e, 0);
  const oh = extent(e, 1);
  const ow = extent(e, 2);
  const kh = extent(e, 3);
  const kw = extent(e, 4);
  const h = extent(e, 5);
  const w = extent(e, 6);
  const sh = extent(e, 7);
  const sw = extent(e, 8);
  const ph = extent(e, 9);
  const pw = extent(e, 10);
  const halves = kh == 2 && kw == 2 && sh == 2 && sw == 2 && (ph | pw) == 0 && oh * 2 <= h && ow * 2 <= w;
  const end = last(args, planes, 1, ith, nth);
  for (let p = first(planes, 1, ith, nth); p < end; ++p) {
    const gx = pointer(args, 0) + p * h * w * 4;
    const gy = pointer(args, 1) + p * oh * ow * 4;
    memory.fill(gx, 0, (<usize>h * w) << 2);
    for (let oy: u32 = 0; oy < oh; ++oy) {
      const top = <i32>(oy * sh - ph);
      const line = gy + oy * ow * 4;
      let ox: u32 = 0;
      if (halves) {
        const by = f32x4.splat(divisor(e, top, 0, 2, 2, h, w, 0, 0));
        let to = gx + top * w * 4;
        for (; ox + 4 <= ow; ox += 4) {
          const g = f32x4.div(v128.load(line + (ox << 2)), by);
          const low = i32x4.shuffle(g, g, 0, 0, 1, 1);
          const high = i32x4.shuffle(g, g, 2, 2, 3, 3);
          v128.store(to, low);
          v128.store(to, high, 16);
          v128.store(to + (w << 2), low);
          v128.store(to + (w << 2), high, 16);
          to += 32;
        }
      }
      for (; ox < ow; ++ox) {
        const left = <i32>(ox * sw - pw);
        const g = load<f32>(line + (ox << 2)) / divisor(e, top, left, kh, kw, h, w, ph, pw);
        const y1 = min(top + <i32>kh, <i32>h);
        const x1 = min(left + <i32>kw, <i32>w);
        for (let iy = max(top, 0); iy < y1; ++iy) {
          for (let ix = max(left, 0); ix < x1; ++ix) {
            const to = gx + ((iy * w + ix) << 2);
            store<f32>(to, load<f32>(to) + g);
          }
        }
      }
    }
  }
}
