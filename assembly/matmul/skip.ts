// Products that skip the zeros of A. What is not zero in a row of A is listed, each value with where its row of B begins in
// a panel, and the tile of lists.ts runs over the list. A row with few zeros is left to the tile of tile.ts.
//
//   for columns by as many panels as fit, for k by <= KC: pack B into panels of <= 48 columns, equally wide but for the last
//     for rows of A by <= 64: list them; for panels: for rows: sumLists; for pairs of full rows: tile
//
// The blocks of k and the order of the madds are those of gemm.ts, so the bits are too, but where a zero meets an infinity
// or a NaN.
//
// For example A has 100 rows, n = 100, k = 600: 25 vectors of columns make 3 panels of 9, 9 and 7; k is cut into 3 blocks of
// 200. Rows 0 to 63 are listed for the first block: a row with 30 nonzeros has 30 entries, and each of its 9 vectors of C under
// the first panel takes 30 madds instead of 200. A row with 190 nonzeros is noted as full.
import { transpose } from "../lib/nest";
import { BITS256 } from "../lib/simd";
import { chain, KC, packRows, unstrip } from "./gemm";
import { ENTRY, LISTED, listRow, sumLists } from "./lists";
import { ADD, STORE, tile } from "./tile";

/** Vectors of a panel: two tiles of tile.ts side by side. */
const ACROSS: u32 = 12;
/** Share of nonzeros from which a row is left to the dense tile; in the build wide the tile over a list is as fast. */
const FULL: f32 = ASC_FEATURE_RELAXED_SIMD ? 0.8 : 0.9;
const MOST_ROWS: u32 = LISTED / KC; // 64, listed at a time
const IN_PLACE: u32 = 32; // rows up to which B is read where it lies: fewer use a panel too seldom to pay for packing it

// A thread's scratch: packed B, rows of a transposed A, two rows of a panel, where lists end, numbers of full rows, lists.
const PANELS: usize = 480 << 10;
const TRANSPOSED: usize = PANELS;
const PITCH: usize = KC * 4 + 64;
const STRIP: usize = TRANSPOSED + PITCH * MOST_ROWS;
const ROW: usize = ACROSS << 4;
const ENDS: usize = STRIP + 2 * ROW;
const FULLS: usize = ENDS + 512;
const LISTS: usize = FULLS + 512;

/** Lists rows of A, k columns, for rows of B ldb apart. A full row has an empty list and is noted; gives the notes' end. */
function listRows(work: usize, a: usize, lda: usize, rows: u32, k: u32, ldb: u32): usize {
  const most = <usize>(<f32>k * FULL) * ENTRY;
  let full = work + FULLS;
  let end = work + LISTS;
  for (let i: u32 = 0; i < rows; ++i) {
    const stop = listRow(end, a, k, ldb);
    if (!BITS256 && stop - end > most) {
      store<u32>(full, i);
      full += 4;
    } else end = stop;
    store<usize>(work + ENDS + (i << 2), end);
    a += lda;
  }
  return full;
}

/** One panel under the lists of `rows` rows. Where it ends within a vector, rows go through the strip. */
function listedRows(work: usize, b: usize, across: u32, cols: u32, rows: u32, c: usize, ldc: usize, mode: i32): void {
  const all = i32x4.splat(-1);
  let ends = work + ENDS;
  let from = work + LISTS;
  if ((cols & 3) == 0) return sumLists(across, b, 0, from, load<usize>(ends), ends + 4, c, ldc, rows, all, mode == ADD);
  for (; rows > 0; --rows) {
    const end = load<usize>(ends);
    sumLists(across, b, 0, from, end, 0, work + STRIP, 0, 1, all, false);
    unstrip(work + STRIP, c, ldc, 1, cols, mode);
    from = end;
    ends += 4;
    c += ldc;
  }
}

/** One panel under the full rows, noted up to `full`, by pairs; without a partner a row stands for two. */
function fullRows(
  work: usize,
  full: usize,
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  k: u32,
  across: u32,
  cols: u32,
  c: usize,
  ldc: usize,
  mode: i32,
): void {
  const odd = (cols & 3) != 0;
  const strip = work + STRIP;
  const half = across >> 1;
  const right = <usize>half << 4;
  for (let f = work + FULLS; f < full; f += 8) {
    const two = f + 4 < full;
    const r0 = load<u32>(f);
    const r1 = two ? load<u32>(f, 4) : r0;
    const c0 = odd ? strip : c + ldc * r0;
    const c1 = odd || !two ? strip + ROW : c + ldc * r1;
    const to = odd ? STORE : mode;
    const a0 = a + lda * r0;
    const a1 = a + lda * r1;
    if (half) tile(half, a0, a1, b, ldb, k, c0, c1, to);
    tile(across - half, a0, a1, b + right, ldb, k, c0 + right, c1 + right, to);
    if (odd) unstrip(strip, c + ldc * r0, ldc, 1, cols, mode);
    if (odd && two) unstrip(strip + ROW, c + ldc * r1, ldc, 1, cols, mode);
  }
}

/** C[m, n] = A B, strides in bytes. transA: A is stored [k, m]; transB: B is stored [n, k]. */
export function gemmSkipping(
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
  const vectors = (n + 3) >> 2;
  const panels = (vectors + ACROSS - 1) / ACROSS;
  const widest = (vectors + panels - 1) / panels;
  const kc = chain(k);
  const inPlace = !transB && m <= IN_PLACE && (n & 3) == 0;
  const ldp = inPlace ? <u32>ldb : widest << 4;
  const size = max<u32>(kc * widest, 1) << 4;
  const atOnce = inPlace ? panels : <u32>PANELS / size;

  for (let first: u32 = 0; first < panels; first += atOnce) {
    const last = min<u32>(first + atOnce, panels);
    let pc: u32 = 0;
    do {
      const depth = min<u32>(kc, k - pc);
      const mode = pc > 0 ? ADD : STORE;
      for (let p = first; p < last && !inPlace; ++p) {
        const v0 = p * widest;
        const cols = min<u32>(widest << 2, n - (v0 << 2));
        const to = work + (p - first) * size;
        if (transB) transpose(to, ldp, b + ldb * (v0 << 2) + (pc << 2), ldb, cols, depth, true);
        else packRows(to, b + ldb * pc + (v0 << 4), ldb, depth, cols, widest);
      }
      for (let i0: u32 = 0; i0 < m; i0 += MOST_ROWS) {
        const rows = min<u32>(MOST_ROWS, m - i0);
        let x = a + lda * i0 + (pc << 2);
        let pitch = lda;
        if (transA) {
          x = work + TRANSPOSED;
          pitch = PITCH;
          transpose(x, pitch, a + lda * pc + (i0 << 2), lda, depth, rows, true);
        }
        const full = listRows(work, x, pitch, rows, depth, ldp);
        for (let p = first; p < last; ++p) {
          const v0 = p * widest;
          const across = min<u32>(widest, vectors - v0);
          const cols = min<u32>(across << 2, n - (v0 << 2));
          const panel = inPlace ? b + ldb * pc + (v0 << 4) : work + (p - first) * size;
          const to = c + ldc * i0 + (v0 << 4);
          listedRows(work, panel, across, cols, rows, to, ldc, mode);
          if (!BITS256) fullRows(work, full, x, pitch, panel, ldp, depth, across, cols, to, ldc, mode);
        }
      }
      pc += kc;
    } while (pc < k);
  }
}
