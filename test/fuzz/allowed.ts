// Differences from PyTorch that are meant, each with its reason. None lets a number pass: all but two are of programs that one
// side refuses, told by what it says and by the steps that lead there; the two are of what requires or has no gradient.
import { type Mismatch, ZERO_MISSING } from "./compare.ts";
import { VIEWS } from "./draw-views.ts";
import type { Program, Step } from "./program.ts";

interface Allowed {
  readonly why: string;
  readonly is: (m: Mismatch, p: Program) => boolean;
}

/** Steps in front of the one that was refused. */
const before = (m: Mismatch, p: Program): readonly Step[] => p.steps.slice(0, m.step ?? 0);
const writes = ({ op }: Step): boolean => op.endsWith("_") && op !== "requires_grad_";

interface Place {
  /** Whose memory it looks at. */
  readonly base: string;
  /** A write to it is not recorded: `detach` or noGrad lies between. */
  readonly off: boolean;
  /** The step since which it has been one of several views, or null. */
  readonly several: number | null;
}

function places(p: Program): Map<string, Place> {
  const found = new Map<string, Place>(p.inputs.map((_, i) => [`x${i}`, { base: `x${i}`, off: false, several: null }]));
  for (const [k, { op, in: of, out, noGrad }] of p.steps.entries()) {
    if (out === null || op.endsWith("_")) continue;
    const from = op in VIEWS || op === "detach" ? found.get(of[0]!) : undefined;
    for (const name of [out].flat()) {
      const off = (from?.off ?? false) || op === "detach" || noGrad === true;
      const several = from?.several ?? (/^(unbind|split|chunk)$/.test(op) ? k : null);
      found.set(name, { base: from?.base ?? name, off, several });
    }
  }
  return found;
}

/** A product or quotient in place, one of whose operands lies in the memory that is written. */
function ofItself(m: Mismatch, p: Program): boolean {
  const at = places(p);
  return before(m, p).some(
    ({ op, in: [x, other] }) =>
      /^(mul|div)_$/.test(op) && other !== undefined && at.get(x!)!.base === at.get(other)!.base,
  );
}

/** Where the refused step leads back to one of several views: what was written behind that was so without a record, by way of detach or under noGrad. */
function unrecorded(m: Mismatch, p: Program): boolean {
  const at = places(p);
  const names = new Set(p.steps[m.step!]!.in);
  for (const { in: of, out } of before(m, p).toReversed())
    if ([out ?? []].flat().some((name) => names.has(name))) for (const name of of) names.add(name);
  return [...names].some((name) => {
    const { base, several } = at.get(name)!;
    if (several === null) return false;
    const behind = p.steps.slice(several + 1, m.step!).filter((s) => writes(s) && at.get(s.in[0]!)!.base === base);
    return behind.length > 0 && behind.every((s) => s.noGrad || at.get(s.in[0]!)!.off);
  });
}

/** Whether a factor of a product that is differentiated further begins or ceases to require gradients behind it. */
const turnedFactor = (p: Program): boolean =>
  p.steps.some((s) => s.op === "grad" && s.args.create_graph === true) &&
  p.steps.some(
    (s, k) =>
      s.op === "requires_grad_" &&
      p.steps.slice(0, k).some((o) => /^(linear|matmul)$/.test(o.op) && o.in.includes(s.in[0]!)),
  );

const refusedHere = (m: Mismatch, text: RegExp): boolean => m.kind === "refused here" && text.test(m.text);
const answeredHere = (m: Mismatch, text: RegExp): boolean => m.kind === "answered here" && text.test(m.text);

export const ALLOWED: readonly Allowed[] = [
  {
    why: "ops of two dtypes, which PyTorch promotes: here the dtypes must be the same, as their documentation says",
    is: (m) => {
      const [, a, b] =
        /: \[[\d,]*\] of (\w+) and \[[\d,]*\] of (\w+): the dtypes must be the same, use /.exec(m.text) ?? [];
      return m.kind === "refused here" && a !== b;
    },
  },
  {
    why: "functions and numbers that make floats of int32 or bool: here float32 is expected, as their documentation says",
    is: (m) =>
      refusedHere(m, /here: \w+: input \[[\d,]*\] is (int32|bool): float32 is expected$/) ||
      refusedHere(m, /here: \w+: \[[\d,]*\] of int32 and -?\d*\.\d+: an integer is expected, or float\(\) first$/),
  },
  {
    why: "arithmetic on bool, and its argmax and argmin: here int() or float() comes first, as their documentation says",
    is: (m) =>
      refusedHere(m, /here: \w+: \[[\d,]*\] of bool: arithmetic on bool is not supported, use int\(\) or float\(\)$/) ||
      refusedHere(m, /here: arg(max|min): \[[\d,]*\] of bool: int\(\) or float\(\) is expected first$/),
  },
  {
    why: "a number added to int32 in place, or multiplied: here a number takes a float tensor, as the documentation says",
    is: (m) => refusedHere(m, /here: (add|sub|mul)_: \[[\d,]*\] of int32 and a number: float32 is expected$/),
  },
  {
    why: "PyTorch saves a number as a tensor and refuses a second backward for it; here nothing was saved",
    is: (m) => answeredHere(m, /backward through the graph a second time/),
  },
  {
    why: "an in-place product or quotient with a part of itself: PyTorch refuses the gradient, here the value before is kept",
    is: (m, p) => answeredHere(m, /modified by an inplace operation|has been modified inplace/) && ofItself(m, p),
  },
  {
    why: "an operand of another dtype was written after an op had read it: PyTorch saved it, here the op has its values as floats of then",
    is: (m, p) =>
      answeredHere(m, /modified by an inplace operation: \[(CPUBoolType|torch\.(Int|Long|Bool)Tensor) \[/) &&
      before(m, p).some(writes),
  },
  {
    why: "a factor of a product of batches was written: PyTorch has a copy of it where batches broadcast, here it is saved itself",
    is: (m, p) =>
      refusedHere(m, /here: backward of matmul: .* \[\d+(,\d+){2,}\] is at version \d+, expected version/) &&
      before(m, p).some(writes),
  },
  {
    why: "a view that does not lie dense was written after an op had read it: PyTorch saved the view, here the op has a dense copy of then",
    is: (m, p) =>
      answeredHere(
        m,
        /modified by an inplace operation: .* which is output \d+ of AsStridedBackward0, is at version/,
      ) && before(m, p).some(writes),
  },
  {
    why: "one of several views whose base was written without a record: PyTorch refuses it from then on, here its gradient is still that of its part",
    is: (m, p) =>
      answeredHere(m, /is a view and its base or another view of its base has been modified/) && unrecorded(m, p),
  },
  {
    why: "a view taken before its base came to have a history: PyTorch takes it for a leaf when it is written first, here it has the base's",
    is: (m, p) => {
      if (!answeredHere(m, /a leaf Variable that requires grad is being used in an in-place operation/)) return false;
      const [x] = p.steps[m.step!]!.in;
      const { base } = places(p).get(x!)!;
      const input = /^x(\d+)$/.exec(base);
      return base !== x && (input === null || p.inputs[Number(input[1])]!.grad !== true);
    },
  },
  {
    why: "gradients of no elements: PyTorch loses their graph on the way through a write, here it stays",
    is: (m, p) =>
      answeredHere(m, /does not require grad and does not have a grad_fn/) &&
      p.inputs.some((x) => x.data.length === 0) &&
      before(m, p).some(writes) &&
      before(m, p).some((s) => s.op === "grad"),
  },
  {
    why: "a write with a view of the same elements in the same order, whose strides differ where sizes are 1: PyTorch refuses what only looks as if it overlapped",
    is: (m, p) => {
      if (!answeredHere(m, /some elements of the input tensor and the written-to tensor refer to a single memory/))
        return false;
      const at = places(p);
      const [x, other] = p.steps[m.step!]!.in;
      return other !== undefined && at.get(x!)!.base === at.get(other)!.base;
    },
  },
  {
    why: "a consumed graph no longer knows whom it leads to: `grad()` for what it does not reach is refused, PyTorch says that it is not reached",
    is: (m, p) =>
      refusedHere(m, /trying to backward through the graph a second time/) &&
      p.steps[m.step!]!.op === "grad" &&
      before(m, p).some((s) => s.op === "backward" || s.op === "grad"),
  },
  {
    why: "a factor that came to require gradients after its product, or no longer: where the product saved a view of it, that is as before, and not every product that saves one here does in PyTorch",
    is: (m, p) =>
      (m.kind === "gradient"
        ? /there is one, PyTorch has none|: none, PyTorch has one/.test(m.text)
        : m.kind === "requires grad"
          ? m.cause === "grad"
          : /does not require grad and does not have a grad_fn/.test(m.text)) && turnedFactor(p),
  },
  {
    why: "the input of a loss of margins between classes was written: PyTorch saves it, here the gradient needs only where a margin was missed",
    is: (m, p) =>
      answeredHere(m, /modified by an inplace operation/) &&
      before(m, p).some(writes) &&
      before(m, p).some((s) => /^multi(label)?_margin_loss$/.test(s.op)),
  },
  {
    why: "class labels were written behind their loss: PyTorch's are int64, copies of the int32 that a program has",
    is: (m, p) =>
      refusedHere(m, /modified by an inplace operation/) &&
      before(m, p).some(
        ({ op, in: [, target] }) =>
          /^(cross_entropy|(nll|ctc|multi_margin|multilabel_margin)_loss)$/.test(op) &&
          before(m, p).some((s) => writes(s) && s.in[0] === target),
      ),
  },
  {
    why: "PyTorch cannot differentiate some gradients again, as that of hardsigmoid: here all can be",
    is: (m) => answeredHere(m, /derivative for aten::\w+_backward is not implemented/),
  },
  {
    why: "`grad()` gives null for an input that takes none, as its documentation says; PyTorch throws",
    is: (m) => answeredHere(m, /differentiated Tensors does not require grad/),
  },
  {
    why: "views of several made under noGrad: PyTorch says that they require gradients, here they do not, as other views made there",
    is: (m, p) => m.kind === "requires grad" && p.steps.some(({ op }) => /^(unbind|split|chunk)$/.test(op)),
  },
  {
    why: "a gradient that is zero everywhere may be missing: nothing came, so no zeros were made",
    is: (m) => m.kind === "gradient" && m.cause === ZERO_MISSING,
  },
];

/** The reason why a mismatch is none, or null. */
export const allowed = (m: Mismatch, p: Program): string | null => ALLOWED.find((a) => a.is(m, p))?.why ?? null;
