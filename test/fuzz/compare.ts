// Holds an outcome against PyTorch's answer: refused at the same step or not at all, shapes, dtypes, who requires grad, values.
import { number } from "../goldens/recorded.ts";
import type { Answer, Held, Outcome, Program } from "./program.ts";

export interface Mismatch {
  readonly kind:
    | "refused here"
    | "answered here"
    | "crash"
    | "shape"
    | "dtype"
    | "requires grad"
    | "value"
    | "gradient";
  /** Names the kind more closely: an op, and the message without its numbers. */
  readonly cause: string;
  /** What a person reads. */
  readonly text: string;
  readonly step: number | null;
  readonly value: string | null;
}

/** On which device: how near it must be. */
export type Precision = "float64" | "float32";

/** PyTorch made zeros for it. */
export const ZERO_MISSING = "a gradient of zeros";

const F64_NEAR = 1e-9;
/** These have constants, or quotients of what they are given, that a row holds as float32, on the reference too; hardsigmoid PyTorch's own sixth. */
const ROUNDED =
  /^(gelu|hardsigmoid|selu|cross_entropy|pairwise_distance|triplet_margin_loss|cosine_\w+|(poisson|gaussian)_nll_loss)$/;
const ROUNDED_NEAR = 1e-6;
const F32_NEAR = 1e-5;
/** Times the distance of PyTorch's own float32 from its float64. */
const F32_DISTANCE = 8;

/** A message without ops, shapes, dtypes and numbers, which differ from program to program. */
export const rule = (message: string): string =>
  message
    .replace(/^(backward of )?\w+: /, "")
    .replace(/\[[-\d, ]*\]/g, "[]")
    .replace(/\b(float32|int32|bool|float)\b/g, "D")
    .replace(/(kernel|input)s? \w+/, "$1")
    .replace(/\b\w+ \[\]/g, "[]")
    .replace(/made by \w+/, "made by an op")
    .replace(/\[torch\.\w+ \[\]\].*/, "...")
    .replace(/-?\d+(\.\d+)?/g, "N")
    .slice(0, 130);

/** The last step that made a name or wrote to it. */
function origin(p: Program, name: string): string {
  const step = p.steps.findLast((s) => [s.out].flat().includes(name));
  return step?.op ?? "input";
}

/** The first element that is off, or null. */
function off(
  got: Held,
  wide: Held,
  narrow: Held | null | undefined,
  size: number,
  precision: Precision,
  rounded: boolean,
): string | null {
  const exact = wide.dtype !== "f32";
  const distance = exact ? 0 : distanceOf(wide, narrow);
  const allowed = exact
    ? 0
    : precision === "float64"
      ? (rounded ? ROUNDED_NEAR : F64_NEAR) * size
      : F32_DISTANCE * distance + F32_NEAR * size;
  for (let i = 0; i < wide.data.length; i++) {
    const [x, y] = [number(got.data[i]!), number(wide.data[i]!)];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y)) || Math.abs(x - y) <= allowed) continue;
    // What overflows in float32 alone.
    const z = precision === "float32" && narrow ? number(narrow.data[i]!) : y;
    if (Number.isFinite(y) !== Number.isFinite(z)) continue;
    return `at ${i} got ${x}, PyTorch has ${y} (allowed ${allowed})`;
  }
  return null;
}

function distanceOf(wide: Held, narrow: Held | null | undefined): number {
  if (narrow === null || narrow === undefined) return 0;
  let d = 0;
  for (let i = 0; i < wide.data.length; i++) {
    const difference = Math.abs(number(wide.data[i]!) - number(narrow.data[i]!));
    if (difference > d && Number.isFinite(difference)) d = difference;
  }
  return d;
}

export function compare(p: Program, got: Outcome, answer: Answer, precision: Precision): Mismatch | null {
  const { wide, narrow } = answer;
  const none = { step: null, value: null };
  const mine = got.refused ?? Infinity;
  const theirs = wide.refused ?? Infinity;
  if (got.crash) {
    return {
      ...none,
      kind: "crash",
      cause: rule(got.message!),
      text: `step ${mine}: ${got.message}`,
      step: mine,
    };
  }
  if (mine < theirs) {
    const text = `step ${mine} is refused here: ${got.message}`;
    return { ...none, kind: "refused here", cause: rule(got.message!), text, step: mine };
  }
  if (theirs < mine) {
    const text = `step ${theirs} is refused by PyTorch: ${wide.message}`;
    return { ...none, kind: "answered here", cause: rule(wide.message!), text, step: theirs };
  }
  // A backward that is refused may have left some of the gradients.
  if (mine !== Infinity) return null;
  if (got.written !== undefined) {
    const text = `the gradient ${got.written} that was given was written to`;
    return { ...none, kind: "value", cause: "a given gradient", text };
  }
  const size = Math.max(1, wide.size);
  const rounded = p.steps.some(({ op }) => ROUNDED.test(op));
  for (const [name, ref] of Object.entries(wide.values)) {
    const x = got.values[name]!;
    const made = origin(p, name);
    const tell = (kind: Mismatch["kind"], text: string): Mismatch => ({
      ...none,
      kind,
      cause: made,
      text: `${name}: ${text}`,
      value: name,
    });
    if (x.shape.join() !== ref.shape.join()) return tell("shape", `shape [${x.shape}], PyTorch has [${ref.shape}]`);
    if (x.dtype !== ref.dtype) return tell("dtype", `dtype ${x.dtype}, PyTorch has ${ref.dtype}`);
    const text = off(x, ref, narrow.values[name], size, precision, rounded);
    if (text !== null) return tell("value", text);
    // PyTorch says of a view that was made without grad that it requires it, as its base does.
    const blind = p.steps.some((s) => s.noGrad && s.out === name);
    if (x.grad !== ref.grad && !blind) return tell("requires grad", `requires grad ${x.grad}, in PyTorch ${ref.grad}`);
    if ((got.none ?? []).includes(name) !== (wide.none ?? []).includes(name)) {
      return tell("gradient", "one has a gradient, one has none");
    }
  }
  for (const [name, ref] of Object.entries(wide.grads)) {
    const x = got.grads[name] ?? null;
    const tell = (text: string): Mismatch => ({
      ...none,
      kind: "gradient",
      cause: "leaf",
      text: `${name}.grad: ${text}`,
      value: name,
    });
    if ((x === null) !== (ref === null)) {
      const zero = ref?.data.every((v) => v === 0) ? ZERO_MISSING : "leaf";
      return { ...tell(x === null ? "none, PyTorch has one" : "there is one, PyTorch has none"), cause: zero };
    }
    if (x === null || ref === null) continue;
    const text = off(x, ref, narrow.grads[name], size, precision, rounded);
    if (text !== null) return tell(text);
  }
  return null;
}
