// The gradient of a Winograd convolution by its weight, the adjoint of winograd.ts in the kernels:
//
//   for chunks of images, blocks of <= 64 channels of y and of x: for blocks of <= 24 tiles:
//     transform x and gy, channels in lanes: v[36][tile][ci], d[36][tile][co]
//     36 products c[.][co, ci] += d[.][tile, co]^T v[.][tile, ci]
//   transform back: size x size taps for each pair of channels
import { extent, first, last, pointer, scratch } from "../lib/args";
import { ADD, NR, STORE, tileRuns } from "../matmul/tile";
import {
  acrossApart,
  acrossGrad,
  BUFFER,
  down,
  GRID,
  grid,
  moments,
  OFFSETS,
  PLAN,
  plan,
  SCALE,
  TILES,
  touch,
  TOUCHED,
} from "./winogradtile";

const CHANNELS: u32 = 64;
const PAD: usize = 16; // bytes behind each row: rows 256 bytes apart would meet in a few banks of the cache
const SUMS: usize = 36 * (4 * CHANNELS + PAD) * CHANNELS;
const SLABS: usize = 36 * ((4 * CHANNELS + PAD) * TILES + 64);

/** Tiles [t0, t1) of a grid over channels [c0, c1) of x, transformed: 36 slabs, rows of ld bytes for each tile. */
function transform(
  to: usize,
  slab: usize,
  ld: usize,
  x: usize,
  channels: u32,
  c0: u32,
  c1: u32,
  t0: u32,
  t1: u32,
  grid: usize,
  buffer: usize,
): void {
  const zero = buffer + 4 * BUFFER + 64;
  const segments = zero + 512;
  const size = load<u32>(grid, 12);
  const h = load<u32>(grid, 16);
  const w = load<u32>(grid, 20);
  const line = <usize>w << 2;
  const plane = line * h;
  const m = load<u32>(grid, 8);
  const ph = load<u32>(grid, 24);
  const pw = load<u32>(grid, 28);
  const count = plan(segments, x, plane * channels, t0, t1, load<u32>(grid), load<u32>(grid, 4), m, size, h, w, ph, pw);
  let seen: u32 = 0;
  memory.fill(buffer, 0, 4 * BUFFER + 64 + 512);
  for (let c = c0; c < c1; c += 4) {
    if ((c - c0) % TOUCHED == 0) seen |= touch(segments, count, plane * c, plane, min<u32>(TOUCHED, c1 - c), line);
    for (let i: u32 = 0; i < 4; ++i) {
      down(size, buffer + BUFFER * i, segments, count, plane * min<u32>(c + i, c1 - 1), line, zero);
    }
    let d = to + ((c - c0) << 2);
    for (let q = segments + OFFSETS, f = q + ((t1 - t0) << 2); q < f; q += 4) {
      const b = buffer + load<u32>(q);
      if (size == 6) acrossApart(d, slab, b, b + BUFFER, b + 2 * BUFFER, b + 3 * BUFFER);
      else acrossGrad(size, d, slab, b, b + BUFFER, b + 2 * BUFFER, b + 3 * BUFFER);
      d += ld;
    }
  }
  store<u32>(segments + PLAN, seen); // so that the loads stay
}

/** part | gy x | chunks n co oh ow ci size | h w ph pw: chunk c sums over images [n*c/chunks, n*(c+1)/chunks); 4 <= w, ow */
export function conv2d_winograd_vjp_w_f32(args: usize, ith: u32, nth: u32): void {
  const e = args + 12;
  const chunks = extent(e, 0);
  const n = extent(e, 1);
  const co = extent(e, 2);
  const oh = extent(e, 3);
  const ow = extent(e, 4);
  const ci = extent(e, 5);
  const size = extent(e, 6);
  const m: u32 = size == 3 ? 4 : 2;
  const taps = size * size;
  const tilesDown = (oh + m - 1) / m;
  const tilesAcross = (ow + m - 1) / m;
  const outs = (co + CHANNELS - 1) / CHANNELS;
  const ins = (ci + CHANNELS - 1) / CHANNELS;

  const sums = scratch(ith);
  const v = sums + SUMS;
  const d = v + SLABS;
  const buffer = d + SLABS;
  const temp = buffer + 4 * BUFFER + 1024 + PLAN;
  const inputs = temp + 2048;
  const outputs = inputs + GRID;
  grid(inputs, tilesDown, tilesAcross, m, 6, extent(e, 7), extent(e, 8), extent(e, 9), extent(e, 10));
  grid(outputs, tilesDown, tilesAcross, m, m, oh, ow, 0, 0);
  const units = chunks * outs * ins;
  const end = last(args, units, 1, ith, nth);
  for (let u = first(units, 1, ith, nth); u < end; ++u) {
    const i = (u % ins) * CHANNELS;
    const o = ((u / ins) % outs) * CHANNELS;
    const chunk = u / ins / outs;
    const i1 = min<u32>(i + CHANNELS, ci);
    const o1 = min<u32>(o + CHANNELS, co);
    const vectors = (i1 - i + 3) >> 2;
    const ldv = ((<usize>vectors) << 4) + PAD;
    const ldd = ((<usize>((o1 - o + 3) & ~3)) << 2) + PAD;
    const slabv = ldv * TILES + 64;
    const slabd = ldd * TILES + 64;
    const slab = ldv * (o1 - o);
    const panels = (vectors + NR - 1) / NR;
    memory.fill(sums, 0, slab * 36);
    const last = <u32>((<u64>n * (chunk + 1)) / chunks) * tilesDown * tilesAcross;
    for (let t = <u32>((<u64>n * chunk) / chunks) * tilesDown * tilesAcross; t < last; t += TILES) {
      const t1 = min<u32>(t + TILES, last);
      transform(v, slabv, ldv, pointer(args, 2), ci, i, i1, t, t1, inputs, buffer);
      transform(d, slabd, ldd, pointer(args, 1), co, o, o1, t, t1, outputs, buffer);
      for (let p: u32 = 0; p < 36; ++p) {
        for (let j: u32 = 0; j < panels; ++j) {
          const v0 = (vectors * j) / panels;
          const across = (vectors * (j + 1)) / panels - v0;
          let a = d + slabd * p;
          const b = v + slabv * p + (v0 << 4);
          let s = sums + slab * p + (v0 << 4);
          for (let c = o; c < o1; c += 2) {
            const single = c + 1 == o1;
            const a1 = single ? a : a + 4;
            tileRuns(across, a, a1, ldd, 0, b, ldv, t1 - t, 1, s, single ? temp : s + ldv, 0, 0, ADD);
            a += 8;
            s += 2 * ldv;
          }
        }
      }
    }
    for (let c = o; c < o1; ++c) {
      for (let j = i; j < i1; j += 4) {
        back(size, sums + ldv * (c - o) + ((j - i) << 2), slab, temp);
        const to = pointer(args, 0) + ((chunk * co + c) * ci + j) * taps * 4;
        const lanes = min<u32>(4, i1 - j);
        for (let l: u32 = 0; l < lanes; ++l) {
          for (let t: u32 = 0; t < taps; ++t) {
            store<u32>(to + ((l * taps + t) << 2), load<u32>(temp + 1024 + (t << 4) + (l << 2)));
          }
        }
      }
    }
  }
}

/** Sums of four pairs of channels to their taps, from temp + 1024 on. */
function back(size: u32, s: usize, slab: usize, temp: usize): void {
  for (let p: u32 = 0; p < 36; ++p) {
    const scale = load<f32>(SCALE + ((p / 6) << 2)) * load<f32>(SCALE + ((p % 6) << 2));
    v128.store(temp + (p << 4), f32x4.mul(f32x4.splat(scale), v128.load(s)));
    s += slab;
  }
  // Down the columns in place: what is stored has been loaded.
  for (let j: u32 = 0; j < 6; ++j) {
    moments(size, temp + (j << 4), 96, temp + (j << 4), 96);
  }
  for (let r: u32 = 0; r < size; ++r) {
    moments(size, temp + 1024 + ((size * r) << 4), 16, temp + 96 * r, 16);
  }
}
