// What a kernel finds at `args`, and a thread's share of the work.
//
// A row of a program is a run of 32-bit words: a header of four, then the buffers' addresses (outputs first), the
// extents, and the scalars. `args` points behind the header, at the first buffer.
//
//   args - 16  kernel       index in the function table; in the upper half that of the dense kernel, for `walk_f32`
//   args - 12  bytes        from this row to the next; 0 in a row made in scratch for a part of another (see partOf)
//   args -  8  flags        bit 0 parallel, bit 1 a barrier stands before the row, bits 8-19 the number of buffers, 20-31 of outputs
//   args -  4  work         product of the extents, f32
//   args       buffers, extents, scalars
//
// Low memory is the host's and the threads': [1024, 4096) control words, [4096, 8192) one line of counters a thread.
// Static data (polynomial tables) begins at 8192, see `memoryBase` in asconfig.json.

export const CONTROL: usize = 1024;
export const COUNTERS: usize = 4096;

/** Scratch memory of each thread in bytes; what a kernel packs must fit. The host sets the base. */
export const SCRATCH_BYTES: usize = 2 << 20;
const SCRATCH_BASE: usize = CONTROL + 0;

// A fault is claimed once: args of the row that met it (0: none), the index and the value that broke the rule.
export const FAULT_ROW: usize = CONTROL + 64;
const FAULT_CLAIM: usize = CONTROL + 68;
const FAULT_INDEX: usize = CONTROL + 72;
const FAULT_VALUE: usize = CONTROL + 76;

// @ts-ignore: decorator
@inline
export function pointer(args: usize, i: u32): usize {
  return load<usize>(args + (i << 2));
}

// @ts-ignore: decorator
@inline
export function extent(args: usize, i: u32): u32 {
  return load<u32>(args + (i << 2));
}

// @ts-ignore: decorator
@inline
export function scalar(args: usize, i: u32): f32 {
  return load<f32>(args + (i << 2));
}

/** Number of buffers of the row: for kernels over a table of segments. */
// @ts-ignore: decorator
@inline
export function buffers(args: usize): u32 {
  return (load<u32>(args - 8) >>> 8) & 0xfff;
}

/** This thread's scratch memory, SCRATCH_BYTES long and 64-byte aligned. */
// @ts-ignore: decorator
@inline
export function scratch(ith: u32): usize {
  return load<usize>(SCRATCH_BASE) + <usize>ith * SCRATCH_BYTES;
}

/** The end of it, left alone by kernels that call others: for those that may be called, and for little. */
const SPARE_BYTES: usize = 32 << 10;

// @ts-ignore: decorator
@inline
export function spare(ith: u32): usize {
  return load<usize>(SCRATCH_BASE) + <usize>(ith + 1) * SCRATCH_BYTES - SPARE_BYTES;
}

/** First item of thread `ith`'s share of `n` items, cut at multiples of `grain`. */
export function first(n: u32, grain: u32, ith: u32, nth: u32): u32 {
  if (nth == 1) return 0;
  const grains = (n + grain - 1) / grain;
  return <u32>min<u64>(n, ((<u64>grains * ith) / nth) * grain);
}

/** One past the last item of the share; the share of the row's work goes to the thread's counter. */
export function last(args: usize, n: u32, grain: u32, ith: u32, nth: u32): u32 {
  if (nth == 1) return n;
  const end = first(n, grain, ith + 1, nth);
  if (n > 0) {
    const begin = first(n, grain, ith, nth);
    const counter = COUNTERS + ((<usize>ith) << 6);
    const part = (<f64>load<f32>(args - 4) * <f64>(end - begin)) / <f64>n;
    store<f64>(counter, load<f64>(counter) + part);
  }
  return end;
}

/** Marks a row made in scratch for a part of the row `args`, whose output it takes from element `from` on. */
// @ts-ignore: decorator
@inline
export function partOf(made: usize, args: usize, from: u32): void {
  store<u32>(made - 12, 0);
  store<usize>(made - 8, args);
  store<u32>(made - 4, from);
}

/** Reports what only a kernel can see, such as a label out of range. The first report wins. */
export function fault(args: usize, index: u32, value: i32): void {
  if (atomic.cmpxchg<u32>(FAULT_CLAIM, 0, 1) != 0) return;
  if (load<u32>(args - 12) == 0) {
    index += load<u32>(args - 4);
    args = load<usize>(args - 8);
  }
  store<u32>(FAULT_INDEX, index);
  store<i32>(FAULT_VALUE, value);
  atomic.store<u32>(FAULT_ROW, <u32>args);
}
