// Low memory: the words that host and threads share. The same addresses stand in assembly/lib/args.ts and
// replay.ts (test/constants.test.ts compares).

const CONTROL = 1024;

export const SCRATCH_BASE = CONTROL;
export const PIECES = CONTROL + 4;
export const SCRATCH_BYTES = 2 << 20;
export const FAULT_ROW = CONTROL + 64;
export const FAULT_CLAIM = CONTROL + 68;
export const FAULT_INDEX = CONTROL + 72;
export const FAULT_VALUE = CONTROL + 76;
export const EPOCH = CONTROL + 128;
export const SPINS = CONTROL + 144;
export const AWAKE = CONTROL + 148;
export const GENERATION = CONTROL + 256;
export const TRAPPED = CONTROL + 320;
export const SHARE_BEGAN = CONTROL + 328;
export const READY = CONTROL + 512;
/** The word of a thread that takes pieces too, in `READY`. */
export const TAKES = 2;
/** One line of 64 bytes a thread; the first f64 counts its work units. */
export const COUNTERS = 4096;
export const MAX_THREADS = 64;

/** Where static data ends. Behind it lie pieces, each its length and then its module, and the host's blocks. */
export const PIECES_BASE = 65536;
export const PIECES_BYTES = 1 << 18;

/** Words in front of a row's arguments. */
export const HEADER = 4;
export const PARALLEL = 1;
export const BARRIER = 2;
