// Reading by strides: a line, a run of a loop nest of six dims, a band of a transpose. Words of any dtype.
import { fill, pick, put, words } from "./lanes";
import { offset } from "./map";

/** n words x[0], x[stride], ... */
export function gather(y: usize, x: usize, stride: i32, n: u32): void {
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
  if (n & 3) put(y, pick(x, stride, n & 3), n & 3);
}

/** Words [i, end) of the dense nest `dims`, at least one, which lie at `strides` in x: line by line. */
export function gatherNest(y: usize, x: usize, dims: usize, strides: usize, i: u32, end: u32): void {
  const width = load<u32>(dims, 20);
  const height = load<u32>(dims, 16);
  const s5 = load<i32>(strides, 20);
  const s4 = load<i32>(strides, 16);
  let row = i / width;
  let column = i % width;
  let inner = row % height; // index over d4
  let at = offset(row, dims, strides, 5);
  while (true) {
    const count = min(width - column, end - i);
    gather(y, x + ((at + <i32>column * s5) << 2), s5, count);
    i += count;
    if (i >= end) return;
    y += (<usize>count) << 2;
    column = 0;
    row++;
    if (++inner < height) at += s4;
    else {
      inner = 0;
      at = offset(row, dims, strides, 5);
    }
  }
}

/** `columns` (up to 16) columns of m rows of x, `pitch` words apart, become rows of m words. */
export function transposeBand(y: usize, x: usize, m: u32, pitch: u32, columns: u32): void {
  const down = (<usize>pitch) << 2;
  const across = (<usize>m) << 2;
  const whole = columns & ~3;
  let i: u32 = 0;
  for (; i + 4 <= m; i += 4) {
    let to = y + ((<usize>i) << 2);
    let from = x + <usize>i * down;
    for (const stop = from + ((<usize>whole) << 2); from < stop; from += 16, to += across << 2) {
      const r0 = v128.load(from);
      const r1 = v128.load(from + down);
      const r2 = v128.load(from + 2 * down);
      const r3 = v128.load(from + 3 * down);
      const a = i32x4.shuffle(r0, r1, 0, 4, 1, 5);
      const b = i32x4.shuffle(r2, r3, 0, 4, 1, 5);
      const c = i32x4.shuffle(r0, r1, 2, 6, 3, 7);
      const d = i32x4.shuffle(r2, r3, 2, 6, 3, 7);
      v128.store(to, i64x2.shuffle(a, b, 0, 2));
      v128.store(to + across, i64x2.shuffle(a, b, 1, 3));
      v128.store(to + 2 * across, i64x2.shuffle(c, d, 0, 2));
      v128.store(to + 3 * across, i64x2.shuffle(c, d, 1, 3));
    }
    for (let j = whole; j < columns; j++, from += 4, to += across) v128.store(to, pick(from, <i32>down, 4));
  }
  for (; i < m; i++) {
    const from = x + <usize>i * down;
    for (let j: u32 = 0; j < columns; j++) {
      store<u32>(y + ((<usize>i) << 2) + <usize>j * across, load<u32>(from + ((<usize>j) << 2)));
    }
  }
}
