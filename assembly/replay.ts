// The loop over a program's rows, the barrier between them, and the loop in which workers wait for programs.
//
// Every thread walks all rows. A parallel row is run by all threads, the others by thread 0. The host marks the rows
// before which the threads must meet. A fault ends the walk at the first barrier behind its row, for all threads alike.
import { CONTROL, COUNTERS, FAULT_ROW } from "./lib/args";

/** Milliseconds; thread 0 notes when its share of a row begins, so that the host can judge a long wait. */
// @ts-ignore: decorator
@external("env", "now")
declare function now(): f64;

/** A worker makes kernels of the pieces that it does not have yet. */
// @ts-ignore: decorator
@external("env", "take")
declare function take(): void;

/** Bytes of the pieces that thread 0 has made so far: kernels that are no exports (src/wasm/piece.ts). */
const PIECES: usize = CONTROL + 4;

/** counter << 8 | threads of the run: one word, so that a worker that is late reads both or neither. */
const EPOCH: usize = CONTROL + 128;
const RUN_BEGIN: usize = CONTROL + 132;
const RUN_END: usize = CONTROL + 136;
const ASLEEP: usize = CONTROL + 140;
/** How often a waiting thread looks before it sleeps; the host sets 0 where threads outnumber cores. */
const SPINS: usize = CONTROL + 144;
/** 1 where thread 0 may not sleep: it is a page's own thread, on which wait traps. */
const AWAKE: usize = CONTROL + 148;
const ARRIVED: usize = CONTROL + 192;
const GENERATION: usize = CONTROL + 256;
const BARRIER_ASLEEP: usize = CONTROL + 260;
/** 1 + the thread that trapped. */
const TRAPPED: usize = CONTROL + 320;
const SHARE_BEGAN: usize = CONTROL + 328;
/** One word a thread: it waits for programs, 2 where it takes pieces too. */
const READY: usize = CONTROL + 512;

/** In each thread's line: what it waits to see changed. */
const AWAITED: usize = COUNTERS + 8;

const HEADER: usize = 16;
const PARALLEL: u32 = 1;
const BARRIER: u32 = 2;
/** Thread 0 returns to the host after waiting this long, in nanoseconds. */
const SLICE: i64 = 20_000_000;
const SLICE_MS: f64 = 20;
/** Looks of a thread that may not sleep before it looks at the clock. */
const LOOKS: u32 = 1000;

/**
 * Sleeps while `word` is `value`, which is handed over through memory: V8's baseline compiler (Node 20) loses a local that
 * is an operand of wait, and thread 0 took its timeout for the others' arrival.
 */
// @ts-ignore: decorator
@inline
function sleep(word: usize, value: i32, ith: u32, timeout: i64): void {
  const awaited = AWAITED + ((<usize>ith) << 6);
  store<i32>(awaited, value);
  atomic.wait<i32>(word, load<i32>(awaited), timeout);
}

/** Looks for a slice, without sleeping, whether the generation has changed. */
function watch(generation: i32): bool {
  const end = now() + SLICE_MS;
  do {
    for (let i: u32 = 0; i < LOOKS; i++) {
      if (atomic.load<i32>(GENERATION) != generation) return true;
    }
  } while (now() < end);
  return false;
}

/**
 * All threads meet. Thread 0 gives up after a slice (false): the host looks around and comes back with `again`.
 * The last to arrive opens the next generation.
 */
function barrier(ith: u32, nth: u32, again: bool): bool {
  let generation: i32;
  if (again) {
    generation = load<i32>(SHARE_BEGAN + 8);
    if (atomic.load<i32>(GENERATION) != generation) return true;
  } else {
    generation = atomic.load<i32>(GENERATION);
    if (atomic.add<u32>(ARRIVED, 1) + 1 == nth) {
      atomic.store<u32>(ARRIVED, 0);
      atomic.add<i32>(GENERATION, 1);
      if (atomic.load<u32>(BARRIER_ASLEEP) != 0) atomic.notify(GENERATION, -1);
      return true;
    }
    for (let spins = load<u32>(SPINS); spins != 0; spins--) {
      if (atomic.load<i32>(GENERATION) != generation) return true;
    }
  }
  while (true) {
    if (ith == 0 && load<u32>(AWAKE) != 0) {
      if (watch(generation)) return true;
    } else {
      atomic.add<u32>(BARRIER_ASLEEP, 1);
      sleep(GENERATION, generation, ith, ith == 0 ? SLICE : -1);
      atomic.sub<u32>(BARRIER_ASLEEP, 1);
    }
    if (atomic.load<i32>(GENERATION) != generation) return true;
    if (ith == 0) {
      store<i32>(SHARE_BEGAN + 8, generation);
      return false;
    }
  }
}

/**
 * Walks [row, end). Returns `end`, or for thread 0 the row before which it waits for the others (0: behind the last);
 * it is called again from there with `again`.
 */
export function walk(row: usize, end: usize, ith: u32, nth: u32, again: bool): usize {
  if (nth == 1) {
    while (row < end) {
      call_indirect<void>(<u32>load<u16>(row), row + HEADER, <u32>0, <u32>1);
      if (load<u32>(FAULT_ROW) != 0) return end;
      row += load<u32>(row, 4);
    }
    return end;
  }
  if (ith == 0 && !again) store<f64>(SHARE_BEGAN, now());
  if (row == 0) {
    if (!barrier(ith, nth, true)) return 0;
    return end;
  }
  while (row < end) {
    const flags = load<u32>(row, 8);
    if (flags & BARRIER) {
      if (!barrier(ith, nth, again)) return row;
      again = false;
      if (ith == 0) store<f64>(SHARE_BEGAN, now());
      const fault = atomic.load<u32>(FAULT_ROW);
      if (fault != 0 && <usize>fault < row) break;
    }
    if (flags & PARALLEL) {
      call_indirect<void>(<u32>load<u16>(row), row + HEADER, ith, nth);
    } else if (ith == 0) {
      // A worker that is ahead may have met a fault in a later row already.
      const fault = load<u32>(FAULT_ROW);
      if (fault == 0 || <usize>fault > row) call_indirect<void>(<u32>load<u16>(row), row + HEADER, <u32>0, <u32>1);
    }
    row += load<u32>(row, 4);
  }
  if (!barrier(ith, nth, false)) return 0;
  return end;
}

/**
 * A worker's life: wait for a program, walk it, wait again, until a program for no threads ends it. Pieces are taken before the walk:
 * thread 0 makes them before it starts a program that calls them.
 */
export function serve(ith: u32, ready: u32): void {
  let seen = atomic.load<u32>(EPOCH);
  let taken: u32 = 0;
  atomic.store<u32>(READY + ((<usize>ith) << 2), ready);
  while (true) {
    let epoch = seen;
    for (let spins = load<u32>(SPINS); spins != 0; spins--) {
      epoch = atomic.load<u32>(EPOCH);
      if (epoch != seen) break;
    }
    while (epoch == seen) {
      atomic.add<u32>(ASLEEP, 1);
      sleep(EPOCH, seen, ith, -1);
      atomic.sub<u32>(ASLEEP, 1);
      epoch = atomic.load<u32>(EPOCH);
    }
    seen = epoch;
    const nth = epoch & 255;
    if (nth == 0) return;
    if (ith >= nth) continue;
    const pieces = atomic.load<u32>(PIECES);
    if (pieces != taken) take();
    taken = pieces;
    walk(load<usize>(RUN_BEGIN), load<usize>(RUN_END), ith, nth, false);
  }
}

/** Hands [begin, end) to the workers; thread 0 walks it beside them. */
export function start(begin: usize, end: usize, nth: u32): void {
  store<usize>(RUN_BEGIN, begin);
  store<usize>(RUN_END, end);
  const counter = (load<u32>(EPOCH) >>> 8) + 1;
  atomic.store<u32>(EPOCH, (counter << 8) | nth);
  if (atomic.load<u32>(ASLEEP) != 0) atomic.notify(EPOCH, -1);
}

/** 1 + the thread that trapped, or 0. */
export function trapped(): u32 {
  return atomic.load<u32>(TRAPPED);
}
