// Copies of planes with a border of zeros, whose columns may lie apart by their remainder on division by the stride: with a stride
// of 2 a row is first its even columns, then its odd ones. What one weight meets at neighbouring outputs are neighbours there, whatever
// the stride.
//
// For example a row a b c d e with a border of one column, stride 2, parts of 4 words: 0 b d 0 | a c e 0.

/** Words of such a part for a row of `words`. */
// @ts-ignore: decorator
@inline
export function part(words: u32, stride: u32): u32 {
  return (words + stride - 1) / stride;
}

/** Where column x of a row lies, in words. */
// @ts-ignore: decorator
@inline
export function column(x: u32, stride: u32, pitch: u32): u32 {
  return stride == 1 ? x : (x % stride) * pitch + x / stride;
}

/** Copies a run of words, neither reading nor writing beyond it. */
export function copyRun(dst: usize, src: usize, n: u32): void {
  if (n >= 4) {
    const end = <usize>(n - 4) << 2;
    let o: usize = 0;
    for (; o + 48 < end; o += 64) {
      v128.store(dst + o, v128.load(src + o));
      v128.store(dst + o, v128.load(src + o, 16), 16);
      v128.store(dst + o, v128.load(src + o, 32), 32);
      v128.store(dst + o, v128.load(src + o, 48), 48);
    }
    for (; o < end; o += 16) v128.store(dst + o, v128.load(src + o));
    v128.store(dst + end, v128.load(src + end));
  } else {
    for (let i: u32 = 0; i < n; ++i) store<u32>(dst + (i << 2), load<u32>(src + (i << 2)));
  }
}

/**
 * Copies planes of h rows of w words into planes of `rows` rows, from row `top` and column `left` on; those above and below are left
 * out. A row there is `stride` parts of `pitch` words. The border becomes zeros, unless it is left from a call before.
 */
export function layPlanes(
  dst: usize,
  src: usize,
  planes: u32,
  h: u32,
  w: u32,
  rows: u32,
  top: i32,
  left: u32,
  stride: u32,
  pitch: u32,
  again: bool,
): void {
  const line = <usize>(stride * pitch) << 2;
  if (!again) memory.fill(dst, 0, <usize>planes * rows * line);
  const above = max<i32>(0, -top);
  const below = max<i32>(0, top + h - rows);
  for (let p: u32 = 0; p < planes; ++p) {
    let to = dst + line * (top + above);
    src += w * above << 2;
    for (let i = above + below; i < <i32>h; ++i) {
      if (stride == 1) copyRun(to + (left << 2), src, w);
      else if (stride == 2 && w >= 8) {
        for (let x: u32 = 0; x < w; x += 8) {
          x = min<u32>(x, w - 8);
          const a = v128.load(src + (x << 2));
          const b = v128.load(src + (x << 2), 16);
          v128.store(to + (column(left + x, 2, pitch) << 2), i32x4.shuffle(a, b, 0, 2, 4, 6));
          v128.store(to + (column(left + x + 1, 2, pitch) << 2), i32x4.shuffle(a, b, 1, 3, 5, 7));
        }
      } else {
        for (let x: u32 = 0; x < w; ++x) {
          store<u32>(to + (column(left + x, stride, pitch) << 2), load<u32>(src + (x << 2)));
        }
      }
      to += line;
      src += w << 2;
    }
    src += w * below << 2;
    dst += line * rows;
  }
}

/**
 * Copies planes of h rows of w words into planes of `rows` rows of `line` words, from row `top` and column `left` on, rows sh apart
 * and columns sw. All else becomes zeros, unless it is left from a call before.
 */
export function spreadPlanes(
  dst: usize,
  src: usize,
  planes: u32,
  h: u32,
  w: u32,
  rows: u32,
  top: u32,
  left: u32,
  sh: u32,
  sw: u32,
  line: u32,
  again: bool,
): void {
  if (!again) memory.fill(dst, 0, <usize>(planes * rows * line) << 2);
  for (let p: u32 = 0; p < planes; ++p) {
    let to = dst + ((top * line + left) << 2);
    for (let i: u32 = 0; i < h; ++i) {
      if (sw == 2 && w >= 4) {
        // The last zero may lie behind the row, where the next begins with one, or is yet to come.
        for (let x: u32 = 0; x < w; x += 4) {
          x = min<u32>(x, w - 4);
          const v = v128.load(src + (x << 2));
          const zero = i32x4.splat(0);
          v128.store(to + (x << 3), i32x4.shuffle(v, zero, 0, 4, 1, 5));
          v128.store(to + (x << 3), i32x4.shuffle(v, zero, 2, 6, 3, 7), 16);
        }
      } else {
        for (let x: u32 = 0; x < w; ++x) store<u32>(to + (x * sw << 2), load<u32>(src + (x << 2)));
      }
      to += line * sh << 2;
      src += w << 2;
    }
    dst += rows * line << 2;
  }
}

/** layPlanes with ph rows and pw columns of zeros on either side, columns in their order. */
export function padPlanes(dst: usize, src: usize, planes: u32, h: u32, w: u32, ph: u32, pw: u32): void {
  layPlanes(dst, src, planes, h, w, h + 2 * ph, ph, pw, 1, w + 2 * pw, false);
}

/** Copies n words from column x on out of a row whose parts are `pitch` words. */
export function gather(dst: usize, row: usize, x: u32, n: u32, stride: u32, pitch: u32): void {
  if (stride == 1) return copyRun(dst, row + (x << 2), n);
  if (stride == 2 && n >= 8) {
    for (let i: u32 = 0; i < n; i += 8) {
      i = min<u32>(i, n - 8);
      const a = v128.load(row + (column(x + i, 2, pitch) << 2));
      const b = v128.load(row + (column(x + i + 1, 2, pitch) << 2));
      v128.store(dst + (i << 2), i32x4.shuffle(a, b, 0, 4, 1, 5));
      v128.store(dst + (i << 2), i32x4.shuffle(a, b, 2, 6, 3, 7), 16);
    }
    return;
  }
  for (let i: u32 = 0; i < n; ++i) store<u32>(dst + (i << 2), load<u32>(row + (column(x + i, stride, pitch) << 2)));
}

/** Offsets in bytes of what weight k meets, from what the first weight meets: (ci, kh, kw) in an image [ci, h, stride, pitch]. */
export function offsets(
  table: usize,
  ci: u32,
  kh: u32,
  kw: u32,
  h: u32,
  stride: u32,
  pitch: u32,
  dh: u32,
  dw: u32,
): void {
  const line = stride * pitch;
  for (let c: u32 = 0; c < ci; ++c) {
    for (let r: u32 = 0; r < kh; ++r) {
      for (let q: u32 = 0; q < kw; ++q) {
        store<u32>(table, ((c * h + r * dh) * line + column(q * dw, stride, pitch)) << 2);
        table += 4;
      }
    }
  }
}
