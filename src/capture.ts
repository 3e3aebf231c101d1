// Capture: a function of tensors is recorded as a program and from then on replayed with one call.
//
// The first call runs eagerly. The next two are recorded, run, and compared row by row. From then on the function is not
// called. A program is chosen by the inputs' shapes and dtypes and by its guards: host state that shaped its rows.

import { type Device, defaultDevice, type Program, type Row, type Storage } from "./core/device.ts";
import { fail, given, type WasmgradError } from "./core/error.ts";
import { mode, unhold } from "./core/lifetime.ts";
import { alias, empty, lasting } from "./core/make.ts";
import { contiguous, denseCopy, readStrided, valuesOf } from "./core/op.ts";
import { type Guard, Recording } from "./core/recording.ts";
import { replacing, tensorsIn } from "./core/results.ts";
import { alive, mixed, Tensor } from "./core/tensor.ts";
import { outsideStorages, sameInputs, sameRows } from "./program/compare.ts";

/** A recorded function: what to run, when it holds, and what it leaves behind. */
interface Variant {
  /** What it holds for, besides its guards. */
  readonly grad: boolean;
  readonly autocast: typeof mode.autocast;
  readonly inputs: readonly { readonly dtype: Tensor["dtype"]; readonly shape: readonly number[] }[];
  /** Not run yet; run eagerly once; recorded once; recorded twice and found the same. */
  stage: "new" | "eager" | "recorded" | "kept";
  guards: readonly Guard[];
  program: Program | null;
  held: Storage[];
  /** Inputs that the program writes: they must lie dense. */
  written: readonly number[];
  /** Leaves and whether they have a gradient afterwards. */
  grads: [Tensor, boolean][];
  /** Shapes and dtypes of the results, and how to put them back into what the function returned. */
  results: { shape: readonly number[]; dtype: Tensor["dtype"]; label: string }[];
  rebuild: (results: readonly Tensor[]) => unknown;
  used: number;
}

const MOST_PROGRAMS = 16;

/** A captured function: takes what the function takes, and returns a promise for what it returns. */
export type Captured<A extends Tensor[], R> = ((...inputs: A) => Promise<R>) & {
  /**
   * What has happened so far: `programs` that are kept, one for each set of input shapes and dtypes, and of host state that was
   * read; `calls` of the function itself, one eager and two recorded for each program; `replays` of programs instead.
   */
  readonly stats: Record<"programs" | "calls" | "replays", number>;
  /** Lets go of the programs and what they hold. The next call records anew. */
  dispose(): void;
};

/**
 * Captures a synchronous function of tensors, such as a whole training step: it runs once eagerly, is recorded twice, and is
 * from then on replayed as one program for inputs of the same shapes and dtypes (at most 16 programs are kept). Results, a
 * tensor or arrays and plain objects of tensors, are fresh tensors off the tape. What changes from call to call must come in
 * as an argument or live on the device. Errors: a recording that differs from the one before, a value read inside
 * (`data()`, `item()`), inputs that require gradients.
 */
export function capture<A extends Tensor[], R>(f: (...inputs: A) => R): Captured<A, R> {
  if (typeof f !== "function") fail("capture", `${given(f)} was given: a function is expected`);
  let variants: Variant[] = [];
  let clock = 0;
  const stats = { programs: 0, calls: 0, replays: 0 };
  /** A replay that found no room, for the collection that makes some: it asks before anything runs. */
  let again: (() => R) | null = null;

  const call = (inputs: A, device: Device): R => {
    if (mode.recording !== null)
      fail("capture", "a captured function was called inside another: call its plain function");
    const dense = inputs.map((x, i) => input(x, i, inputs[0]!));
    const variant = choose(dense);
    variant.used = ++clock;
    if (variant.stage === "new") {
      stats.calls++;
      variant.stage = "eager";
      const versions = dense.map((x) => x.storage.version);
      const result = eagerly(f(...(dense as unknown as A)));
      dense.forEach((x, i) => {
        if (x !== inputs[i] && x.storage.version !== versions[i]) writesCopy(inputs[i]!, i);
      });
      return result;
    }
    if (variant.stage === "kept") stats.replays++;
    else {
      stats.calls++;
      recordInto(variant, device, dense, f as (...inputs: Tensor[]) => unknown);
      stats.programs = variants.filter((v) => v.stage === "kept").length;
    }
    for (const i of variant.written) if (dense[i] !== inputs[i]) writesCopy(inputs[i]!, i);
    try {
      return replay(variant, device, dense) as R;
    } catch (error) {
      if ((error as WasmgradError).full) {
        again = () => {
          for (const x of dense) alive("capture", x);
          if (variant.program === null) throw error;
          return replay(variant, device, dense) as R;
        };
      }
      throw error;
    }
  };

  const choose = (dense: readonly Tensor[]): Variant => {
    const { grad, autocast } = mode;
    let held: Variant | null = null;
    for (const v of variants) {
      if (v.grad !== grad || v.autocast !== autocast || !sameInputs(v.inputs, dense)) continue;
      if (v.program !== null && holds(v)) return v;
      if (v.program === null) held ??= v;
    }
    if (held !== null) return held;
    if (variants.length >= MOST_PROGRAMS) {
      const oldest = variants.reduce((a, b) => (a.used < b.used ? a : b));
      variants = variants.filter((v) => v !== oldest);
      letGo(oldest);
    }
    const inputs = dense.map(({ dtype, shape }) => ({ dtype, shape }));
    const nothing = { guards: [], program: null, held: [], written: [], grads: [], results: [] };
    const variant: Variant = { ...nothing, grad, autocast, inputs, stage: "new", used: 0, rebuild: () => undefined };
    variants.push(variant);
    return variant;
  };

  const captured = async (...inputs: A): Promise<R> => {
    const device = inputs[0]?.device ?? defaultDevice();
    let result: R;
    try {
      result = call(inputs, device);
    } catch (error) {
      const retry = again;
      again = null;
      if (error instanceof Differing) throw await error.told();
      if (retry === null) throw error;
      await device.upkeep();
      result = retry();
    }
    const pause = device.upkeep();
    if (pause !== null) await pause;
    return result;
  };
  return Object.assign(captured, {
    stats,
    dispose() {
      for (const v of variants) letGo(v);
      variants = [];
      stats.programs = 0;
    },
  });
}

/** Two recordings are not of the same rows. What differs is found by who is told. */
class Differing extends Error {
  private readonly rows: readonly [readonly Row[], readonly Row[]];

  constructor(...rows: Differing["rows"]) {
    super();
    this.rows = rows;
  }

  async told(): Promise<WasmgradError> {
    return (await import("./program/difference.ts")).difference(...this.rows);
  }
}

/** Results of an eager call, off the tape like those of a replay. */
function eagerly<R>(result: R): R {
  if (result instanceof Promise) fail("capture", "the function returned a promise: it must be synchronous");
  const found = tensorsIn(result);
  return replacing(result)(found.map(valuesOf)) as R;
}

function holds({ guards }: Variant): boolean {
  for (let i = 0; i < guards.length; i++) if (!Object.is(guards[i]!.read(), guards[i]!.value)) return false;
  return true;
}

function input(x: Tensor, i: number, first: Tensor): Tensor {
  if (!(x instanceof Tensor)) fail("capture", `argument ${i + 1} is ${given(x)}: a tensor is expected`);
  alive("capture", x);
  if (x.device !== first.device) mixed("capture", first, x);
  if (x.requiresGrad)
    fail(
      "capture",
      `argument ${i + 1} (${x.describe()}) requires grad: parameters come in through the closure, inputs do not`,
    );
  return contiguous(x);
}

function writesCopy(x: Tensor, i: number): never {
  return fail(
    "capture",
    `argument ${i + 1} (${x.describe()}) does not lie dense, and the function writes to it: pass its base, or contiguous()`,
  );
}

function letGo(variant: Variant): void {
  variant.program?.dispose();
  variant.program = null;
  for (const s of variant.held) unhold(s);
  variant.held = [];
}

/** Records one call of `f`; the second recording is compared with the first and kept. */
function recordInto(variant: Variant, device: Device, inputs: Tensor[], f: (...inputs: Tensor[]) => unknown): void {
  const recording = new Recording(device);
  const outerScope = mode.scope;
  mode.recording = recording;
  mode.scope = false;
  let program: Program | undefined;
  let result: unknown;
  let found: Tensor[];
  let slots: Tensor[] = [];
  try {
    slots = inputs.map((x) => empty(x.shape, x.dtype, "input", device));
    result = f(...slots);
    if (result instanceof Promise) fail("capture", "the function returned a promise: it must be synchronous");
    const astray = recording.astray();
    found = tensorsIn(result).map((t) => {
      alive("capture", t);
      return astray.length > 0 && !t.storage.virtual ? denseCopy(alias(t)) : valuesOf(t);
    });
    // Gradients with a graph, or set by hand, are copied home: behind what the function returns of those that were there.
    const brought = astray.map(([, g]) => (g.storage.virtual ? g : denseCopy(g)));
    astray.forEach(([x], i) => {
      readStrided("backward", recording.homeOf(x), brought[i]!);
      x.setGrad(lasting(x.leaf.home!.storage, x));
    });
    program = recording.recorder.finish(
      slots,
      found.map((t) => ({ buffer: t, count: t.numel })),
    );
    if (variant.program !== null) {
      const [a, b] = [[...variant.program.rows], [...program.rows]];
      if (!sameRows(a, b) || variant.guards.length !== recording.guards.length) throw new Differing(a, b);
    }
  } catch (error) {
    program?.dispose();
    recording.recorder.abandon();
    mode.recording = null;
    recording.undo();
    throw error;
  } finally {
    mode.recording = null;
    mode.scope = outerScope;
    recording.end();
    for (const t of recording.made) t.release("the end of a captured function, which owns it (return it instead)");
  }
  variant.stage = variant.program === null ? "recorded" : "kept";
  letGo(variant);
  variant.program = program;
  variant.guards = recording.guards;
  const written = new Set(program.rows.flatMap((r) => r.buffers.slice(0, r.outputs).map((b) => b.storage)));
  variant.written = slots.map((_, i) => i).filter((i) => written.has(slots[i]!.storage));
  variant.held = outsideStorages(program.rows);
  for (const s of variant.held) s.holders++;
  // Those that the program makes anew may still be lost from the run before.
  variant.grads = [...recording.grads].map(([leaf, { written }]) => [
    leaf,
    (written ? leaf.leaf.grad : leaf.ownGrad) !== null,
  ]);
  variant.results = found.map((t) => ({ shape: t.shape, dtype: t.dtype, label: t.storage.label }));
  variant.rebuild = replacing(result);
}

/** What else was made of a gradient goes with its value. */
function overwrite(home: Storage): void {
  home.aliases ??= [];
  while (home.aliases.length > 0) {
    home.aliases.pop()!.deref()?.release("a captured step, which writes this gradient in place (clone() keeps it)");
  }
}

function replay(variant: Variant, device: Device, inputs: Tensor[]): unknown {
  const results = variant.results.map((r) => empty(r.shape, r.dtype, r.label, device));
  try {
    variant.program!.run(inputs, results);
  } catch (error) {
    for (const r of results) r.release("the captured call that failed");
    throw error;
  }
  for (const [x, present] of variant.grads) {
    const { grad, seen, home } = x.leaf;
    if (home !== null) overwrite(home.storage);
    if (!present) x.setGrad(null);
    else if (seen || grad?.storage !== home!.storage || grad.gone !== null) x.setGrad(lasting(home!.storage, x));
  }
  return variant.rebuild(results);
}
