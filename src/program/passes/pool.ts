// Convolution, max-pool and relu in a row, and the sparse gradient behind a max-pool.
//
// Forward: conv2d_bias -> max_pool2d -> relu becomes conv2d_pool, which never writes the convolution's whole output. It
// keeps the bits.
//
// Backward: max_pool2d_vjp scatters one value a window into zeros, and the convolution's gradients multiply all of
// them. The sparse kernels take the pooled gradient and the windows' indices as they are: a quarter of the work or less.
// The sums come in another order, and zeros are skipped, which shows where an operand is not finite.
import type { Row, Storage } from "../../core/device.ts";
import { compact, onlyReader, type Pass, untouched, uses } from "./rows.ts";

/** Bytes of a convolution's output for one image up to which the fused kernel keeps it in scratch; above it is slower. */
const FUSED_BYTES = 236000;
/** Pixels up to which the sparse gradient of the input pays (measured: 22.9 ms against 8.3 dense at 224 x 224). */
const SPARSE_PIXELS = 16384;
/** Floats of a kernel row, kw * ci, below which it does not pay. */
const SPARSE_RUN = 8;

/** conv2d_bias scalars: h w sh sw ph pw dh dw groups relu; max_pool2d: extents planes oh ow kh kw, scalars h w sh sw ph pw dh dw. */
export const poolForward: Pass = {
  name: "poolForward",
  exact: true,
  run(rows, isTemporary) {
    const table = uses(rows);
    const out: (Row | null)[] = [...rows];
    let found = false;
    rows.forEach((conv, i) => {
      if (conv.kernel !== "conv2d_bias_f32" || conv.scalars[9] !== 0) return;
      const j = onlyReader(rows, table, i, isTemporary);
      const pool = rows[j];
      if (pool?.kernel !== "max_pool2d_f32") return;
      const [, , , , padH, padW, dilH, dilW] = pool.scalars;
      if (padH !== 0 || padW !== 0 || dilH !== 1 || dilW !== 1) return;
      const k = onlyReader(rows, table, j, isTemporary);
      const relu = rows[k]?.kernel === "relu_f32" ? rows[k]! : null;
      const result = relu === null ? pool.buffers[0]! : relu.buffers[0]!;
      const last = relu === null ? j : k;
      const touched = [result.storage, pool.buffers[1]!.storage, ...conv.buffers.slice(1).map((b) => b.storage)];
      if (!untouched(rows, touched, i, j) || (relu !== null && !untouched(rows, [result.storage], j, k))) return;
      const [n, co, oh, ow, ci, kh, kw] = conv.extents as number[];
      const [, ph, pw, pkh, pkw] = pool.extents as number[];
      if (co! * oh! * ow! * 4 > FUSED_BYTES) return;
      out[i] = out[j] = out[last] = null;
      out[last] = {
        kernel: "conv2d_pool_f32",
        buffers: [result, pool.buffers[1]!, ...conv.buffers.slice(1)],
        outputs: 2,
        extents: [n!, co!, oh!, ow!, ci!, kh!, kw!, ph!, pw!],
        scalars: [...conv.scalars.slice(0, 9), pkh!, pkw!, pool.scalars[2]!, pool.scalars[3]!, relu === null ? 0 : 1],
        op: conv.op,
      };
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
      const [gx, g, index] = pool.buffers as [Row["buffers"][0], Row["buffers"][0], Row["buffers"][0]];
      if (!isTemporary(gx.storage)) return;
      const { writers, readers } = table.get(gx.storage)!;
      if (writers.length !== 1) return;
      const [planes, ph, pw] = pool.extents as [number, number, number];
      const [oh, ow] = pool.scalars as [number, number];
      const replaced = readers.map((j) => sparse(rows[j]!, gx.storage, g, index, planes, [ph, pw], [oh, ow]));
      if (!readers.every((j) => untouched(rows, [g.storage, index.storage], i, j))) return;
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

/** The row on the pooled gradient that does what `row` does on the scattered one. */
function sparse(
  row: Row,
  dense: Storage,
  g: Row["buffers"][0],
  index: Row["buffers"][0],
  planes: number,
  pooled: [number, number],
  full: [number, number],
): Row | null {
  const [y, gy, other] = row.buffers as [Row["buffers"][0], Row["buffers"][0], Row["buffers"][0]];
  if (gy.storage !== dense || gy.offset !== 0) return null;
  const [ph, pw] = pooled;
  if (row.kernel === "conv2d_vjp_w_f32") {
    if (row.extents[3] !== full[0] || row.extents[4] !== full[1] || row.extents[1]! * row.extents[2]! !== planes)
      return null;
    return {
      ...row,
      kernel: "conv2d_pool_vjp_w_f32",
      buffers: [y, g, index, other],
      extents: [...row.extents, ph, pw],
    };
  }
  if (row.kernel === "conv2d_vjp_x_f32") {
    if (row.scalars[0] !== full[0] || row.scalars[1] !== full[1] || row.extents[0]! * row.extents[4]! !== planes)
      return null;
    const [, c, , , , , kw] = row.extents as number[];
    if (full[0] * full[1] > SPARSE_PIXELS || (kw! * c!) / row.scalars[8]! < SPARSE_RUN) return null;
    return {
      ...row,
      kernel: "conv2d_pool_vjp_x_f32",
      buffers: [y, g, index, other],
      extents: [...row.extents, ph, pw],
    };
  }
  if (row.kernel === "sum_f32") {
    const [outer, n, inner] = row.extents as [number, number, number];
    if (outer !== planes || n !== full[0] * full[1] || inner !== 1) return null;
    return { ...row, buffers: [y, g], extents: [outer, ph * pw, 1] };
  }
  return null;
}
