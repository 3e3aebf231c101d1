// Arithmetic and comparisons of two tensors, dense or broadcast by strides of a and b (in elements, 0 repeats). A comparison gives i32 0 or 1. NaN wins in maximum and minimum.
import {
  Add,
  AddI,
  Div,
  Eq,
  EqI,
  Ge,
  GeI,
  Gt,
  GtI,
  Le,
  LeI,
  Lt,
  LtI,
  MaxI,
  Maximum,
  MinI,
  Minimum,
  Mul,
  MulI,
  Ne,
  NeI,
  Sub,
  SubI,
} from "../lib/arith";
import { broadcast } from "../lib/broadcast";
import { binary } from "../lib/map";

/** y | a b | n |        y | a b | d*6 | s*6:i32 t*6:i32 */
export function add_f32(args: usize, ith: u32, nth: u32): void {
  binary<Add>(args, ith, nth);
}
export function add_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Add>(args, ith, nth);
}
export function sub_f32(args: usize, ith: u32, nth: u32): void {
  binary<Sub>(args, ith, nth);
}
export function sub_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Sub>(args, ith, nth);
}
export function mul_f32(args: usize, ith: u32, nth: u32): void {
  binary<Mul>(args, ith, nth);
}
export function mul_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Mul>(args, ith, nth);
}
export function div_f32(args: usize, ith: u32, nth: u32): void {
  binary<Div>(args, ith, nth);
}
export function div_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Div>(args, ith, nth);
}
export function maximum_f32(args: usize, ith: u32, nth: u32): void {
  binary<Maximum>(args, ith, nth);
}
export function maximum_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Maximum>(args, ith, nth);
}
export function minimum_f32(args: usize, ith: u32, nth: u32): void {
  binary<Minimum>(args, ith, nth);
}
export function minimum_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Minimum>(args, ith, nth);
}
/** y:i32 | a b | n |        y:i32 | a b | d*6 | s*6:i32 t*6:i32 */
export function eq_f32(args: usize, ith: u32, nth: u32): void {
  binary<Eq>(args, ith, nth);
}
export function eq_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Eq>(args, ith, nth);
}
export function ne_f32(args: usize, ith: u32, nth: u32): void {
  binary<Ne>(args, ith, nth);
}
export function ne_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Ne>(args, ith, nth);
}
export function lt_f32(args: usize, ith: u32, nth: u32): void {
  binary<Lt>(args, ith, nth);
}
export function lt_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Lt>(args, ith, nth);
}
export function le_f32(args: usize, ith: u32, nth: u32): void {
  binary<Le>(args, ith, nth);
}
export function le_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Le>(args, ith, nth);
}
export function gt_f32(args: usize, ith: u32, nth: u32): void {
  binary<Gt>(args, ith, nth);
}
export function gt_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Gt>(args, ith, nth);
}
export function ge_f32(args: usize, ith: u32, nth: u32): void {
  binary<Ge>(args, ith, nth);
}
export function ge_broadcast_f32(args: usize, ith: u32, nth: u32): void {
  broadcast<Ge>(args, ith, nth);
}
/** y:i32 | a:i32 b:i32 | n |        y:i32 | a:i32 b:i32 | d*6 | s*6:i32 t*6:i32 */
export function add_i32(args: usize, ith: u32, nth: u32): void {
  binary<AddI>(args, ith, nth);
}
export function add_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<AddI>(args, ith, nth);
}
export function sub_i32(args: usize, ith: u32, nth: u32): void {
  binary<SubI>(args, ith, nth);
}
export function sub_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<SubI>(args, ith, nth);
}
export function mul_i32(args: usize, ith: u32, nth: u32): void {
  binary<MulI>(args, ith, nth);
}
export function mul_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<MulI>(args, ith, nth);
}
export function maximum_i32(args: usize, ith: u32, nth: u32): void {
  binary<MaxI>(args, ith, nth);
}
export function maximum_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<MaxI>(args, ith, nth);
}
export function minimum_i32(args: usize, ith: u32, nth: u32): void {
  binary<MinI>(args, ith, nth);
}
export function minimum_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<MinI>(args, ith, nth);
}
export function eq_i32(args: usize, ith: u32, nth: u32): void {
  binary<EqI>(args, ith, nth);
}
export function eq_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<EqI>(args, ith, nth);
}
export function ne_i32(args: usize, ith: u32, nth: u32): void {
  binary<NeI>(args, ith, nth);
}
export function ne_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<NeI>(args, ith, nth);
}
export function lt_i32(args: usize, ith: u32, nth: u32): void {
  binary<LtI>(args, ith, nth);
}
export function lt_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<LtI>(args, ith, nth);
}
export function le_i32(args: usize, ith: u32, nth: u32): void {
  binary<LeI>(args, ith, nth);
}
export function le_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<LeI>(args, ith, nth);
}
export function gt_i32(args: usize, ith: u32, nth: u32): void {
  binary<GtI>(args, ith, nth);
}
export function gt_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<GtI>(args, ith, nth);
}
export function ge_i32(args: usize, ith: u32, nth: u32): void {
  binary<GeI>(args, ith, nth);
}
export function ge_broadcast_i32(args: usize, ith: u32, nth: u32): void {
  broadcast<GeI>(args, ith, nth);
}
