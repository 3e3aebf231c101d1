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
    why: "a gradient that is zero everywhere may be missing: nothing came, so no zeros were made",
    is: (m) => m.kind === "gradient" && m.cause === ZERO_MISSING,
  },
];

/** The reason why a mismatch is none, or null. */
export const allowed = (m: Mismatch, p: Program): string | null => ALLOWED.find((a) => a.is(m, p))?.why ?? null;
