// Capture: a function of tensors is recorded as a program and from then on replayed with one call.
//
// Two calls are recorded, run, and compared row by row. From then on the function is not called. A program is chosen by the
// inputs' shapes and dtypes and by host state that shaped its rows: its guards, and what hangs on the modules that took part.
// The first call of a training step most often stands alone: behind it there are gradients where there were none.

import { type Device, defaultDevice, type Program, type Row, type Storage } from "./core/device.ts";
import { fail, given, type WasmgradError } from "./core/error.ts";
import { mode, unhold } from "./core/lifetime.ts";
import { alias, empty, lasting } from "./core/make.ts";
import { contiguous, denseCopy, readStrided, valuesOf } from "./core/op.ts";
import { type Guard, Recording } from "./core/recording.ts";
import { replacing, tensorsIn } from "./core/results.ts";
import { alive, mixed, Tensor } from "./core/tensor.ts";
import { same, Watch, type Watched } from "./nn/watched.ts";
import { promised } from "./ops/modes.ts";
import { outsideStorages, sameInputs, sameRows } from "./program/compare.ts";

/** A recorded function: what to run, when it holds, and what it leaves behind. */
interface Variant {
  /** What it holds for, besides its guards. */
  readonly grad: boolean;
  readonly autocast: typeof mode.autocast;
  readonly inputs: readonly { readonly dtype: Tensor["dtype"]; readonly shape: readonly number[] }[];
  /** Not recorded yet; once; twice and found the same. */
  stage: "new" | "recorded" | "kept";
  guards: readonly Guard[];
  watched: Watched;
  /** As they were recorded. */
  rows: readonly Row[];
  /** Of a function that was recorded once it goes with the next call: it may have been the only run, and takes memory. */
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
  replays: number;
}

const MOST_PROGRAMS = 16;

/** A captured function: takes what the function takes, and returns a promise for what it returns. */
export type Captured<A extends Tensor[], R> = ((...inputs: A) => Promise<R>) & {
  /**
   * What has happened so far: `programs` that are kept, one for each set of input shapes and dtypes, and of host state that was
   * read; `calls` of the function itself, two for each program and one more where the first call found no gradients yet;
   * `replays` of programs instead.
   */
  readonly stats: Record<"programs" | "calls" | "replays", number>;
  /** Lets go of the programs and what they hold. The next call records anew. */
  dispose(): void;
};

/**
 * Captures a synchronous function of tensors, such as a whole training step: it is recorded by its first two or three calls, and
 * from then on replayed as one program for inputs of the same shapes and dtypes (at most 16 programs are kept). Results, a
 * tensor or arrays and plain objects of tensors, are fresh tensors off the tape. What changes from call to call must come in
 * as an argument, live on the device, or hang on a module: layers, parameters, numbers and modes of the modules that take part
 * are compared at each call, and recorded anew where they are others. Other numbers and variables stay what they were when the
 * function was recorded; `init({ debug: true })` has it recorded again now and then, and names what differs. Errors: a recording
 * that differs from the one before, a value read inside (`data()`, `item()`), inputs that require gradients.
 */
export function capture<A extends Tensor[], R>(f: (...inputs: A) => R): Captured<A, R> {
  if (typeof f !== "function") fail("capture", `${given(f)} was given: a function is expected`);
  let variants: Variant[] = [];
  let clock = 0;
  const stats = { programs: 0, calls: 0, replays: 0 };
  /** Was recorded by the call before, and may stand alone. */
  let single: Variant | null = null;
  /** A replay that found no room, for the collection that makes some: it asks before anything runs. */
  let again: (() => R) | null = null;

  const call = (inputs: A, device: Device): R => {
    if (mode.recording !== null)
      fail("capture", "a captured function was called inside another: call its plain function");
    const dense = inputs.map((x, i) => input(x, i, inputs[0]!));
    const variant = choose(dense);
    variant.used = ++clock;
    if (variant.stage === "kept" && !(device.debug && isDue(++variant.replays))) stats.replays++;
    else {
      stats.calls++;
      if (single?.stage === "recorded") rest(single);
      single = variant;
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
    for (const v of variants) {
      if (v.grad === grad && v.autocast === autocast && sameInputs(v.inputs, dense) && holds(v)) return v;
    }
    if (variants.length >= MOST_PROGRAMS) {
      const oldest = variants.reduce((a, b) => (a.used < b.used ? a : b));
      variants = variants.filter((v) => v !== oldest);
      letGo(oldest);
    }
    const inputs = dense.map(({ dtype, shape }) => ({ dtype, shape }));
    const variant: Variant = { ...nothing(), grad, autocast, inputs, used: 0 };
    variants.push(variant);
    return variant;
  };

  const run = async (inputs: A): Promise<R> => {
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
  const captured = (...inputs: A): Promise<R> => {
    return promised(run(inputs));
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

/** Of a variant before it is recorded. */
const nothing = () => ({
  stage: "new" as const,
  guards: [],
  watched: { holders: [], keys: [], values: [] },
  rows: [],
  program: null,
  held: [],
  written: [],
  grads: [],
  results: [],
  rebuild: () => undefined,
  replays: 0,
});

/** Under `debug` the first replays, fewer and fewer of the next, and every 64th are recorded instead. */
const isDue = (replays: number): boolean => (replays & (replays - 1)) === 0 || replays % 64 === 0;

function holds({ guards, watched }: Variant): boolean {
  for (let i = 0; i < guards.length; i++) if (!Object.is(guards[i]!.read(), guards[i]!.value)) return false;
  return same(watched);
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

/** Gives back what a program takes to run. */
function rest(variant: Variant): void {
  variant.program?.dispose();
  variant.program = null;
}

function letGo(variant: Variant): void {
  rest(variant);
  for (const s of variant.held) unhold(s);
  variant.held = [];
}

/** Records one call of `f`; the second recording is compared with the first and kept. */
function recordInto(variant: Variant, device: Device, inputs: Tensor[], f: (...inputs: Tensor[]) => unknown): void {
  const recording = new Recording(device);
  const outerScope = mode.scope;
  mode.recording = recording;
  mode.scope = false;
  const watch = new Watch();
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
    if (variant.stage !== "new") {
      const { rows, guards } = variant;
      if (!sameRows(rows, program.rows) || guards.length !== recording.guards.length) {
        letGo(variant);
        Object.assign(variant, nothing());
        throw new Differing(rows, program.rows);
      }
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
    Watch.over();
    recording.end();
    for (const t of recording.made) t.release("the end of a captured function, which owns it (return it instead)");
  }
  variant.stage = variant.stage === "new" ? "recorded" : "kept";
  letGo(variant);
  variant.program = program;
  variant.rows = program.rows;
  variant.guards = recording.guards;
  const written = new Set(program.rows.flatMap((r) => r.buffers.slice(0, r.outputs).map((b) => b.storage)));
  variant.written = slots.map((_, i) => i).filter((i) => written.has(slots[i]!.storage));
  variant.held = outsideStorages(program.rows);
  for (const s of variant.held) s.holders++;
  variant.watched = watch.end(variant.held);
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
