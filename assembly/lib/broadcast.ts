// Elementwise kernels of two tensors that broadcast: the loop nest cut into runs of the output, in which each operand steps
// by a fixed stride. Where lines are short, a run is many of them, and operands that do not lie as the output does are
// gathered for it: a call for ten elements costs more than the ten.
//   y | a b | d0..d5 | strides of a, strides of b
import { first, last, pointer, spare } from "./args";
import { words } from "./lanes";
import { DIMS, GRAIN, line, offset } from "./map";
import { copyNest } from "./nest";

const NEST: usize = DIMS << 2;
/** Elements of a run that crosses lines. */
const RUN: u32 = 1024;
/** Lines below this are short. */
const SHORT: u32 = 128;

// How an operand lies: as the output, a line that repeats, otherwise.
const DENSE: u32 = 0;
const LINE: u32 = 1;
const STEPS: u32 = 2;

// In scratch, a word each: where the next run begins, the end, whether a run is made of whole lines; the lines of this run,
// their length; of a and b where the run begins, their strides, and how far their next line is; how they lie. Behind them a
// slot of each.
const NEXT: usize = 0;
const END: usize = 4;
const BY_LINES: usize = 8;
const LINES: usize = 12;
const COUNT: usize = 16;
const WHERE: usize = 20;
const STRIDE: usize = 28;
const STEP: usize = 36;
const WAY: usize = 44;
const SLOT: usize = 64;
const SLOT_BYTES: usize = (<usize>RUN) * 12;

function wayOf(dims: usize, strides: usize): u32 {
  let dense = true;
  let repeats = load<u32>(strides, 20) == 1;
  let product: u32 = 1;
  for (let d: i32 = 20; d >= 0; d -= 4) {
    const extent = load<u32>(dims + <usize>d);
    if (extent == 1) continue;
    const stride = load<u32>(strides + <usize>d);
    if (stride != product) dense = false;
    if (d < 20 && stride != 0) repeats = false;
    product *= extent;
  }
  return dense ? DENSE : repeats && load<u32>(dims, 20) < RUN ? LINE : STEPS;
}

/** Prepares the runs of this thread; where they are kept. */
function begin(args: usize, ith: u32, nth: u32): usize {
  const own = spare(ith);
  const dims = args + 12;
  const width = load<u32>(dims, 20);
  let total: u32 = 1;
  for (let d: usize = 0; d < NEST; d += 4) total *= load<u32>(dims + d);
  const i = first(total, GRAIN, ith, nth);
  const end = last(args, total, GRAIN, ith, nth);
  store<u32>(own, i, NEXT);
  store<u32>(own, end, END);
  if (i >= end) return own;
  let lines = width >= SHORT;
  let worst = DENSE;
  for (let j: usize = 0; j < 8; j += 4) {
    const way = wayOf(dims, dims + NEST + j * DIMS);
    store<u32>(own + j, way, WAY);
    worst = max(worst, way);
  }
  if (worst == LINE) lines = false;
  store<u32>(own, lines ? 1 : 0, BY_LINES);
  for (let j: usize = 0; j < 8; j += 4) {
    store<i32>(own + j, lines ? load<i32>(dims + NEST + j * DIMS, 20) : 1, STRIDE);
    store<i32>(own + j, load<i32>(dims + NEST + j * DIMS, 16) << 2, STEP);
    if (lines || load<u32>(own + j, WAY) != LINE) continue;
    // One line again and again, as often as a run that begins anywhere in it takes.
    let to = own + SLOT + (j >> 2) * SLOT_BYTES;
    for (let n: u32 = 0; n < RUN + width; n += width, to += (<usize>width) << 2) words(to, pointer(args + j, 1), width);
  }
  return own;
}

/** Whether there is another run, which the words in `own` say then. */
function next(args: usize, own: usize): bool {
  const i = load<u32>(own, NEXT);
  const left = load<u32>(own, END) - i;
  if (left == 0) return false;
  const dims = args + 12;
  const width = load<u32>(dims, 20);
  const column = i % width;
  const byLines = load<u32>(own, BY_LINES);
  const height = load<u32>(dims, 16);
  const row = i / width;
  const count = min(byLines ? width - column : RUN, left);
  let lines: u32 = 1;
  if (byLines && count == width) lines = min(height - (row % height), left / width);
  for (let j: usize = 0; j < 8; j += 4) {
    const x = pointer(args + j, 1);
    const strides = dims + NEST + j * DIMS;
    const way = load<u32>(own + j, WAY);
    let from = own + SLOT + (j >> 2) * SLOT_BYTES;
    if (byLines) from = x + ((offset(row, dims, strides, 5) + <i32>column * load<i32>(strides, 20)) << 2);
    else if (way == DENSE) from = x + ((<usize>i) << 2);
    else if (way == LINE) from += (<usize>column) << 2;
    else copyNest(from, x, dims, strides, i, i + count);
    store<usize>(own + j, from, WHERE);
  }
  store<u32>(own, lines, LINES);
  store<u32>(own, count, COUNT);
  store<u32>(own, i + lines * count, NEXT);
  return true;
}

export function broadcast<F>(args: usize, ith: u32, nth: u32): void {
  const own = begin(args, ith, nth);
  let y = pointer(args, 0) + ((<usize>load<u32>(own, NEXT)) << 2);
  while (next(args, own)) {
    const count = load<u32>(own, COUNT);
    let a = load<usize>(own, WHERE);
    let b = load<usize>(own, WHERE + 4);
    for (let lines = load<u32>(own, LINES); lines > 0; lines--) {
      line<F>(y, a, load<i32>(own, STRIDE), b, load<i32>(own, STRIDE + 4), count);
      y += (<usize>count) << 2;
      a += load<i32>(own, STEP);
      b += load<i32>(own, STEP + 4);
    }
  }
}
