// Elementwise rows over views. No kernel has a form that reads by strides: this one goes over the loop nest block by block and
// hands each block to the dense kernel, which the upper half of the row's first word names, by a row made in scratch.
//
//   y | inputs | d0..d5 | strides of each input | the dense kernel's scalars        y dense
//
// A block of an input is handed over as it lies where that is dense, and else gathered. Where lines are long and lie dense a
// block is a line; where an input is transposed, a tile of bands of 16 lines.
//
// For example y[100, 50] = a + bᵀ, b being [50, 100]: dims 1 1 1 1 100 50, strides of a 0 0 0 0 50 1, of b 0 0 0 0 1 100. a is
// DENSE, b TRANSPOSED; a tile is 80 lines, all 50 columns wide. 80 columns of b become the 80 lines of a block in scratch, and
// add_f32 is called with a row that names y, a where its line begins, the block, and n = 4000; then for the last 20 lines.
import { buffers, first, last, partOf, pointer, scratch } from "../lib/args";
import { fill } from "../lib/lanes";
import { DIMS, GRAIN, offset } from "../lib/map";
import { copyNest, copyStrided, transpose } from "../lib/nest";

/** Bytes of a nest, or of the strides of an input. */
const NEST: usize = DIMS << 2;
/** Elements of a block that crosses lines. */
const BLOCK: u32 = 1024;
/** Lines from this length on are blocks of their own. */
const LONG: u32 = 64;
/** Of a tile, whose lines are no power of two apart, so that caches take a band of them; narrow ones have so many elements. */
const ROWS: u32 = 16;
const COLUMNS: u32 = 1008;
const TILE: u32 = 4096;

// How an input is read: dense as the output is, one element, by lines that lie dense, by bands of a transpose, by strides.
const DENSE: u32 = 0;
const ONE: u32 = 1;
const LINES: u32 = 2;
const TRANSPOSED: u32 = 3;
const STEPS: u32 = 4;

// In scratch: the row for the dense kernel; for each input how it is read, where its block begins, and how far its next line
// is; the blocks.
const ROW: usize = 16;
const WAYS: usize = 256;
const SLOTS: usize = 1024;
const SLOT_BYTES: usize = (<usize>(ROWS * COLUMNS)) << 2;

function wayOf(dims: usize, strides: usize, total: u32): u32 {
  if (load<u32>(dims, 20) == total) {
    const s = load<u32>(strides, 20); // one loop
    return s == 1 ? DENSE : s == 0 ? ONE : STEPS;
  }
  let dense = true;
  let one = true;
  let product: u32 = 1;
  for (let d: i32 = 20; d >= 0; d -= 4) {
    const extent = load<u32>(dims + <usize>d);
    if (extent == 1) continue;
    const stride = load<u32>(strides + <usize>d);
    if (stride != product) dense = false;
    if (stride != 0) one = false;
    product *= extent;
  }
  if (dense) return DENSE;
  if (one) return ONE;
  const s5 = load<i32>(strides, 20);
  if (s5 == 1) return LINES;
  const transposed = load<i32>(strides, 16) == 1 && s5 > 1 && load<u32>(dims, 16) >= 4 && load<u32>(dims, 20) >= 4;
  return transposed ? TRANSPOSED : STEPS;
}

export function walk_f32(args: usize, ith: u32, nth: u32): void {
  const inputs = buffers(args) - 1;
  const dims = args + 4 + (inputs << 2);
  const strides = dims + NEST;
  const width = load<u32>(dims, 20);
  let total: u32 = 1;
  for (let d: usize = 0; d < NEST; d += 4) total *= load<u32>(dims + d);
  if (total == 0) return;
  const own = scratch(ith);
  const row = own + ROW;
  // A few scalars: memory.copy is a call of the host.
  let to = row + 8 + (inputs << 2);
  const rest = args - 16 + load<u32>(args - 12);
  for (let s = strides + <usize>inputs * NEST; s < rest; s += 4, to += 4) store<u32>(to, load<u32>(s));

  if (nth == 1 && total <= BLOCK && width == total) {
    // One loop that is one block: the gradient of a small mean, in every step.
    for (let j: u32 = 0; j < inputs; j++) {
      const s = load<i32>(strides + <usize>j * NEST, 20);
      let from = pointer(args, j + 1);
      if (s != 1) {
        const slot = own + SLOTS + <usize>j * SLOT_BYTES;
        copyStrided(slot, from, s, total);
        from = slot;
      }
      store<usize>(row + 4 + (<usize>j << 2), from);
    }
    partOf(row, args, 0);
    store<usize>(row, pointer(args, 0));
    store<u32>(row + 4 + (<usize>inputs << 2), total);
    call_indirect<void>(<u32>load<u16>(args - 14), row, <u32>0, <u32>1);
    return;
  }

  let worst = width >= LONG ? DENSE : STEPS;
  let transposed = false;
  for (let j: u32 = 0; j < inputs; j++) {
    const way = wayOf(dims, strides + <usize>j * NEST, total);
    store<u32>(own + WAYS + (<usize>j << 4), way);
    transposed = transposed || way == TRANSPOSED;
    worst = max(worst, way);
  }
  // A block of one element repeated is made once.
  let most = width;
  for (let j: u32 = 0; j < inputs; j++) {
    const way = own + WAYS + (<usize>j << 4);
    if (load<u32>(way) != ONE) continue;
    most = BLOCK;
    const slot = own + SLOTS + <usize>j * SLOT_BYTES;
    fill(slot, v128.load32_splat(pointer(args, j + 1)), min(total, transposed ? ROWS * COLUMNS : BLOCK));
    store<usize>(way, slot, 4);
    store<usize>(way, 0, 8);
  }
  if (transposed) tiles(args, ith, nth, inputs, total);
  else blocks(args, ith, nth, inputs, total, worst <= LINES, most);
}

/** Calls the dense kernel for `count` elements from y on; inputs from where their blocks begin, line `line` of them. */
function call(args: usize, own: usize, inputs: u32, y: usize, line: u32, count: u32): void {
  const row = own + ROW;
  partOf(row, args, <u32>((y - pointer(args, 0)) >>> 2));
  store<usize>(row, y);
  for (let j: u32 = 0; j < inputs; j++) {
    const way = own + WAYS + (<usize>j << 4);
    store<usize>(row + 4 + (<usize>j << 2), load<usize>(way, 4) + <usize>line * load<usize>(way, 8));
  }
  store<u32>(row + 4 + (<usize>inputs << 2), count);
  call_indirect<void>(<u32>load<u16>(args - 14), row, <u32>0, <u32>1);
}

/** Runs of the output: of one line each where all inputs can be handed over so. */
function blocks(args: usize, ith: u32, nth: u32, inputs: u32, total: u32, lines: bool, most: u32): void {
  const own = scratch(ith);
  const dims = args + 4 + (inputs << 2);
  const strides = dims + NEST;
  const width = load<u32>(dims, 20);
  let i = first(total, GRAIN, ith, nth);
  const end = last(args, total, GRAIN, ith, nth);
  let line = i / width;
  let column = i % width;
  while (i < end) {
    const count = lines ? min(min(width - column, most), end - i) : min(BLOCK, end - i);
    for (let j: u32 = 0; j < inputs; j++) {
      const x = pointer(args, j + 1);
      const s = strides + <usize>j * NEST;
      const way = own + WAYS + (<usize>j << 4);
      const kind = load<u32>(way);
      if (kind == ONE) continue;
      let from = own + SLOTS + <usize>j * SLOT_BYTES;
      if (kind == DENSE) from = x + ((<usize>i) << 2);
      else if (lines) from = x + ((offset(line, dims, s, 5) + <i32>column) << 2);
      else copyNest(from, x, dims, s, i, i + count);
      store<usize>(way, from, 4);
    }
    call(args, own, inputs, pointer(args, 0) + ((<usize>i) << 2), 0, count);
    i += count;
    column += count;
    if (column == width) {
      column = 0;
      line++;
    }
  }
}

/** Tiles over the last two dims, of 16 lines at least: 16 lines of the transpose are columns side by side of what is read. */
function tiles(args: usize, ith: u32, nth: u32, inputs: u32, total: u32): void {
  const own = scratch(ith);
  const dims = args + 4 + (inputs << 2);
  const width = load<u32>(dims, 20);
  const height = load<u32>(dims, 16);
  const tall = max(ROWS, (TILE / width) & ~(ROWS - 1));
  const bands = (height + tall - 1) / tall;
  const across = (width + COLUMNS - 1) / COLUMNS;
  const items = (total / (height * width)) * bands * across;
  let item = first(items, 1, ith, nth);
  const end = last(args, items, 1, ith, nth);
  for (; item < end; item++) {
    const column = (item % across) * COLUMNS;
    const matrix = item / across / bands;
    const line = ((item / across) % bands) * tall;
    const rows = min(tall, height - line);
    const columns = min(COLUMNS, width - column);
    const at = (matrix * height + line) * width + column;
    for (let j: u32 = 0; j < inputs; j++) {
      const x = pointer(args, j + 1);
      const strides = dims + NEST + <usize>j * NEST;
      const way = own + WAYS + (<usize>j << 4);
      const kind = load<u32>(way);
      if (kind == ONE) continue;
      if (kind == DENSE) {
        store<usize>(way, x + ((<usize>at) << 2), 4);
        store<usize>(way, (<usize>width) << 2, 8);
        continue;
      }
      const slot = own + SLOTS + <usize>j * SLOT_BYTES;
      const s4 = load<i32>(strides, 16);
      const s5 = load<i32>(strides, 20);
      let from = x + ((offset(matrix, dims, strides, 4) + <i32>line * s4 + <i32>column * s5) << 2);
      const pitch = (<usize>columns) << 2;
      if (kind == TRANSPOSED) {
        for (let r: u32 = 0; r < rows; r += ROWS, from += ROWS << 2) {
          transpose(slot + <usize>r * pitch, pitch, from, s5 << 2, columns, min(ROWS, rows - r), false);
        }
      } else for (let r: u32 = 0; r < rows; r++, from += s4 << 2) copyStrided(slot + <usize>r * pitch, from, s5, columns);
      store<usize>(way, slot, 4);
      store<usize>(way, pitch, 8);
    }
    const y = pointer(args, 0) + ((<usize>at) << 2);
    if (columns == width) call(args, own, inputs, y, 0, rows * columns);
    else
      for (let r: u32 = 0; r < rows; r++) call(args, own, inputs, y + ((<usize>(r * width)) << 2), r, columns);
  }
}
