// Convolution, max-pool and relu in a row, and the sparse gradient behind a max-pool.
//
// Forward: conv2d_bias -> max_pool2d -> relu becomes conv2d_pool, which never writes the convolution's whole output. It
// keeps the bits.
//
// Backward: max_pool2d_vjp scatters one value a window into zeros, and the convolution's gradients multiply all of
// them. The sparse kernels take the pooled gradient and the windows' indices as they are: a quarter of the work or less.
// The sums come in another order, and zeros are skipped, which shows where an operand is not finite.
import type { Row, Storage } from "../../core/device.ts";
import { poolBeforeRelu } from "./order.ts";
import { compact, onlyReader, type Pass, type Uses, untouched, uses } from "./rows.ts";

/** Bytes of a convolution's output for one image that the fused kernel keeps in scratch: there is no room for more. */
const FUSED_BYTES = 236000;
/** Pixels up to which the sparse gradient of the input pays (measured: 22.9 ms against 8.3 dense at 224 x 224). */
const SPARSE_PIXELS = 16384;
/** Floats of a kernel row, kw * ci, below which it does not pay. */
const SPARSE_RUN = 8;

/** conv2d_bias scalars: h w sh sw ph pw dh dw groups how; max_pool2d: extents planes oh ow kh kw, scalars h w sh sw ph pw dh dw. */
export const poolForward: Pass = {
  name: "poolForward",
  exact: true,
  run(rows, isTemporary) {
    const table = uses(rows);
    const out: (Row | null)[] = [...rows];
    let found = false;
    rows.forEach((conv, i) => {
      if (conv.kernel !== "conv2d_bias_f32" || (conv.scalars[9]! & 1) !== 0) return;
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
      // As float16 the output would be rounded before its maxima are looked for.
      if (co! * oh! * ow! * 4 > FUSED_BYTES || conv.buffers[0]!.storage.half === true) return;
      out[i] = out[j] = out[last] = null;
      out[last] = {
        kernel: "conv2d_pool_f32",
        buffers: [result, pool.buffers[1]!, ...conv.buffers.slice(1)],
        outputs: 2,
        extents: [n!, co!, oh!, ow!, ci!, kh!, kw!, ph!, pw!],
        scalars: [
          ...conv.scalars.slice(0, 9),
          pkh!,
          pkw!,
          pool.scalars[2]!,
          pool.scalars[3]!,
          conv.scalars[9]! | (relu ? 1 : 0),
        ],
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
      const replaced = readers.map((j) => {
        const row = direct(rows, table, j);
        return row === null ? null : sparse(row, gx.storage, g, index, planes, [ph, pw], [oh, ow]);
      });
      if (!readers.every((j) => untouched(rows, [g.storage, index.storage], i, j))) return;
      readers.forEach((j, n) => {
        if (replaced[n] !== null) out[j] = replaced[n]!;
        found ||= replaced[n] !== null;
      });
      // The scattered gradient goes when nobody reads it any more.
      if (replaced.every((r) => r !== null)) out[i] = null;
    });
    return found ? withoutUnread(compact(out), isTemporary) : rows;
  },
};

/** Without transformed weights that nobody reads any more. */
function withoutUnread(rows: readonly Row[], isTemporary: (s: Storage) => boolean): readonly Row[] {
  const table = uses(rows);
  return rows.filter(
    ({ kernel, buffers: [u] }) =>
      kernel !== "winograd_weight_f32" || !isTemporary(u!.storage) || table.get(u!.storage)!.readers.length > 0,
  );
}

/**
 * The row itself; for a gradient by Winograd's algorithm the direct row that stands for it, which takes the pooled gradient
 * 0.4 to 0.9 times as long (bench/lab, 192). Null where the weight was written since it was transformed.
 */
function direct(rows: readonly Row[], table: ReadonlyMap<Storage, Uses>, j: number): Row | null {
  const row = rows[j]!;
  if (row.kernel === "conv2d_winograd_vjp_w_f32") {
    const k = row.extents[6]!;
    const [h, w, ph, pw] = row.scalars as number[];
    return {
      ...row,
      kernel: "conv2d_vjp_w_f32",
      extents: [...row.extents, k],
      scalars: [h!, w!, 1, 1, ph!, pw!, 1, 1, 1],
    };
  }
  if (row.kernel !== "conv2d_winograd_f32") return row;
  // The convolution of the gradient with the flipped weight, whose padding is that of a full one less the forward's.
  const [gx, g, u] = row.buffers as [Row["buffers"][0], Row["buffers"][0], Row["buffers"][0]];
  const i = table.get(u.storage)?.writers[0] ?? -1;
  const transform = rows[i];
  if (row.buffers.length > 3 || transform?.kernel !== "winograd_weight_f32" || transform.scalars[0] !== 1) return null;
  const w = transform.buffers[1]!;
  if (!untouched(rows, [w.storage], i, j)) return null;
  const k = row.extents[5]!;
  const [h, wide, ph, pw] = row.scalars as number[];
  return {
    ...row,
    kernel: "conv2d_vjp_x_f32",
    buffers: [gx, g, w],
    extents: [...row.extents, k],
    scalars: [h!, wide!, 1, 1, k - 1 - ph!, k - 1 - pw!, 1, 1, 1],
  };
}

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

/** In the order in which they run. */
export const pooling: readonly Pass[] = [poolBeforeRelu, poolForward, poolBackward];
