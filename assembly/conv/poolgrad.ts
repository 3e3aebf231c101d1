// The gradients of conv2d behind a max-pool, from the pool's gradient g and the places idx of its maxima: the gradient
// of the convolution's own output, mostly zeros, is never written. Sums run over lists of the nonzero ones. With
// channels last a row of the kernel, kw * ci floats, meets a run of as many in the image, so that
//
// By w: for images by the block, for each output channel: sums[row of the kernel] += g * x[run], over a list
// By x: for each image, for each run of gx: gx[run] += g * w[channel, row of the kernel], over the gradients it meets
//
// A zero in g stands for nothing, even against an infinity or a NaN in x or w: only there the dense kernels differ.
import { extent, first, last, pointer, scratch } from "../lib/args";
import { transpose } from "../lib/nest";
import { ENTRY, lanesOf, LISTED, listGrads, MOST_ACROSS, PLACES, sumLists } from "../matmul/lists";
import { padPlanes } from "./planes";

const LIST_BYTES: usize = PLACES + <usize>(LISTED + 8) * ENTRY;

// Scratch by w: a list, sums, images with channels last, the padded image.
const SUMS: usize = LIST_BYTES;
const SUMS_BYTES: u32 = 256 << 10;
const IMAGES: usize = SUMS + SUMS_BYTES;
const IMAGE_BYTES: u32 = 768 << 10;
const PADDED: usize = IMAGES + IMAGE_BYTES + 256;
const BLOCK_BYTES: u32 = 24 << 10; // images under one list: more, and they leave the first cache

// By x: a list, the same sorted by pixels, where each pixel's begins, w with channels last, an image of gx.
const MOST_PIXELS: u32 = 65536; // of an output plane
const SORTED: usize = LIST_BYTES;
const ENDS: usize = SORTED + LIST_BYTES;
const WEIGHTS: usize = ENDS + ((MOST_PIXELS + 16) << 3);
const WEIGHTS_BYTES: u32 = 384 << 10;
const GRAD: usize = WEIGHTS + WEIGHTS_BYTES;

/**
 * part | g idx:i32 x | chunks n co oh ow ci kh kw ph pw | h w sh sw padh padw dh dw groups: g, idx [n, co, ph, pw], idx in
 * the plane [oh, ow]; chunk c sums over images [n*c/chunks, n*(c+1)/chunks)
 */
export function conv2d_pool_vjp_w_f32(args: usize, ith: u32, nth: u32): void {
  const part = pointer(args, 0);
  const e = args + 16;
  const chunks = extent(e, 0);
  const n = extent(e, 1);
  const co = extent(e, 2);
  const ow = extent(e, 4);
  const ci = extent(e, 5);
  const kh = extent(e, 6);
  const kw = extent(e, 7);
  const pooled = extent(e, 8) * extent(e, 9);
  const h = extent(e, 10);
  const w = extent(e, 11);
  const sh = extent(e, 12);
  const sw = extent(e, 13);
  const padh = extent(e, 14);
  const padw = extent(e, 15);
  const dh = extent(e, 16);
  const dw = extent(e, 17);
  const groups = extent(e, 18);

  const cg = co / groups;
  const taps = kh * kw;
  if (ci == 0 || taps == 0 || cg == 0) return;
  const pad = (padh | padw) != 0;
  const paddedH = h + 2 * padh;
  const paddedW = w + 2 * padw;
  // A patch that fits one tile lies in one run: kh rows of the image are interleaved. Else a run is a row of the
  // kernel, or one weight of it where dilation leaves gaps.
  const one = dw == 1 && ci * taps <= MOST_ACROSS << 2 && <f64>paddedH * paddedW * ci * kh * 4 <= <f64>IMAGE_BYTES;
  const mixed: u32 = one ? kh : 1;
  const across: u32 = dw == 1 ? kw : 1;
  const every = kw / across; // runs to a row of the kernel
  const runs: u32 = one ? 1 : every * kh;
  // Planes of x that a unit takes.
  let planes = <u32>min<f64>(<f64>ci, <f64>IMAGE_BYTES / (<f64>paddedH * paddedW * 4));
  planes = min<u32>(planes, 16384 / (taps + 3 * runs));
  if (planes == 0) return plainByW(args, ith, nth);
  const parts = (ci + planes - 1) / planes;
  const perChannel = (((planes * mixed * across + 3) >> 2) << 4) * runs;
  let most = min<u32>(cg, SUMS_BYTES / perChannel);
  const many = chunks * groups * parts;
  if (nth > 1 && many < 4 * nth) most = min<u32>(most, (cg * many) / (4 * nth) + 1);
  const shares = (cg + most - 1) / most;

  const work = scratch(ith);
  const units = many * shares;
  const u1 = last(args, units, 1, ith, nth);
  for (let u = first(units, 1, ith, nth); u < u1; ++u) {
    const o0 = (u % shares) * most;
    const c0 = ((u / shares) % parts) * planes;
    const g = (u / shares / parts) % groups;
    const chunk = u / shares / parts / groups;
    const channels = min<u32>(most, cg - o0);
    const some = min<u32>(planes, ci - c0);
    const record = (some * mixed) << 2; // bytes of a pixel
    const run = some * mixed * across;
    const vectors = (run + 3) >> 2;
    const perRun = <usize>vectors << 4;
    const size = paddedH * paddedW * record;
    const block = max<u32>(1, min<u32>(BLOCK_BYTES / max<u32>(size, 1), LISTED / max<u32>(pooled, 1)));
    const tail = lanesOf(run);
    memory.fill(work + SUMS, 0, perRun * runs * channels);
    const i1 = <u32>((<u64>n * (chunk + 1)) / chunks);
    for (let i0 = <u32>((<u64>n * chunk) / chunks); i0 < i1 && pooled > 0; i0 += block) {
      const end = min<u32>(i0 + block, i1);
      for (let i = i0; i < end; ++i) {
        let image = pointer(args, 3) + ((i * groups + g) * ci + c0) * h * w * 4;
        if (pad) {
          padPlanes(work + PADDED, image, some, h, w, padh, padw);
          image = work + PADDED;
        }
        const to = work + IMAGES + size * (i - i0);
        if (!one) transpose(to, record, image, (paddedH * paddedW) << 2, some, paddedH * paddedW, false);
        for (let c: u32 = 0; one && c < ci; ++c) {
          const cols = (paddedH - (kh - 1) * dh) * paddedW;
          transpose(to + ((c * kh) << 2), record, image + c * paddedH * paddedW * 4, (dh * paddedW) << 2, kh, cols, false);
        }
      }
      for (let o: u32 = 0; o < channels; ++o) {
        for (let p: u32 = 0; p < pooled; p += LISTED) {
          let listed = work;
          for (let i = i0; i < end; ++i) {
            const at = ((i * co + g * cg + o0 + o) * pooled + p) << 2;
            const from = size * (i - i0);
            const down = sh * paddedW * record;
            const count = min<u32>(pooled - p, LISTED);
            listed = listGrads(listed, pointer(args, 1) + at, pointer(args, 2) + at, count, ow, down, sw * record, from);
          }
          if (listed == work) continue;
          const sums = work + SUMS + perRun * (runs * o);
          for (let q: u32 = 0; q < every; ++q) {
            const rows = work + IMAGES + q * dw * record;
            const to = sums + perRun * q;
            sumLists(vectors, rows, dh * paddedW * record, work, listed, 0, to, perRun * every, runs / every, tail, true);
          }
        }
      }
    }
    // A run holds (kw, ci), or (kw, ci, kh); part has (ci, kh, kw).
    for (let o: u32 = 0; o < channels; ++o) {
      const to = part + (((chunk * co + g * cg + o0 + o) * ci + c0) * taps) * 4;
      const from = work + SUMS + perRun * (runs * o);
      const ldd = (one ? kw : taps) << 2;
      for (let r: u32 = 0; r < runs; ++r) {
        transpose(to + r * across * 4, ldd, from + perRun * r, record, across, some * mixed, false);
      }
    }
  }
}

/** gx | g idx:i32 weight | n channels h w co kh kw ph pw | oh ow sh sw padh padw dh dw groups */
export function conv2d_pool_vjp_x_f32(args: usize, ith: u32, nth: u32): void {
  const gx = pointer(args, 0);
  const e = args + 16;
  const n = extent(e, 0);
  const groups = extent(e, 17);
  const ci = extent(e, 1) / groups;
  const h = extent(e, 2);
  const w = extent(e, 3);
  const co = extent(e, 4);
  const kh = extent(e, 5);
  const kw = extent(e, 6);
  const pooled = extent(e, 7) * extent(e, 8);
  const oh = extent(e, 9);
  const ow = extent(e, 10);
  const sh = extent(e, 11);
  const sw = extent(e, 12);
  const padh = extent(e, 13);
  const padw = extent(e, 14);
  const dh = extent(e, 15);
  const dw = extent(e, 16);

  const cg = co / groups;
  const taps = kh * kw;
  if (ci == 0) return;
  const pad = (padh | padw) != 0;
  const paddedH = h + 2 * padh;
  const paddedW = w + 2 * padw;
  const across: u32 = dw == 1 ? kw : 1;
  const every = kw / max<u32>(across, 1); // runs to a row of the kernel
  const runs = every * kh;
  // Planes of gx that a unit takes: few enough to give each thread some when there are few images.
  const share = max<u32>(1, min<u32>(ci, nth > 1 ? (ci * n * groups) / (2 * nth) : ci));
  const room = (<f64>WEIGHTS_BYTES / 4 / max<u32>(cg, 1) - 3 * <f64>runs) / max<u32>(taps, 1);
  const planes = <u32>max<f64>(0, min<f64>(min<f64>(share, room), <f64>IMAGE_BYTES / (<f64>paddedH * paddedW * 4)));
  if (planes == 0 || oh * ow > MOST_PIXELS || cg >= MOST_PIXELS) return plainByX(args, ith, nth);
  const parts = (ci + planes - 1) / planes;

  const work = scratch(ith);
  const units = groups * parts * n;
  const u1 = last(args, units, 1, ith, nth);
  let packed: u32 = -1;
  for (let u = first(units, 1, ith, nth); u < u1; ++u) {
    const i = u % n;
    const c0 = ((u / n) % parts) * planes;
    const g = u / n / parts;
    const some = min<u32>(planes, ci - c0);
    const record = some << 2; // bytes of a pixel
    const run = some * across;
    const vectors = (run + 3) >> 2;
    const perRun = <usize>vectors << 4;
    const perRow = perRun * every; // of the kernel
    const perChannel = perRow * kh;
    const down = <usize>paddedW * record; // a row of gx
    const tail = lanesOf(run);
    if (packed != u / n) {
      packed = u / n;
      memory.fill(work + WEIGHTS, 0, perChannel * cg);
      for (let o: u32 = 0; o < cg; ++o) {
        const from = pointer(args, 3) + ((g * cg + o) * ci + c0) * taps * 4;
        for (let r: u32 = 0; r < runs; ++r) {
          const to = work + WEIGHTS + perChannel * o + perRun * r;
          transpose(to, record, from + r * across * 4, taps << 2, some, across, false);
        }
      }
    }
    memory.fill(work + GRAD, 0, paddedH * paddedW * record);
    const atOnce = max<u32>(1, LISTED / max<u32>(pooled, 1));
    for (let o0: u32 = 0; o0 < cg && runs > 0; o0 += atOnce) {
      const o1 = min<u32>(o0 + atOnce, cg);
      for (let p: u32 = 0; p < pooled; p += LISTED) {
        // Pixels are numbered down the columns: what one adds to gx the next one finds at the same addresses.
        let listed = work;
        for (let o = o0; o < o1; ++o) {
          const at = ((i * co + g * cg + o) * pooled + p) << 2;
          const count = min<u32>(pooled - p, LISTED);
          listed = listGrads(listed, pointer(args, 1) + at, pointer(args, 2) + at, count, ow, 1, oh, o << 16);
        }
        if (listed == work) continue;
        sortByPixel(work, listed, oh, ow, perChannel, dh == 1 ? perRow * sh : 0);
        for (let ox: u32 = 0; ox < ow; ++ox) {
          const ends = work + ENDS + ox * oh * 8;
          const to = work + GRAD + ox * sw * record;
          if (dh == 1) {
            // Row y of gx gets row y - oy * sh of the kernel from the pixels of rows oy: one list down the column.
            for (let y: u32 = 0; y < paddedH; ++y) {
              const oy0 = y >= kh ? (y - kh) / sh + 1 : 0;
              const oy1 = min<u32>(oh, y / sh + 1);
              if (oy0 >= oy1) continue;
              const begin = load<usize>(ends + (oy0 << 3));
              const end = load<usize>(ends + (oy1 << 3));
              if (begin == end) continue;
              for (let q: u32 = 0; q < every; ++q) {
                const weights = work + WEIGHTS + perRow * y + perRun * q;
                sumLists(vectors, weights, 0, begin, end, 0, to + down * y + q * dw * record, 0, 1, tail, true);
              }
            }
          } else {
            for (let oy: u32 = 0; oy < oh; ++oy) {
              const begin = load<usize>(ends + (oy << 3));
              const end = load<usize>(ends + (oy << 3), 8);
              if (begin == end) continue;
              for (let q: u32 = 0; q < every; ++q) {
                const weights = work + WEIGHTS + perRun * q;
                const at = to + down * (oy * sh) + q * dw * record;
                sumLists(vectors, weights, perRow, begin, end, 0, at, down * dh, kh, tail, true);
              }
            }
          }
        }
      }
    }
    const out = gx + ((i * groups + g) * ci + c0) * h * w * 4;
    const from = work + GRAD + (padh * paddedW + padw) * record;
    // Unpadded, the plane is one long row.
    const rows = pad ? h : 1;
    const cols = pad ? w : h * w;
    for (let r: u32 = 0; r < rows; ++r) {
      transpose(out + r * w * 4, (h * w) << 2, from + r * paddedW * record, record, cols, some, false);
    }
  }
}

/**
 * Sorts a list whose offsets are x * oh + y | channel << 16 by pixels, in the order of the channels; the offsets become
 * channel * scale - y * row. ENDS gets eight bytes a pixel: where its entries begin, which is where the ones before it
 * end, and y * row.
 */
function sortByPixel(work: usize, listed: usize, oh: u32, ow: u32, scale: usize, row: usize): void {
  // Counted, and then filled, one place further on: what is left there is where the pixel's own entries end.
  const ends = work + ENDS;
  const next = ends + 8;
  memory.fill(ends, 0, <usize>(oh * ow + 1) << 3);
  for (let s = work; s < listed; s += ENTRY) {
    const at = next + (<usize>load<u16>(s, PLACES) << 3);
    store<usize>(at, load<usize>(at) + ENTRY);
  }
  let sum = work + SORTED;
  store<usize>(ends, sum);
  let at = next;
  for (let x: u32 = 0; x < ow; ++x) {
    let y: usize = 0;
    for (let end = at + (<usize>oh << 3); at < end; at += 8) {
      const count = load<usize>(at);
      store<usize>(at, sum);
      store<usize>(at, y, 4);
      sum += count;
      y += row;
    }
  }
  for (let s = work; s < listed; s += ENTRY) {
    const at = next + (<usize>load<u16>(s, PLACES) << 3);
    const to = load<usize>(at);
    store<u32>(to, load<u32>(s));
    store<usize>(to, <usize>load<u16>(s, PLACES + 2) * scale - load<usize>(at, 4), PLACES);
    store<usize>(at, to + ENTRY);
  }
}

/** Where planes are too large for scratch: each gradient against every weight, element by element. */
function plainByW(args: usize, ith: u32, nth: u32): void {
  const e = args + 16;
  const chunks = extent(e, 0);
  const n = extent(e, 1);
  const co = extent(e, 2);
  const ow = extent(e, 4);
  const ci = extent(e, 5);
  const kh = extent(e, 6);
  const kw = extent(e, 7);
  const pooled = extent(e, 8) * extent(e, 9);
  const h = extent(e, 10);
  const w = extent(e, 11);
  const groups = extent(e, 18);
  const total = chunks * co * ci;
  const end = last(args, total, 1, ith, nth);
  for (let u = first(total, 1, ith, nth); u < end; ++u) {
    const c = u % ci;
    const o = (u / ci) % co;
    const chunk = u / ci / co;
    const to = pointer(args, 0) + u * kh * kw * 4;
    memory.fill(to, 0, (kh * kw) << 2);
    const i1 = <u32>((<u64>n * (chunk + 1)) / chunks);
    for (let i = <u32>((<u64>n * chunk) / chunks); i < i1; ++i) {
      const plane = pointer(args, 3) + ((i * groups + o / (co / groups)) * ci + c) * h * w * 4;
      for (let p: u32 = 0; p < pooled; ++p) {
        const at = ((i * co + o) * pooled + p) << 2;
        const g = load<f32>(pointer(args, 1) + at);
        if (g != 0) plain(false, to, g, load<u32>(pointer(args, 2) + at), plane, ow, h, w, kh, kw, e + 48);
      }
    }
  }
}

function plainByX(args: usize, ith: u32, nth: u32): void {
  const e = args + 16;
  const groups = extent(e, 17);
  const ci = extent(e, 1) / groups;
  const h = extent(e, 2);
  const w = extent(e, 3);
  const co = extent(e, 4);
  const kh = extent(e, 5);
  const kw = extent(e, 6);
  const pooled = extent(e, 7) * extent(e, 8);
  const cg = co / groups;
  const total = extent(e, 0) * groups * ci;
  const end = last(args, total, 1, ith, nth);
  for (let u = first(total, 1, ith, nth); u < end; ++u) {
    const c = u % ci;
    const ng = u / ci;
    const plane = pointer(args, 0) + u * h * w * 4;
    memory.fill(plane, 0, (h * w) << 2);
    for (let o: u32 = 0; o < cg; ++o) {
      const filter = pointer(args, 3) + (((ng % groups) * cg + o) * ci + c) * kh * kw * 4;
      for (let p: u32 = 0; p < pooled; ++p) {
        const at = ((ng * cg + o) * pooled + p) << 2;
        const g = load<f32>(pointer(args, 1) + at);
        const i = load<u32>(pointer(args, 2) + at);
        if (g != 0) plain(true, filter, g, i, plane, extent(e, 10), h, w, kh, kw, e + 44);
      }
    }
  }
}

/** One gradient against a plane of x and the weights of it; s: the scalars from sh on. */
// @ts-ignore: decorator
@inline
function plain(
  BY_X: bool,
  filter: usize,
  g: f32,
  at: u32,
  plane: usize,
  ow: u32,
  h: u32,
  w: u32,
  kh: u32,
  kw: u32,
  s: usize,
): void {
  for (let r: u32 = 0; r < kh; ++r) {
    const iy = (at / ow) * extent(s, 0) + r * extent(s, 4) - extent(s, 2);
    for (let q: u32 = 0; q < kw; ++q) {
      const ix = (at % ow) * extent(s, 1) + q * extent(s, 5) - extent(s, 3);
      if (iy >= h || ix >= w) continue;
      const a = filter + ((r * kw + q) << 2);
      const b = plane + ((iy * w + ix) << 2);
      if (BY_X) store<f32>(b, load<f32>(b) + g * load<f32>(a));
      else store<f32>(a, load<f32>(a) + g * load<f32>(b));
    }
  }
}
