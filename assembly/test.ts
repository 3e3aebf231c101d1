// The kernels, and one that only tests have: it ends a worker in the middle of a program.
export * from "./index";
import { extent } from "./lib/args";

// @ts-ignore: decorator
@external("env", "exit")
declare function exit(): void;

/** Ends every thread but 0 when the countdown in the buffer's place is over; extents: n (work). */
export function exit_f32(args: usize, ith: u32, nth: u32): void {
  if (ith != 0 && extent(args, 1) != 0) exit();
}
