// Differences from PyTorch that are meant, each with its reason.
import { type Mismatch, ZERO_MISSING } from "./compare.ts";
import type { Program } from "./program.ts";

interface Allowed {
  readonly why: string;
  readonly is: (m: Mismatch, p: Program) => boolean;
}

export const ALLOWED: readonly Allowed[] = [
  {
    why: "PyTorch saves a number as a tensor and refuses a second backward for it; here nothing was saved",
    is: (m) => m.kind === "answered here" && /backward through the graph a second time/.test(m.text),
  },
  {
    why: "an in-place product or quotient of a tensor with itself: PyTorch refuses the gradient, here the value before is kept",
    is: (m, p) =>
      m.kind === "answered here" &&
      /modified by an inplace operation/.test(m.text) &&
      p.steps.some(({ op, in: of }) => /^(mul|div)_$/.test(op) && of.length > 1 && new Set(of).size === 1),
  },
  {
    why: "`grad()` gives null for an input that takes none, as its documentation says; PyTorch throws",
    is: (m) => m.kind === "answered here" && /differentiated Tensors does not require grad/.test(m.text),
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
