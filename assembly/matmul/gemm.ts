// Packing, and the loops of one matrix product around the register tile.
//
//   for columns by <= NC, for k by <= KC: pack B into panels of <= 24 columns, spread evenly
//     for rows by MC: for panels: for pairs of rows: tile (in the build wide: for three rows, tileWide)
import { narrow, narrowRows } from "./narrow";
import { BITS256 } from "../lib/simd";
import { ADD, NR, put, RELU, STORE, tile } from "./tile";
import { tileWide } from "./wide";

/** Steps of k between two updates of C: a panel of 24 columns is 24 KiB, and the longest chain of roundings is 256. */
export const KC: u32 = 256;
const PANELS: u32 = 20; // packed at a time: 480 columns, 480 KiB
const MC: u32 = BITS256 ? 12 : 16; // rows under a panel: more, and the prefetcher loses C
const MT: u32 = BITS256 ? 60 : 64; // rows of a transposed A packed at a time

const FAR: usize = 2048; // bytes from row to row of a B that is not read where it lies, but for few rows of A

// A thread's scratch: packed B, packed A, then what an unpaired row or an odd column is computed into.
const BLOCK: usize = (KC * PANELS * NR) << 4;
const PITCH: usize = KC * 4 + 64;
const STRIP: usize = BLOCK + PITCH * MT;

// Four rows of four words, turned. r0 to r3 are the rows, d the first of four places ldd apart.
// @ts-ignore: decorator
@inline
function turn(d: usize, ldd: usize, r0: v128, r1: v128, r2: v128, r3: v128): void {
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
  const cols4 = cols & ~3;
  const zero = i32x4.splat(0);
  let i: u32 = 0;
  for (; i + 4 <= rows || (room && i < rows); i += 4) {
    const left = rows - i;
    let s = src + lds * i;
    let d = dst + (i << 2);
    const end = s + (cols4 << 2);
    const s1: usize = left > 1 ? lds : 0;
    const s2: usize = left > 2 ? lds << 1 : 0;
    if (left >= 4) {
      for (; s < end; s += 16) {
        turn(d, ldd, v128.load(s), v128.load(s + lds), v128.load(s + 2 * lds), v128.load(s + 3 * lds));
        d += ldd << 2;
      }
    } else {
      const m1 = i32x4.splat(left > 1 ? -1 : 0);
      const m2 = i32x4.splat(left > 2 ? -1 : 0);
      for (; s < end; s += 16) {
        turn(d, ldd, v128.load(s), v128.and(m1, v128.load(s + s1)), v128.and(m2, v128.load(s + s2)), zero);
        d += ldd << 2;
      }
    }
    for (let j = cols4; j < cols; ++j) {
      store<u32>(d, load<u32>(s));
      store<u32>(d, left > 1 ? load<u32>(s + s1) : 0, 4);
      store<u32>(d, left > 2 ? load<u32>(s + s2) : 0, 8);
      store<u32>(d, left > 3 ? load<u32>(s + 3 * lds) : 0, 12);
      s += 4;
      d += ldd;
    }
  }
  for (; i < rows; ++i) {
    let s = src + lds * i;
    let d = dst + (i << 2);
    for (const end = s + (cols4 << 2); s < end; s += 16) {
      const v = v128.load(s);
      v128.store32_lane(d, v, 0);
      v128.store32_lane(d + ldd, v, 1);
      v128.store32_lane(d + 2 * ldd, v, 2);
      v128.store32_lane(d + 3 * ldd, v, 3);
      d += ldd << 2;
    }
    for (let j = cols4; j < cols; ++j) {
      store<u32>(d, load<u32>(s));
      s += 4;
      d += ldd;
    }
  }
}

/** k rows of `cols` columns from src into dense rows of n vectors, the columns behind filled with zeros. */
export function packRows(dst: usize, src: usize, lds: usize, k: u32, cols: u32, n: u32): void {
  const whole = cols >> 2;
  const tail = cols & 3;
  for (let q: u32 = 0; q < k; ++q) {
    let s = src;
    let v: u32 = 0;
    for (; v < whole; ++v) {
      v128.store(dst, v128.load(s));
      s += 16;
      dst += 16;
    }
    if (tail) {
      let x = v128.load32_zero(s);
      if (tail > 1) x = v128.load32_lane(s, x, 1, 4);
      if (tail > 2) x = v128.load32_lane(s, x, 2, 8);
      v128.store(dst, x);
      dst += 16;
      ++v;
    }
    for (; v < n; ++v) {
      v128.store(dst, i32x4.splat(0));
      dst += 16;
    }
    src += lds;
  }
}

/** Brings rows of `cols` columns, 96 bytes apart, to C as a tile would have: STORE or ADD, with RELU. */
export function unstrip(strip: usize, c: usize, ldc: usize, rows: u32, cols: u32, mode: i32): void {
  for (let r: u32 = 0; r < rows; ++r) {
    let j: u32 = 0;
    for (; j + 4 <= cols; j += 4) put(c + (j << 2), v128.load(strip + (j << 2)), mode);
    for (; j < cols; ++j) {
      let v = load<f32>(strip + (j << 2));
      if (mode & ADD) v = load<f32>(c + (j << 2)) + v;
      if (mode & RELU && v < 0) v = 0;
      store<f32>(c + (j << 2), v);
    }
    strip += 96;
    c += ldc;
  }
}

/** First vector of panel p of so many: spread evenly, in the build wide by pairs of vectors. */
// @ts-ignore: decorator
@inline
function edge(vectors: u32, panels: u32, p: u32): u32 {
  return BITS256 ? min<u32>(((((vectors + 1) >> 1) * p) / panels) << 1, vectors) : (vectors * p) / panels;
}

/**
 * One panel under `rows` rows of A: C gets the products, by pairs of rows, or by narrowRows where the panel is
 * narrow.
 */
function stripe(
  wide: u32,
  cols: u32,
  rows: u32,
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  k: u32,
  c: usize,
  ldc: usize,
  strip: usize,
  mode: i32,
): void {
  const three = BITS256 && (wide == 6 || wide == 4); // then the last one or two rows have the tile of two
  const step = wide <= 3 ? narrowRows(wide) : three ? 3 : 2;
  const odd = (cols & 3) != 0;
  const to = odd ? STORE : mode;
  for (let i: u32 = 0; i < rows; i += step) {
    // Rows beyond the last repeat the first, and go to the strip.
    const left = min<u32>(step, rows - i);
    const a1 = left > 1 ? a + lda : a;
    const c0 = odd ? strip : c;
    const c1 = odd || left < 2 ? strip + 96 : c + ldc;
    if (three && left == 3) {
      const c2 = odd ? strip + 192 : c + 2 * ldc;
      tileWide(wide, a, a1, a + 2 * lda, b, ldb, k, c0, c1, c2, to);
    } else if (wide > 3) {
      tile(wide, a, a1, 4, 0, b, ldb, k, 1, c0, c1, 0, 0, to);
    } else {
      const a2 = left > 2 ? a + 2 * lda : a;
      const a3 = left > 3 ? a + 3 * lda : a;
      const c2 = odd || left < 3 ? strip + 192 : c + 2 * ldc;
      const c3 = odd || left < 4 ? strip + 288 : c + 3 * ldc;
      narrow(wide, a, a1, a2, a3, 4, 0, b, ldb, k, 1, c0, c1, c2, c3, to);
    }
    if (odd) unstrip(strip, c, ldc, left, cols, mode);
    a += lda * step;
    c += ldc * step;
  }
}

/** Length of the blocks of k: as few as KC allows, about the same, multiples of 4. */
export function chain(k: u32): u32 {
  const blocks = max<u32>((k + KC - 1) / KC, 1);
  return ((k + blocks - 1) / blocks + 3) & ~3;
}

/**
 * C[m, n] = A B, strides in bytes. AT: A is stored [k, m]; BT: B is stored [n, k]. With nothing to add up (k = 0) C
 * gets zeros. How B is read never changes what an element of C gets: one chain over k within each block of KC.
 */
export function gemm(
  AT: bool,
  BT: bool,
  c: usize,
  ldc: usize,
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  m: u32,
  n: u32,
  k: u32,
  work: usize,
): void {
  if (m == 0 || n == 0) return;
  const vectors = (n + 3) >> 2;
  const panels = (vectors + NR - 1) / NR;
  const kc = chain(k);
  // Few rows, or B small enough for the first cache: read B where it lies. A panel with an odd end is always packed, and so are
  // rows far apart, of which that cache keeps few: their addresses are alike.
  const inPlace = !BT && (m <= 32 || (n <= 64 && k <= KC && ldb < FAR));

  for (let jc: u32 = 0; jc < panels; jc += PANELS) {
    const jend = min<u32>(jc + PANELS, panels);
    let pc: u32 = 0;
    do {
      const depth = min<u32>(kc, k - pc);
      for (let p = jc; p < jend; ++p) {
        const v0 = edge(vectors, panels, p);
        const v1 = edge(vectors, panels, p + 1);
        const dst = work + (((v0 - edge(vectors, panels, jc)) * KC) << 4);
        const cols = min<u32>(v1 << 2, n) - (v0 << 2);
        if (BT) transpose(dst, <usize>(v1 - v0) << 4, b + ldb * (v0 << 2) + (pc << 2), ldb, cols, depth, true);
        else if (!inPlace || cols & 3) packRows(dst, b + ldb * pc + (v0 << 4), ldb, depth, cols, v1 - v0);
      }
      const step = AT ? MT : MC;
      for (let ic: u32 = 0; ic < m; ic += step) {
        const iend = min<u32>(ic + step, m);
        let rows = a + lda * ic + (pc << 2);
        let pitch = lda;
        if (AT) {
          rows = work + BLOCK;
          pitch = PITCH;
          transpose(rows, pitch, a + lda * pc + (ic << 2), lda, depth, iend - ic, true);
        }
        for (let i0 = ic; i0 < iend; i0 += MC) {
          const i1 = min<u32>(i0 + MC, iend);
          for (let p = jc; p < jend; ++p) {
            const v0 = edge(vectors, panels, p);
            const v1 = edge(vectors, panels, p + 1);
            const wide = v1 - v0;
            const cols = min<u32>(v1 << 2, n) - (v0 << 2);
            let panel = work + (((v0 - edge(vectors, panels, jc)) * KC) << 4);
            let ldp = <usize>wide << 4;
            if (inPlace && (cols & 3) == 0) {
              panel = b + ldb * pc + (v0 << 4);
              ldp = ldb;
            }
            const at = c + ldc * i0 + (v0 << 4);
            const mode = pc > 0 ? ADD : STORE;
            const ai = rows + pitch * (i0 - ic);
            stripe(wide, cols, i1 - i0, ai, pitch, panel, ldp, depth, at, ldc, work + STRIP, mode);
          }
        }
      }
      pc += kc;
    } while (pc < k);
  }
}
