// Reading by strides: a line, a run of a loop nest of six dims, a transpose. Words of any dtype.
import { fill, pick, storeLanes, words } from "./lanes";
import { offset } from "./map";

/** n words x[0], x[stride], ... */
export function copyStrided(y: usize, x: usize, stride: i32, n: u32): void {
  if (stride == 1) return words(y, x, n);
  if (stride == 0) return fill(y, v128.load32_splat(x), n);
  if (stride == 2) {
    // Not the last: a load reads one word past its four.
    const whole = (n - 1) & ~3;
    for (const stop = y + ((<usize>whole) << 2); y < stop; y += 16, x += 32) {
      v128.store(y, i32x4.shuffle(v128.load(x), v128.load(x, 16), 0, 2, 4, 6));
    }
    n -= whole;
  }
  stride <<= 2;
  for (const stop = y + ((<usize>(n & ~3)) << 2); y < stop; y += 16, x += stride << 2) {
    v128.store(y, pick(x, stride, 4));
  }
  if (n & 3) storeLanes(y, pick(x, stride, n & 3), n & 3);
}

/**
 * Lines of n words, at least four, which follow one another in y: they begin `step` bytes apart in x and lie dense there,
 * or are one word each. A line's last vector overlaps the one before.
 */
function copyLines(y: usize, x: usize, step: i32, n: u32, lines: u32, dense: bool): void {
  const back = ((<usize>n) << 2) - 16;
  for (; lines > 0; lines--, x += step) {
    const stop = y + back;
    if (dense) {
      for (let from = x; y < stop; y += 16, from += 16) v128.store(y, v128.load(from));
      v128.store(stop, v128.load(x + back));
    } else {
      const v = v128.load32_splat(x);
      for (; y < stop; y += 16) v128.store(y, v);
      v128.store(stop, v);
    }
    y = stop + 16;
  }
}

/** Lines longer than this are worth a call each. */
const SHORT: u32 = 512;

/** Words [i, end) of the dense nest `dims`, at least one, which lie at `strides` in x: line by line. */
export function copyNest(y: usize, x: usize, dims: usize, strides: usize, i: u32, end: u32): void {
  const width = load<u32>(dims, 20);
  const height = load<u32>(dims, 16);
  const s5 = load<i32>(strides, 20);
  const s4 = load<i32>(strides, 16);
  const short = <u32>s5 <= 1 && width >= 4 && width < SHORT;
  let row = i / width;
  let column = i % width;
  let inner = row % height; // index over d4
  let at = offset(row, dims, strides, 5);
  while (true) {
    let lines: u32 = 1;
    let count = min(width - column, end - i);
    if (short && count == width) {
      lines = min(height - inner, (end - i) / width);
      count = lines * width;
      copyLines(y, x + (at << 2), s4 << 2, width, lines, s5 == 1);
    } else copyStrided(y, x + ((at + <i32>column * s5) << 2), s5, count);
    i += count;
    if (i >= end) return;
    y += (<usize>count) << 2;
    column = 0;
    row += lines;
    inner += lines;
    if (inner < height) at += s4 * lines;
    else {
      inner = 0;
      at = offset(row, dims, strides, 5);
    }
  }
}

// Four rows of four words, transposed. r0 to r3 are the rows, d the first of four places ldd apart.
// @ts-ignore: decorator
@inline
function transpose4(d: usize, ldd: usize, r0: v128, r1: v128, r2: v128, r3: v128): void {
  const a = i32x4.shuffle(r0, r1, 0, 4, 1, 5);
  const b = i32x4.shuffle(r2, r3, 0, 4, 1, 5);
  const c = i32x4.shuffle(r0, r1, 2, 6, 3, 7);
  const e = i32x4.shuffle(r2, r3, 2, 6, 3, 7);
  v128.store(d, i64x2.shuffle(a, b, 0, 2));
  v128.store(d + ldd, i64x2.shuffle(a, b, 1, 3));
  v128.store(d + 2 * ldd, i64x2.shuffle(c, e, 0, 2));
  v128.store(d + 3 * ldd, i64x2.shuffle(c, e, 1, 3));
}

/**
 * dst[j][i] = src[i][j], i < rows, j < cols; strides in bytes. Blocks of 4x4, edges by words. Where `room` says that
 * dst has room for rows rounded up to four, what is missing is written as zeros.
 */
export function transpose(dst: usize, ldd: usize, src: usize, lds: usize, rows: u32, cols: u32, room: bool): void {
  const cols4 = <usize>(cols & ~3) << 2;
  const next = ldd << 2;
  let i: u32 = 0;
  for (; i + 4 <= rows; i += 4) {
    let s = src;
    let d = dst;
    for (const end = s + cols4; s < end; s += 16) {
      transpose4(d, ldd, v128.load(s), v128.load(s + lds), v128.load(s + 2 * lds), v128.load(s + 3 * lds));
      d += next;
    }
    for (const end = src + (<usize>cols << 2); s < end; s += 4) {
      store<u32>(d, load<u32>(s));
      store<u32>(d, load<u32>(s + lds), 4);
      store<u32>(d, load<u32>(s + 2 * lds), 8);
      store<u32>(d, load<u32>(s + 3 * lds), 12);
      d += ldd;
    }
    src += lds << 2;
    dst += 16;
  }
  if (room && i < rows) {
    const left = rows - i;
    const s1: usize = left > 1 ? lds : 0;
    const s2: usize = left > 2 ? lds << 1 : 0;
    const m1 = i32x4.splat(left > 1 ? -1 : 0);
    const m2 = i32x4.splat(left > 2 ? -1 : 0);
    let s = src;
    let d = dst;
    for (const end = s + cols4; s < end; s += 16) {
      transpose4(d, ldd, v128.load(s), v128.and(m1, v128.load(s + s1)), v128.and(m2, v128.load(s + s2)), i32x4.splat(0));
      d += next;
    }
    for (const end = src + (<usize>cols << 2); s < end; s += 4) {
      store<u32>(d, load<u32>(s));
      store<u32>(d, left > 1 ? load<u32>(s + s1) : 0, 4);
      store<u32>(d, left > 2 ? load<u32>(s + s2) : 0, 8);
      store<u32>(d, 0, 12);
      d += ldd;
    }
    return;
  }
  for (; i < rows; ++i) {
    let s = src;
    let d = dst;
    for (const end = s + cols4; s < end; s += 16) {
      const v = v128.load(s);
      v128.store32_lane(d, v, 0);
      v128.store32_lane(d + ldd, v, 1);
      v128.store32_lane(d + 2 * ldd, v, 2);
      v128.store32_lane(d + 3 * ldd, v, 3);
      d += next;
    }
    for (const end = src + (<usize>cols << 2); s < end; s += 4) {
      store<u32>(d, load<u32>(s));
      d += ldd;
    }
    src += lds;
    dst += 4;
  }
}

/** Lines of a turned block, and bytes between them. */
const BLOCK: u32 = 64;
const BLOCK_PITCH: usize = 256;

/**
 * The same for up to 16 columns. Lines of dst that lie a multiple of half a page apart would take each other's places in the
 * cache, being written word by word: these are turned in `spare` (4 kB) and copied from there.
 */
export function transposeBand(
  dst: usize,
  ldd: usize,
  src: usize,
  lds: usize,
  rows: u32,
  cols: u32,
  spare: usize,
): void {
  if ((ldd & 2047) != 0) return transpose(dst, ldd, src, lds, rows, cols, false);
  for (let i: u32 = 0; i < rows; i += BLOCK) {
    const n = min(BLOCK, rows - i);
    transpose(spare, BLOCK_PITCH, src, lds, n, cols, false);
    for (let j: u32 = 0; j < cols; j++) words(dst + <usize>j * ldd, spare + <usize>j * BLOCK_PITCH, n);
    src += <usize>BLOCK * lds;
    dst += BLOCK_PITCH;
  }
}
