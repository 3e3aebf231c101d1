// The kernels of the WebGPU device, by the names that launches use.
import type { Registry } from "../kernel.ts";
import { amp } from "./amp.ts";
import { binary } from "./binary.ts";
import { conv } from "./conv.ts";
import { copy } from "./copy.ts";
import { bce, loss } from "./loss.ts";
import { math } from "./math.ts";
import { matmul } from "./matmul.ts";
import { norm } from "./norm.ts";
import { optim } from "./optim.ts";
import { pool } from "./pool.ts";
import { random } from "./random.ts";
import { reduce } from "./reduce.ts";
import { softmax } from "./softmax.ts";
import { special } from "./special.ts";
import { unary } from "./unary.ts";
import { walked } from "./walk.ts";
import { where } from "./where.ts";

export { lib } from "./lib.ts";

export const registry: Registry = {
  ...amp,
  ...binary,
  ...conv,
  ...copy,
  ...where,
  ...loss,
  ...math,
  ...matmul,
  ...norm,
  ...optim,
  ...pool,
  ...random,
  ...reduce,
  ...softmax,
  ...special,
  ...unary,
  ...walked({ ...unary, ...math, ...special, ...where, ...bce }),
};
