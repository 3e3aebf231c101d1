// The loss of sequences whose alignment is not known: connectionist temporal classification, by sums over alignments in logarithms, forward and
// backward in time (Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf). A step in time is a few rows.

import { checkNumber, fail, given, noMore } from "../core/error.ts";
import { mode } from "../core/lifetime.ts";
import { alias } from "../core/make.ts";
import { apply, cast, contiguous, launch, type Op, save } from "../core/op.ts";
import { sameShape, show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { add, div, maximum, mul, neg, sub } from "./binary.ts";
import { COUNT } from "./bounds.ts";
import { clamp } from "./clamp.ts";
import { eq, ge, gt, lt, ne } from "./compare.ts";
import { compose } from "./compose.ts";
import { toFloat } from "./copy.ts";
import { full } from "./create.ts";
import { expectDtype } from "./expect.ts";
import { amax } from "./extremes.ts";
import { positions } from "./loss.ts";
import { matmul } from "./matmul.ts";
import { sum } from "./reduce.ts";
import { type LossOptions, reduce, reductionOf } from "./reduction.ts";
import { permute, reshape, t, unsqueeze } from "./shape.ts";
import { narrow, select, slice } from "./slice.ts";
import { exp, log } from "./unary.ts";
import { where } from "./where.ts";
import { copy_, fill_ } from "./write.ts";

/** The logarithm of 0: finite, so that differences of two are numbers. */
const NONE = -1e30;

interface Ctc {
  readonly blank: number;
  readonly zeroInfinity: boolean;
}

/** What the walks through time share, with the sequences innermost: states are blanks with labels between, s of them. */
interface Lattice {
  /** Logarithms of what each state emits, [time, s, n]. */
  readonly emitted: Tensor;
  /** Which class a state emits, [n, classes, s], 0 and 1. */
  readonly hot: Tensor;
  /** NONE where a state may not be entered from two before it, 0 where it may; two rows of NONE behind the last, [s + 2, n]. */
  readonly skips: Tensor;
  /** 0 where a sequence may end, else NONE, [time, s, n]. */
  readonly ends: Tensor;
}

const filled = (shape: readonly number[], value: number, { device }: Tensor): Tensor => full(shape, value, { device });

/** Log-probabilities [time, n, classes], targets [n, labels], both lengths [n]. */
function lattice(x: Tensor, targets: Tensor, inputs: Tensor, labels: Tensor, blank: number): Lattice {
  const [time, n, classes] = x.shape as [number, number, number];
  const s = 2 * targets.shape[1]! + 1;
  const states = full([s, n], blank, { dtype: "int32", device: x.device });
  copy_(slice(states, 0, 1, null, 2), t(targets));
  const own = eq(reshape(t(states), [n, 1, s]), reshape(positions(classes, x), [classes, 1]));
  const hot = toFloat(own);
  const finite = clamp(permute(x, [1, 0, 2]), { min: NONE });
  const each = permute(matmul(finite, hot), [1, 2, 0]);
  // A label that is no class is emitted by nothing.
  const some = where(lt(states, 0), NONE, where(ge(states, classes), NONE, 0));
  const skips = filled([s + 2, n], NONE, x);
  if (s > 2) {
    const differ = ne(narrow(states, 0, 2, s - 2), narrow(states, 0, 0, s - 2));
    copy_(narrow(skips, 0, 2, s - 2), where(differ, 0, NONE));
  }
  const last = eq(reshape(positions(time, x), [time, 1, 1]), sub(inputs, 1));
  const place = reshape(positions(s, x), [s, 1]);
  const end = sub(mul(labels, 2), place); // 0 on the last blank, 1 on the last label
  const final = where(eq(end, 0), 0, where(eq(end, 1), 0, NONE));
  return { emitted: contiguous(add(each, some)), hot, skips, ends: contiguous(where(last, final, NONE)) };
}

/** log Σ e^w over the first dim. */
function logSum(w: Tensor): Tensor {
  const most = amax(w, 0);
  return add(most, log(sum(exp(sub(w, most)), 0)));
}

/**
 * For each time and state the logarithm of all ways to it (`forward`), or from it to the end, [time, s + 2, n]: two rows of NONE stand in front of the
 * states, or behind them, so that those of three neighbouring states are three runs of one memory.
 */
function walked({ emitted, skips, ends }: Lattice, forward: boolean): Tensor {
  const [time, s, n] = emitted.shape as [number, number, number];
  const ways = filled([time, s + 2, n], NONE, emitted);
  const gates = filled([3, s, n], 0, emitted);
  copy_(select(gates, 0, forward ? 0 : 2), narrow(skips, 0, forward ? 0 : 2, s));
  const size = (s + 2) * n;
  const first = forward ? 2 * n : 0;
  for (let i = 0; i < time; i++) {
    const now = forward ? i : time - 1 - i;
    const before = forward ? now - 1 : now + 1;
    compose(() => {
      const here = alias(ways, [s, n], ways.offset + now * size + first);
      let from = select(ends, 0, now);
      if (i > 0) {
        const three = alias(ways, [3, s, n], ways.offset + before * size, [n, n, 1]);
        const come = logSum(add(three, gates));
        from = forward ? come : maximum(come, from);
      } else if (forward) {
        // It begins with a blank, or with the first label.
        from = filled([s, n], NONE, emitted);
        fill_(narrow(from, 0, 0, Math.min(2, s)), 0);
      }
      launch("add_f32", [here], [contiguous(from), contiguous(select(emitted, 0, now))], [s * n], undefined, "ctcLoss");
      return here;
    });
  }
  return narrow(ways, 1, forward ? 2 : 0, s);
}

/** The gradient of each sequence's loss, which PyTorch takes for that of the logits behind a log-softmax: probability less share. */
const CtcVjp: Op<Ctc> = {
  name: "ctcLossVjp",
  forward([g, x, ways, inputs, loss, emitted, hot, skips, ends], { zeroInfinity }) {
    return alone(() => {
      const [time, n] = x!.shape as [number, number, number];
      const back = walked({ emitted: emitted!, hot: hot!, skips: skips!, ends: ends! }, false);
      const shares = exp(add(sub(add(ways!, back), emitted!), loss!));
      const share = permute(matmul(permute(shares, [2, 0, 1]), permute(hot!, [0, 2, 1])), [1, 0, 2]);
      const inside = reshape(lt(reshape(positions(time, x!), [time, 1]), inputs!), [time, n, 1]);
      const each = mul(sub(exp(x!), share), reshape(g!, [n, 1]));
      const lost = reshape(gt(loss!, -NONE / 2), [n, 1]);
      return where(inside, where(lost, zeroInfinity ? 0 : Number.NaN, each), 0);
    });
  },
  vjp: () => fail("ctcLoss", "its gradient is differentiated again: once is all that is expected"),
};

/** Off the tape, and in float32. */
function alone(f: () => Tensor): Tensor {
  const { grad, autocast } = mode;
  mode.grad = false;
  mode.autocast = null;
  try {
    return compose(f);
  } finally {
    mode.grad = grad;
    mode.autocast = autocast;
  }
}

const CtcOp: Op<Ctc> = {
  name: "ctcLoss",
  forward([x, targets, inputs, labels], p, wants) {
    let kept: Tensor[] = [];
    const y = alone(() => {
      const { emitted, hot, skips, ends } = lattice(x!, targets!, inputs!, labels!, p.blank);
      const ways = walked({ emitted, hot, skips, ends }, true);
      const [time, s, n] = emitted.shape as [number, number, number];
      const all = neg(logSum(reshape(add(ways, ends), [time * s, n])));
      // Nothing is emitted in no time.
      const none = where(eq(inputs!, 0), where(eq(labels!, 0), 0, all), all);
      if (wants !== 0) kept = [ways, none, emitted, hot, skips, ends].map((v) => v.keep());
      return where(gt(none, -NONE / 2), p.zeroInfinity ? 0 : Number.POSITIVE_INFINITY, none);
    });
    for (const v of kept) v.kept = false;
    save(x!, inputs!, ...kept);
    return y;
  },
  vjp: (g, { params, saved }) => {
    const [x, inputs, ways, loss, emitted, hot, skips, ends] = saved as Tensor[];
    const rest = [ways!, inputs!, loss!, emitted!, hot!, skips!, ends!];
    return [() => apply(CtcVjp, [g, x!, ...rest], params), null, null, null];
  },
};

/** Lengths as int32 `[n]`, each at most `most`. */
function lengths(op: string, name: string, value: unknown, n: number, most: number, x: Tensor): Tensor {
  if (value instanceof Tensor) {
    expectDtype(op, value, "int32", name);
    if (value.numel !== n) fail(op, `${name} ${show(value.shape)} for ${show(x.shape)}: [${n}] is expected`);
    return reshape(value, [n]);
  }
  const list = numbersOf(value);
  if (list === null || list.length !== n || !list.every((v) => Number.isInteger(v) && v >= 0 && v <= most)) {
    const rule = `integers from 0 to ${most} are expected, ${n} of them, or an int32 tensor`;
    fail(op, `${name} ${given(value)} for ${show(x.shape)}: ${rule}`);
  }
  // By rows that fill, which a captured function may have too.
  const y = full([n], list[0] ?? 0, { dtype: "int32", device: x.device });
  list.forEach((v, i) => void (v !== list[0] && fill_(narrow(y, 0, i, 1), v)));
  return y;
}

const numbersOf = (value: unknown): readonly number[] | null =>
  typeof value === "number" ? [value] : Array.isArray(value) ? value : null;

/** Lengths of sequences: an array, a number for one, or an int32 tensor. */
export type Lengths = number | readonly number[] | Tensor;

/** Options of `ctcLoss`. */
export interface CtcLossOptions extends LossOptions {
  /** The class that stands for no label; 0 by default. */
  blank?: number;
  /** Infinite losses, of targets that do not fit into their input, become 0, and so do their gradients; false by default. */
  zeroInfinity?: boolean;
}

/**
 * The negative log-likelihood of sequences of labels, over all alignments to longer sequences of log-probabilities `[time, n, classes]`, as `logSoftmax`
 * gives them, or `[time, classes]` for one. int32 targets are `[n, labels]`, of which only the first `targetLengths` count, or one behind the other, `[sum of
 * lengths]`, which takes lengths as numbers. The result is `[]`, the mean over sequences of loss per label, or with reduction `"none"` `[n]`, `[]` for one. A label that is no
 * class makes its loss infinite. The gradient, which cannot be differentiated again, is that of what a log-softmax normalized, as in PyTorch.
 * https://pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Lengths,
  targetLengths: Lengths,
  options?: CtcLossOptions,
  ...none: []
): Tensor {
  const op = "ctcLoss";
  noMore(op, none);
  expectDtype(op, logProbs, "float32");
  expectDtype(op, targets, "int32", "targets");
  alive(op, logProbs);
  alive(op, targets);
  const r = reductionOf(op, options, "reduction blank zeroInfinity?");
  const one = logProbs.ndim === 2;
  const shape = one ? [logProbs.shape[0]!, 1, logProbs.shape[1]!] : logProbs.shape;
  const [time, n, classes] = shape as [number, number, number];
  if (shape.length !== 3 || time === 0 || n === 0)
    fail(op, `input ${show(logProbs.shape)}: log-probabilities [time, n, classes] of something are expected`);
  const blank = options?.blank ?? 0;
  const zeroInfinity = options?.zeroInfinity ?? false;
  checkNumber(op, "blank", blank, [(v) => COUNT[0](v) && v < classes, `a class from 0 to ${classes - 1}`]);
  const sizes = numbersOf(targetLengths);
  const joined = !one && targets.ndim === 1;
  const total = sizes?.reduce((a, b) => a + b, 0);
  if (joined ? total !== targets.numel : !sameShape(targets.shape.slice(0, -1), one ? [] : [n])) {
    const rule = one
      ? "targets [labels] are expected"
      : `targets [${n}, labels] are expected, or of all lengths, which are numbers then`;
    fail(op, `input ${show(logProbs.shape)} and targets ${show(targets.shape)}: ${rule}`);
  }
  const most = joined ? Math.max(...sizes!, 0) : (targets.shape[targets.ndim - 1] ?? 0);
  return compose(() => {
    const inputs = lengths(op, "inputLengths", inputLengths, n, time, logProbs);
    const labels = lengths(op, "targetLengths", targetLengths, n, most, logProbs);
    let rows = one ? unsqueeze(targets, 0) : targets;
    if (joined) {
      rows = full([n, most], 0, { dtype: "int32", device: logProbs.device });
      let from = 0;
      for (const [i, length] of sizes!.entries()) {
        copy_(narrow(select(rows, 0, i), 0, 0, length), narrow(targets, 0, from, length));
        from += length;
      }
    }
    const x = cast(one ? unsqueeze(logProbs, 1) : logProbs, "float32");
    const losses = apply(CtcOp, [x, rows, inputs, labels], { blank, zeroInfinity });
    if (r === "mean") return reduce(div(losses, clamp(toFloat(labels), { min: 1 })), r);
    return reduce(one ? reshape(losses, []) : losses, r);
  });
}
