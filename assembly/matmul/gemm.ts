// Packing, and the loops of one matrix product around the register tile.
//
//   for columns by <= NC, for k by <= KC: pack B into panels of <= 24 columns, spread evenly
//     for rows by MC: for panels: for pairs of rows: tile (in the build wide: for three rows, tile256)
//
// For example m = 50, n = 100, k = 600: 25 vectors of columns make 5 panels of 5 vectors, k is cut into 3 blocks of 200, rows go
// by 16, 16, 16 and 2. A panel of a block is 200 rows of 20 floats, 16 kB; under it the first 16 rows of A take 8 calls of
// tile, each of 200 steps, which store C in the first block and add to it in the others.
import { transpose } from "../lib/nest";
import { BITS256 } from "../lib/simd";
import { ADD, NR, RELU, STORE, storeVector, tile } from "./tile";
import { tile256 } from "./tile256";
import { tallRows, tileTall } from "./tiletall";

/** Steps of k between two updates of C: a panel of 24 columns is 24 KiB, and the longest chain of roundings is 256. */
export const KC: u32 = 256;
const PANELS: u32 = 20; // packed at a time: 480 columns, 480 KiB
const MC: u32 = BITS256 ? 12 : 16; // rows under a panel: more, and the prefetcher loses C
const MT: u32 = BITS256 ? 60 : 64; // rows of a transposed A packed at a time

const PACKED: u32 = 8; // rows of B packed at a time, one behind the other in all panels
const FEW_ROWS: u32 = 12;
const FAR: usize = 2048; // bytes from row to row of a B that is not read where it lies, but for few rows of A

// A thread's scratch: packed B, packed A, then what an unpaired row or an odd column is computed into.
const BLOCK: usize = (KC * PANELS * NR) << 4;
const PITCH: usize = KC * 4 + 64;
const STRIP: usize = BLOCK + PITCH * MT;

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
    for (; j + 4 <= cols; j += 4) storeVector(c + (j << 2), v128.load(strip + (j << 2)), mode);
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
 * One panel under `rows` rows of A: C gets the products, by pairs of rows, or by tallRows under a narrow panel.
 */
function stripe(
  across: u32,
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
  const three = BITS256 && (across == 6 || across == 4); // then the last one or two rows have the tile of two
  const step = across <= 3 ? tallRows(across) : three ? 3 : 2;
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
      tile256(across, a, a1, a + 2 * lda, b, ldb, k, c0, c1, c2, to);
    } else if (across > 3) {
      tile(across, a, a1, b, ldb, k, c0, c1, to);
    } else {
      const a2 = left > 2 ? a + 2 * lda : a;
      const a3 = left > 3 ? a + 3 * lda : a;
      const c2 = odd || left < 3 ? strip + 192 : c + 2 * ldc;
      const c3 = odd || left < 4 ? strip + 288 : c + 3 * ldc;
      tileTall(across, a, a1, a2, a3, b, ldb, k, c0, c1, c2, c3, to);
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
 * C[m, n] = A B, strides in bytes. transA: A is stored [k, m]; transB: B is stored [n, k]. With nothing to add up (k = 0) C
 * gets zeros. How B is read never changes what an element of C gets: one chain over k within each block of KC.
 */
export function gemm(
  transA: bool,
  transB: bool,
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
  const inPlace = !transB && (m <= (ldb < FAR ? 32 : FEW_ROWS) || (n <= 64 && k <= KC && ldb < FAR));

  for (let jc: u32 = 0; jc < panels; jc += PANELS) {
    const jend = min<u32>(jc + PANELS, panels);
    let pc: u32 = 0;
    do {
      const depth = min<u32>(kc, k - pc);
      // B's rows are read through all panels, some at a time, which the prefetcher follows; a transposed B as a whole.
      const some = transB ? max<u32>(depth, 1) : PACKED;
      for (let q: u32 = 0; q < depth; q += some) {
        for (let p = jc; p < jend; ++p) {
          const v0 = edge(vectors, panels, p);
          const v1 = edge(vectors, panels, p + 1);
          const dst = work + (((v0 - edge(vectors, panels, jc)) * KC + (v1 - v0) * q) << 4);
          const cols = min<u32>(v1 << 2, n) - (v0 << 2);
          const left = min<u32>(some, depth - q);
          if (transB) transpose(dst, <usize>(v1 - v0) << 4, b + ldb * (v0 << 2) + (pc << 2), ldb, cols, depth, true);
          else if (!inPlace || cols & 3) packRows(dst, b + ldb * (pc + q) + (v0 << 4), ldb, left, cols, v1 - v0);
        }
      }
      const step = transA ? MT : MC;
      for (let ic: u32 = 0; ic < m; ic += step) {
        const iend = min<u32>(ic + step, m);
        let rows = a + lda * ic + (pc << 2);
        let pitch = lda;
        if (transA) {
          rows = work + BLOCK;
          pitch = PITCH;
          transpose(rows, pitch, a + lda * pc + (ic << 2), lda, depth, iend - ic, true);
        }
        for (let i0 = ic; i0 < iend; i0 += MC) {
          const i1 = min<u32>(i0 + MC, iend);
          for (let p = jc; p < jend; ++p) {
            const v0 = edge(vectors, panels, p);
            const v1 = edge(vectors, panels, p + 1);
            const across = v1 - v0;
            const cols = min<u32>(v1 << 2, n) - (v0 << 2);
            let panel = work + (((v0 - edge(vectors, panels, jc)) * KC) << 4);
            let ldp = <usize>across << 4;
            if (inPlace && (cols & 3) == 0) {
              panel = b + ldb * pc + (v0 << 4);
              ldp = ldb;
            }
            const at = c + ldc * i0 + (v0 << 4);
            const mode = pc > 0 ? ADD : STORE;
            const ai = rows + pitch * (i0 - ic);
            stripe(across, cols, i1 - i0, ai, pitch, panel, ldp, depth, at, ldc, work + STRIP, mode);
          }
        }
      }
      pc += kc;
    } while (pc < k);
  }
}
