// The layouts of all kernels' rows: for the WebGPU device, which makes shaders of them, and for tests.
import { denseOf } from "../../row/nest.ts";
import { rows as amp } from "./amp.ts";
import { rows as binary } from "./binary.ts";
import { rows as conv } from "./conv.ts";
import { rows as copy } from "./copy.ts";
import { rows as loss } from "./loss.ts";
import { rows as math } from "./math.ts";
import { rows as matmul } from "./matmul.ts";
import { rows as norm } from "./norm.ts";
import { rows as optim } from "./optim.ts";
import { rows as pool } from "./pool.ts";
import { rows as random } from "./random.ts";
import { rows as reduce } from "./reduce.ts";
import { rows as softmax } from "./softmax.ts";
import { rows as special } from "./special.ts";
import { type Layout, layouts } from "./table.ts";
import { rows as unary } from "./unary.ts";
import { rows as where } from "./where.ts";

/** The rows of every family, by the name that it has in every room. */
export const families: Readonly<Record<string, string>> = {
  amp,
  binary,
  conv,
  copy,
  loss,
  math,
  matmul,
  norm,
  optim,
  pool,
  random,
  reduce,
  softmax,
  special,
  unary,
  where,
};

let found: Map<string, Layout> | null = null;

/** The layouts of all kernels by name, those over views left out. */
export function table(): ReadonlyMap<string, Layout> {
  found ??= layouts(Object.values(families).join(""));
  return found;
}

/** The layout of a kernel's row; over views the nest stands in the place of n, and each input's strides are in front of the scalars. */
export function layoutOf(kernel: string): Layout | undefined {
  const dense = table().get(denseOf(kernel));
  if (dense === undefined || denseOf(kernel) === kernel) return dense;
  const six = (name: string, type: string) =>
    [0, 1, 2, 3, 4, 5].map((d) => ({ name: name + d, type, each: false, optional: false }));
  const strides = dense.inputs.flatMap(({ name }) => six(`${name}_`, "i32"));
  return { ...dense, extents: six("d", "u32"), scalars: [...strides, ...dense.scalars] };
}
