// Winograd convolution, stride 1: kernels of 3x3 by F(4x4, 3x3), of 5x5 by F(2x2, 5x5): 36 products for a tile of 6 x 6
// inputs instead of 144 or 100.
//
//   for panels of <= 24 tiles: for channels of x: transform the tiles, tiles in lanes: v[ci][36][tiles]
//     for blocks of channels of y: 36 products m[co][.][tiles] = u[.][co][ci] * v[ci][.][tiles]
//       transform back: m x m pixels of y a tile
import { buffers, extent, first, last, pointer, scalar, scratch } from "../lib/args";
import { madd } from "../lib/simd";
import { STORE, tile } from "../matmul/tile";
import {
  across6,
  acrossApart,
  BUFFER,
  BY_LD,
  down,
  evaluate,
  LD,
  moment,
  OFFSETS,
  PLAN,
  plan,
  SCALE,
  TILES,
  touch,
  TOUCHED,
} from "./winogradtile";

const ROWS: u32 = 16; // channels of y that are transformed back at a time
const CHANNEL: usize = 36 * LD; // bytes of 36 rows of tiles: a channel
const INPUTS: usize = 1408 << 10; // bytes of transformed inputs

// @ts-ignore: decorator
@inline
export function loadLanes(p0: usize, p1: usize, p2: usize, p3: usize): v128 {
  const v = v128.load32_lane(p1, v128.load32_zero(p0), 1);
  return v128.load32_lane(p3, v128.load32_lane(p2, v, 2), 3);
}

export function evaluateN(n: u32, d: usize, stride: usize, s: usize, from: usize): void {
  const c2 = v128.load(s + 2 * from);
  const c3 = n > 3 ? v128.load(s + 3 * from) : c2;
  evaluate(n, d, stride, v128.load(s), v128.load(s + from), c2, c3, n > 3 ? v128.load(s + 4 * from) : c2);
}

/** Bytes from one of the 36 matrices of u to the next: a line more than it has, so that they don't share places in a cache. */
// @ts-ignore: decorator
@inline
function pitch(rows: u32, k: u32): usize {
  return (<usize>(rows * ((k + 3) >> 2)) << 4) + 64;
}

/**
 * u | weight | rows k size | flipped: kernels w[rows, k, size, size] as they meet transformed inputs, u[36, rows * k rounded up
 * to 4, and 16 more]. flipped: w[k, rows, size, size], each kernel back to front, as in the gradient of the input.
 */
export function winograd_weight_f32(args: usize, ith: u32, nth: u32): void {
  const w = pointer(args, 1);
  const e = args + 8;
  const rows = extent(e, 0);
  const k = extent(e, 1);
  const size = extent(e, 2);
  const flipped = extent(e, 3) != 0;
  const taps = size * size;
  const quads = (k + 3) >> 2;
  const stride = pitch(rows, k);
  const across = (flipped ? rows : 1) * taps * 4;
  const raw = scratch(ith);
  const half = raw + 512;
  const whole = half + 512;
  const end = last(args, rows, 1, ith, nth);
  for (let r = first(rows, 1, ith, nth); r < end; ++r) {
    for (let q: u32 = 0; q < quads; ++q) {
      const left = k - (q << 2) - 1;
      const p = w + (flipped ? (q << 2) * rows + r : r * k + (q << 2)) * taps * 4;
      const p1 = p + min<u32>(left, 1) * across;
      const p2 = p + min<u32>(left, 2) * across;
      const p3 = p + min<u32>(left, 3) * across;
      for (let t: u32 = 0; t < taps; ++t) {
        const o = (flipped ? taps - 1 - t : t) << 2;
        v128.store(raw + (t << 4), loadLanes(p + o, p1 + o, p2 + o, p3 + o));
      }
      for (let t: u32 = 0; t < size; ++t) {
        evaluateN(size, half + (t << 4), 80, raw + (t << 4), <usize>size << 4);
      }
      let d = pointer(args, 0) + ((r * quads + q) << 4);
      for (let t: u32 = 0; t < 6; ++t) {
        evaluateN(size, whole, 16, half + t * 80, 16);
        for (let j: u32 = 0; j < 6; ++j) {
          const s = f32x4.splat(load<f32>(SCALE + (t << 2)) * load<f32>(SCALE + (j << 2)));
          v128.store(d, f32x4.mul(s, v128.load(whole + (j << 4))));
          d += stride;
        }
      }
    }
  }
}

// Where a tile goes in y: offset in bytes, rows, columns; with the first of four whether all of them are whole, of 4 x 4.
const PLACE: usize = 16;

// The way back takes the points over a = 3/4, that is 0, 1, -1, 2, -2: fewer multiplications, and pixel (i, j) lacks a^(i + j),
// which it gets with its bias. The last of four sums is made with it.
const A: f32 = 0.75;
const BACK = memory.data<f32>([
  2, 2, 2, 2, 4, 4, 4, 4, // 0, 16
  1, A, A * A, 1, A, A * A, A * A * A, A, A * A, A * A * A, A * A * A * A, A * A, 1, A, A * A, 1, // 32: row by row
  0, 0, 0, 0, 1 / A, 1 / A, 1 / A, 1 / A, // 96, 112: of the leading coefficient in the second sum, the last one if m is 2
], 16);

/**
 * Tiles of one channel of y, four at a time, from 36 vectors each: m x m pixels, plus the bias. Where m is 2 four are made of
 * which two are stored: a branch at each sum costs tiles of 4 x 4 more.
 */
function back(m: u32, s: usize, across: u32, temp: usize, y: usize, line: usize, places: usize, bias: f32, relu: bool): void {
  const two = v128.load(BACK);
  const four = v128.load(BACK, 16);
  const lead = v128.load(BACK + (m == 2 ? 16 : 0), 96);
  const b = f32x4.splat(bias);
  for (; across > 0; --across) {
    let p = s;
    for (let to = temp; to < temp + 96; to += 16) {
      const v0 = v128.load(p);
      const v1 = v128.load(p, 6 * LD);
      const v2 = v128.load(p, 12 * LD);
      const v3 = v128.load(p, 18 * LD);
      const v4 = v128.load(p, 24 * LD);
      const v5 = v128.load(p, 30 * LD);
      const s1 = f32x4.add(v1, v2);
      const d1 = f32x4.sub(v1, v2);
      const s2 = f32x4.add(v3, v4);
      const d2 = f32x4.sub(v3, v4);
      v128.store(to, f32x4.add(v0, f32x4.add(s1, s2)));
      v128.store(to, madd(two, d2, madd(lead, v5, d1)), 96);
      v128.store(to, madd(four, s2, s1), 192);
      v128.store(to, moment(3, true, v0, s1, d1, s2, d2, v5), 288);
      p += LD;
    }
    const y0 = y + load<usize>(places);
    const y1 = y + load<usize>(places, PLACE);
    const y2 = y + load<usize>(places, 2 * PLACE);
    const y3 = y + load<usize>(places, 3 * PLACE);
    const whole = load<u32>(places, 12) != 0;
    let o: usize = 0;
    for (let i: u32 = 0; i < m; ++i) {
      const t = temp + i * 96;
      const v1 = v128.load(t, 16);
      const v2 = v128.load(t, 32);
      const v3 = v128.load(t, 48);
      const v4 = v128.load(t, 64);
      const s1 = f32x4.add(v1, v2);
      const d1 = f32x4.sub(v1, v2);
      const s2 = f32x4.add(v3, v4);
      const d2 = f32x4.sub(v3, v4);
      const v0 = v128.load(t);
      const v5 = v128.load(t, 80);
      const w0 = f32x4.add(v0, f32x4.add(s1, s2));
      const w1 = madd(two, d2, madd(lead, v5, d1));
      const w2 = madd(four, s2, s1);
      const w3 = moment(3, true, v0, s1, d1, s2, d2, v5);
      const t0 = i32x4.shuffle(w0, w1, 0, 4, 1, 5);
      const t1 = i32x4.shuffle(w2, w3, 0, 4, 1, 5);
      const t2 = i32x4.shuffle(w0, w1, 2, 6, 3, 7);
      const t3 = i32x4.shuffle(w2, w3, 2, 6, 3, 7);
      const scale = v128.load(BACK + (i << 4), 32);
      let r0 = madd(scale, i64x2.shuffle(t0, t1, 0, 2), b);
      let r1 = madd(scale, i64x2.shuffle(t0, t1, 1, 3), b);
      let r2 = madd(scale, i64x2.shuffle(t2, t3, 0, 2), b);
      let r3 = madd(scale, i64x2.shuffle(t2, t3, 1, 3), b);
      if (relu) {
        const zero = f32x4.splat(0);
        r0 = f32x4.pmax(r0, zero);
        r1 = f32x4.pmax(r1, zero);
        r2 = f32x4.pmax(r2, zero);
        r3 = f32x4.pmax(r3, zero);
      }
      if (whole) {
        v128.store(y0 + o, r0);
        v128.store(y1 + o, r1);
        v128.store(y2 + o, r2);
        v128.store(y3 + o, r3);
      } else {
        storePart(places, i, y0 + o, r0);
        storePart(places + PLACE, i, y1 + o, r1);
        storePart(places + 2 * PLACE, i, y2 + o, r2);
        storePart(places + 3 * PLACE, i, y3 + o, r3);
      }
      o += line;
    }
    s += 16;
    places += 4 * PLACE;
  }
}

/** Row i of a tile, as far as it is in y. */
function storePart(place: usize, i: u32, y: usize, v: v128): void {
  if (i >= load<u32>(place, 4)) return;
  const columns = load<u32>(place, 8);
  if (columns == 4) v128.store(y, v);
  else {
    v128.store32_lane(y, v, 0);
    if (columns > 1) v128.store32_lane(y, v, 1, 4);
    if (columns > 2) v128.store32_lane(y, v, 2, 8);
  }
}

/**
 * Stores to the lines of one channel of y that `back` will write: they come while products run. A load would hold up what
 * comes after it, a store waits in its queue. Where tiles lie side by side, the first and the last of four reach all lines.
 */
function ahead(y: usize, places: usize, across: u32, line: usize): void {
  for (const end = places + 4 * PLACE * across; places < end; places += 4 * PLACE) {
    let p = y + load<usize>(places);
    let q = y + load<usize>(places, 3 * PLACE);
    for (let r = min<u32>(load<u32>(places, 4), load<u32>(places, 3 * PLACE + 4)); r > 0; --r) {
      store<u32>(p, 0);
      store<u32>(q, 0);
      p += line;
      q += line;
    }
  }
}

/** y | x u bias? | n co oh ow ci size | h w ph pw relu: u from winograd_weight; 4 <= w; ph, pw < size */
export function conv2d_winograd_f32(args: usize, ith: u32, nth: u32): void {
  const biased = buffers(args) == 4;
  const y = pointer(args, 0);
  const x = pointer(args, 1);
  const u = pointer(args, 2);
  const e = args + (biased ? 16 : 12);
  const n = extent(e, 0);
  const co = extent(e, 1);
  const oh = extent(e, 2);
  const ow = extent(e, 3);
  const ci = extent(e, 4);
  const size = extent(e, 5);
  const h = extent(e, 6);
  const w = extent(e, 7);
  const ph = extent(e, 8);
  const pw = extent(e, 9);
  const relu = extent(e, 10) != 0;

  const m = size == 3 ? 4 : 2;
  const plane = <usize>(h * w) << 2;
  const pixels = <usize>(oh * ow) << 2;
  const tilesDown = (oh + m - 1) / m;
  const tilesAcross = (ow + m - 1) / m;
  const tiles = n * tilesDown * tilesAcross;
  const vectors = (tiles + 3) >> 2;
  const most = max<u32>(1, min<u32>(TILES >> 2, <u32>(INPUTS / (36 * 16)) / max<u32>(ci, 1)));
  const panels = (vectors + most - 1) / most;
  const lda = <usize>((ci + 3) & ~3) << 2;

  const v = scratch(ith);
  const sums = v + INPUTS;
  const buffer = sums + CHANNEL * ROWS;
  const zero = buffer + BUFFER + 64;
  const temp = zero + 512;
  const segments = temp + 512;
  const places = segments + PLAN + 16;
  const spare = places + PLACE * TILES;
  let touched: u32 = 0;
  memory.fill(buffer, 0, BUFFER + 64 + 512);
  const end = last(args, panels, 1, ith, nth);
  for (let p = first(panels, 1, ith, nth); p < end; ++p) {
    const v0 = <u32>(<u64>vectors * p / panels);
    const across = <u32>(<u64>vectors * (p + 1) / panels) - v0;
    const t0 = v0 << 2;
    const t1 = min<u32>(t0 + (across << 2), tiles);
    // A full row's length is literal in across6, but many channels of short rows should lie close together.
    const ld = across << 2 == TILES || ci <= 64 ? LD : <usize>across << 4;
    const row = ld * 36;
    const count = plan(segments, x, plane * ci, t0, t1, tilesDown, tilesAcross, m, 6, h, w, ph, pw);
    let all: u32 = 1;
    for (let t: u32 = 0; t < (across << 2); ++t) {
      const place = places + PLACE * t;
      const at = t0 + t;
      const oy = m * ((at / tilesAcross) % tilesDown);
      const ox = m * (at % tilesAcross);
      store<usize>(place, pixels * (at / tilesAcross / tilesDown) * co + ((oy * ow + ox) << 2));
      store<u32>(place, at < t1 ? min<u32>(m, oh - oy) : 0, 4);
      store<u32>(place, min<u32>(m, ow - ox), 8);
      all = (t & 3 ? all : 1) & u32(load<u64>(place, 4) == 0x400000004);
      store<u32>(places + PLACE * (t & ~3), all, 12);
    }
    memory.fill(buffer, 0, BUFFER);
    for (let c: u32 = 0; c < ci; ++c) {
      if (c % TOUCHED == 0) {
        touched |= touch(segments, count, plane * c, plane, min<u32>(TOUCHED, ci - c), <usize>w << 2);
      }
      down(6, buffer, segments, count, plane * c, <usize>w << 2, zero);
      let d = v + row * c;
      for (let q = segments + OFFSETS, f = q + (across << 4); q < f; q += 16) {
        const q0 = buffer + load<u32>(q);
        const q1 = buffer + load<u32>(q, 4);
        const q2 = buffer + load<u32>(q, 8);
        const q3 = buffer + load<u32>(q, 12);
        if (ld == LD) across6(BY_LD, d, 0, q0, q1, q2, q3);
        else acrossApart(d, ld, q0, q1, q2, q3);
        d += 16;
      }
    }
    for (let c0: u32 = 0; c0 < co; c0 += ROWS) {
      const c1 = min<u32>(c0 + ROWS, co);
      for (let i: u32 = 0; i < 36; ++i) {
        let a = u + pitch(co, ci) * i + lda * c0;
        let s = sums + LD * i;
        if (c0 + i < c1) ahead(y + pixels * (c0 + i), places, across, <usize>ow << 2);
        for (let c = c0; c < c1; c += 2) {
          const single = c + 1 == co;
          tile(across, a, single ? a : a + lda, v + ld * i, row, ci, s, single ? spare : s + CHANNEL, STORE);
          a += 2 * lda;
          s += 2 * CHANNEL;
        }
      }
      for (let c = c0; c < c1; ++c) {
        const bias = biased ? scalar(pointer(args, 3), c) : 0;
        back(m, sums + CHANNEL * (c - c0), across, temp, y + pixels * c, <usize>ow << 2, places, bias, relu);
      }
    }
  }
  store<u32>(temp, touched); // so that the loads stay
}

