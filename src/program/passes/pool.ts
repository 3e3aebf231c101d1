// Convolution, max-pool and relu in a row, and the pooled gradient behind a max-pool.
//
// Forward: conv2d_bias -> max_pool2d -> relu becomes conv2d_pool, which never writes the convolution's whole output. It
// keeps the bits.
//
// Backward: max_pool2d_vjp scatters one value a window into zeros, and the convolution's gradients multiply all of
// them. The pooled kernels take the pooled gradient and the windows' indices as they are: a quarter of the work or less.
// The sums come in another order, and zeros are skipped, which shows where an operand is not finite.
import type { Buffer, Row } from "../../core/device.ts";
import { rows as convolution } from "../kernels/conv.ts";
import { rows as pools } from "../kernels/pool.ts";
import { reader } from "../kernels/reader.ts";
import { rows as reduce } from "../kernels/reduce.ts";
import { rows as unary } from "../kernels/unary.ts";
import { poolBeforeRelu } from "./order.ts";
import { compact, onlyReader, type Pass, untouched, uses } from "./rows.ts";

/** Bytes of a convolution's output for one image that the fused kernel keeps in scratch: there is no room for more. */
const FUSED_BYTES = 236000;
/** Pixels up to which the pooled gradient of the input pays (measured: 22.9 ms against 8.3 dense at 224 x 224). */
const POOLED_PIXELS = 16384;
/** Floats of a kernel row, kw * ci, below which it does not pay. */
const POOLED_RUN = 8;

const named = /* @__PURE__ */ reader(convolution, pools, reduce, unary);

export const poolForward: Pass = {
  name: "poolForward",
  exact: true,
  run(rows, isTemporary, host) {
    const table = uses(rows);
    const out: (Row | null)[] = [...rows];
    let found = false;
    rows.forEach((conv, i) => {
      if (conv.kernel !== "conv2d_bias_f32" || named.numbers(conv, "relu")[0] !== 0) return;
      if (host?.replaces?.(conv)) return;
      const j = onlyReader(rows, table, i, isTemporary);
      const pool = rows[j];
      if (pool?.kernel !== "max_pool2d_f32") return;
      const [pkh, pkw, psh, psw, padH, padW, dilH, dilW] = named.numbers(
        pool,
        ...(["kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw"] as const),
      );
      if (padH !== 0 || padW !== 0 || dilH !== 1 || dilW !== 1) return;
      const k = onlyReader(rows, table, j, isTemporary);
      const relu = rows[k]?.kernel === "relu_f32" ? rows[k]! : null;
      const [pooled, idx] = named.buffers(pool, "y", "idx");
      const [y] = relu === null ? [pooled] : named.buffers(relu, "y");
      const last = relu === null ? j : k;
      const touched = [y.storage, idx.storage, ...conv.buffers.slice(1).map((b) => b.storage)];
      if (!untouched(rows, touched, i, j) || (relu !== null && !untouched(rows, [y.storage], j, k))) return;
      const [co, oh, ow] = named.numbers(conv, "co", "oh", "ow");
      // As float16 the output would be rounded before its maxima are looked for.
      if (co * oh * ow * 4 > FUSED_BYTES || conv.buffers[0]!.storage.width !== 4) return;
      const [ph, pw] = named.numbers(pool, "oh", "ow");
      const [padh, padw] = named.numbers(conv, "ph", "pw");
      const values = { y, idx, ph, pw, padh, padw, pkh, pkw, psh, psw, relu: relu === null ? 0 : 1 };
      out[i] = out[j] = out[last] = null;
      out[last] = named.changed(conv, values, "conv2d_pool_f32");
      found = true;
    });
    return found ? compact(out) : rows;
  },
};

export const poolBackward: Pass = {
  name: "poolBackward",
  exact: false,
  run(rows, isTemporary) {
    const table = uses(rows);
    const out: (Row | null)[] = [...rows];
    let found = false;
    rows.forEach((pool, i) => {
      if (pool.kernel !== "max_pool2d_vjp_f32") return;
      const [gx, gy, idx] = named.buffers(pool, "gx", "gy", "idx");
      if (!isTemporary(gx.storage)) return;
      const { writers, readers } = table.get(gx.storage)!;
      if (writers.length !== 1) return;
      const replaced = readers.map((j) => onPooled(rows[j]!, pool));
      if (!readers.every((j) => untouched(rows, [gy.storage, idx.storage], i, j))) return;
      readers.forEach((j, n) => {
        if (replaced[n] !== null) out[j] = replaced[n]!;
        found ||= replaced[n] !== null;
      });
      // The scattered gradient goes when nobody reads it any more.
      if (replaced.every((r) => r !== null)) out[i] = null;
    });
    return found ? compact(out) : rows;
  },
};

/** The row on the pooled gradient that does what `row` does on the scattered one, which `pool` makes; null where none pays. */
function onPooled(row: Row, pool: Row): Row | null {
  const [scattered, g, idx] = named.buffers(pool, "gx", "gy", "idx");
  const [planes, ph, pw, high, wide] = named.numbers(pool, "planes", "oh", "ow", "h", "w");
  const whole = ({ storage, offset }: Buffer): boolean => storage === scattered.storage && offset === 0;
  if (row.kernel === "conv2d_vjp_w_f32") {
    const [gy] = named.buffers(row, "gy");
    const [n, co, oh, ow, padh, padw] = named.numbers(row, "n", "co", "oh", "ow", "ph", "pw");
    if (!whole(gy) || oh !== high || ow !== wide || n * co !== planes) return null;
    return named.changed(row, { g, idx, ph, pw, padh, padw }, "conv2d_pool_vjp_w_f32");
  }
  if (row.kernel === "conv2d_vjp_x_f32") {
    const [gy] = named.buffers(row, "gy");
    const [n, co, oh, ow, padh, padw] = named.numbers(row, "n", "co", "oh", "ow", "ph", "pw");
    if (!whole(gy) || oh !== high || ow !== wide || n * co !== planes) return null;
    const [channels, kw, groups] = named.numbers(row, "channels", "kw", "groups");
    if (high * wide > POOLED_PIXELS || (kw * channels) / groups < POOLED_RUN) return null;
    return named.changed(row, { g, idx, ph, pw, padh, padw }, "conv2d_pool_vjp_x_f32");
  }
  if (row.kernel === "sum_f32") {
    const [x] = named.buffers(row, "x");
    const [outer, n, inner] = named.numbers(row, "outer", "n", "inner");
    if (!whole(x) || outer !== planes || n !== high * wide || inner !== 1) return null;
    return named.changed(row, { x: g, n: ph * pw });
  }
  return null;
}

/** In the order in which they run. */
export const pooling: readonly Pass[] = [poolBeforeRelu, poolForward, poolBackward];
