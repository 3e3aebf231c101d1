// Capture: a function of tensors is recorded as a program and from then on replayed with one call.
//
// Two calls are recorded, run, and compared row by row. From then on the function is not called. A program is chosen by the
// inputs' shapes and dtypes and by host state that shaped its rows: its guards, and what hangs on the modules that took part.
// The first call of a training step most often stands alone: behind it there are gradients where there were none.

import { type Device, defaultDevice, type Program, type Row, type Storage } from "./core/device.ts";
import { fail, given, noMore, WasmgradError } from "./core/error.ts";
import { faultOf } from "./core/fault.ts";
import { mode, unhold } from "./core/lifetime.ts";
import { alias, empty, lasting } from "./core/make.ts";
import { contiguous, denseCopy, readStrided, valuesOf } from "./core/op.ts";
import { Recording, refuseInCapture } from "./core/recording.ts";
import { alive, mixed, Tensor } from "./core/tensor.ts";
import { CAPTURED } from "./hints.ts";
import { changed, noneWatched, Watch } from "./nn/watched.ts";
import { promised, refusePromise } from "./ops/modes.ts";
import { replacing, tensorsIn } from "./ops/results.ts";
import { outsideStorages, sameInputs, sameRows } from "./program/compare.ts";

/** A recorded function: what to run, when it holds, and what it leaves behind. */
interface Variant {
  /** What it holds for, besides the state below. */
  readonly device: Device;
  readonly grad: boolean;
  readonly autocast: typeof mode.autocast;
  readonly inputs: readonly { readonly dtype: Tensor["dtype"]; readonly shape: readonly number[] }[];
  /** Not recorded yet; once; twice and found the same. */
  stage: "new" | "recorded" | "kept";
  /** Host state that shaped the rows. */
  state: Pick<Recording, "guards" | "read" | "looked">;
  watched: ReturnType<typeof noneWatched>;
  /** As they were recorded. */
  rows: readonly Row[];
  readonly taken: Taken;
  /** Inputs that the program writes: they must lie dense. */
  written: readonly number[];
  /** Where gradients lie that it makes anew: as inputs they are copied, since they are written before they may be read. */
  remade: Storage[];
  /** Leaves and whether they have a gradient afterwards. */
  grads: { readonly x: Tensor; readonly present: boolean }[];
  /** Shapes and dtypes of the results, and how to put them back into what the function returned. */
  results: { shape: readonly number[]; dtype: Tensor["dtype"]; label: string }[];
  rebuild: (results: readonly Tensor[]) => unknown;
  used: number;
  replays: number;
}

/** What a variant takes from its device. */
interface Taken {
  /** Of a function that was recorded once it goes with the next call: it may have been the only run, and takes memory. */
  program: Program | null;
  held: Storage[];
}

const MOST_PROGRAMS = 16;

/** Gives back what captured functions took that nobody holds any more. Nothing that it keeps leads to one of them. */
const dropped = new FinalizationRegistry<ReadonlySet<Taken>>((all) => all.forEach(letGo));

/** A captured function: takes what the function takes, and returns a promise for what it returns. */
export type Captured<A extends Tensor[], R> = ((...inputs: A) => Promise<R>) & {
  /**
   * What has happened so far: `programs` that are kept, one for each set of input shapes and dtypes, and of host state that was
   * read; `calls` of the function itself, two for each program and one more where the first call found no gradients yet;
   * `replays` of programs instead; `threads` that the last of these ran on: the first replays measure how many are fastest.
   */
  readonly stats: Record<"programs" | "calls" | "replays" | "threads", number>;
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
export function capture<A extends Tensor[], R>(f: (...inputs: A) => R, ...none: []): Captured<A, R> {
  noMore("capture", none);
  if (typeof f !== "function") {
    const model = typeof (f as { forward?: unknown } | null)?.forward === "function";
    const [what, such] = model ? ["a module", ", such as `(x) => model.forward(x)`"] : [given(f), ""];
    fail("capture", `${what} was given: a function is expected${such}`);
  }
  let variants: Variant[] = [];
  const all = new Set<Taken>();
  let clock = 0;
  let warned = false;
  const stats = { programs: 0, calls: 0, replays: 0, threads: 0 };
  /** Was recorded by the call before, and may stand alone. */
  let single: Variant | null = null;
  /** A replay that found no room, for the collection that makes some: it asks before anything runs. */
  let again: (() => R) | null = null;

  const attempt = (inputs: A, device: Device): R => {
    let dense: Tensor[] = inputs;
    for (let i = 0; i < inputs.length; i++) {
      const x = input(inputs[i]!, i, inputs[0]!);
      if (x === inputs[i]) continue;
      dense = [...dense];
      dense[i] = x;
    }
    const variant = choose(dense, device);
    variant.used = ++clock;
    let recorded: Recording | null = null;
    let ready = false;
    try {
      if (variant.stage === "kept" && !(device.debug && isDue(++variant.replays))) stats.replays++;
      else {
        stats.calls++;
        if (single?.stage === "recorded") rest(single.taken);
        single = variant;
        try {
          recorded = recordInto(variant, dense, f as (...inputs: Tensor[]) => unknown);
        } finally {
          if (variant.stage === "new") drop(variant);
          stats.programs = variants.filter((v) => v.stage === "kept").length;
        }
      }
      for (const i of variant.written) if (dense[i] !== inputs[i]) throw new Untold("notDense", i, inputs[i]);
      for (let i = 0; i < dense.length; i++) {
        const x = dense[i]!;
        if (x.storage.aliases === undefined || !variant.remade.includes(x.storage)) continue;
        dense = [...dense];
        dense[i] = denseCopy(alias(x));
      }
      ready = true;
      const results = replay(variant, dense) as R;
      stats.threads = device.walked ?? 1;
      return results;
    } catch (error) {
      // What was recorded has not run, and made no gradients: behind a fault of its own these are lost, and say so.
      if (!variant.remade.some((home) => faultOf(home) !== null)) recorded?.undo();
      if (ready && (error as WasmgradError).full) {
        again = () => {
          for (const x of dense) alive("capture", x);
          if (variant.taken.program === null) throw error;
          return replay(variant, dense) as R;
        };
      }
      throw error;
    } finally {
      recorded?.end();
    }
  };

  const choose = (dense: readonly Tensor[], device: Device): Variant => {
    const { grad, autocast } = mode;
    for (const v of variants) {
      const fits = v.grad === grad && v.autocast === autocast && v.device === device && sameInputs(v.inputs, dense);
      if (fits && holds(v)) return v;
    }
    if (variants.length >= MOST_PROGRAMS) {
      if (!warned && stats.programs === 0) {
        warned = true;
        warn(variants[MOST_PROGRAMS - 1]!);
      }
      drop(variants.reduce((a, b) => (a.used < b.used ? a : b)));
    }
    const inputs = dense.map(({ dtype, shape }) => ({ dtype, shape }));
    const taken: Taken = { program: null, held: [] };
    const variant: Variant = { ...nothing(), device, grad, autocast, inputs, taken, used: 0 };
    variants.push(variant);
    all.add(taken);
    return variant;
  };

  const drop = (variant: Variant): void => {
    letGo(variant.taken);
    all.delete(variant.taken);
    variants = variants.filter((v) => v !== variant);
  };

  const run = async (inputs: A): Promise<R> => {
    const [first] = inputs as readonly unknown[];
    const device = first instanceof Tensor ? first.device : defaultDevice();
    let result: R;
    try {
      result = attempt(inputs, device);
    } catch (error) {
      const retry = again;
      again = null;
      // A loop of calls that fail awaits nothing else either.
      if (retry === null) await device.upkeep();
      if (error instanceof Untold) throw new WasmgradError(await error.told());
      if (retry === null) throw error;
      await device.upkeep();
      result = retry();
    }
    const pause = device.upkeep();
    if (pause !== null) await pause;
    return result;
  };
  const call = (...inputs: A): Promise<R> => {
    refuseInCapture("capture", "calls a captured function: call its plain function");
    return promised(run(inputs));
  };
  const captured = Object.assign(call, {
    stats,
    dispose(...none: []) {
      noMore("capture", none);
      refuseInCapture("capture", "lets a captured function go: dispose() of it outside");
      for (const v of variants) drop(v);
      stats.programs = 0;
    },
  });
  dropped.register(captured, all);
  return captured;
}

/** Says that a function is recorded again and again, and why: that is slower than no capture. */
async function warn({ watched, state }: Variant): Promise<void> {
  const { key, holder } = changed(watched) ?? {};
  const number = state.guards.find(({ read, value }) => !Object.is(read(), value))?.name?.();
  console.warn(await new Untold("restless", key, holder, number).told());
}

/** What is wrong, before it is put into words, which are loaded for that. */
class Untold extends Error {
  private readonly what: keyof typeof import("./capture/words.ts");
  private readonly parts: readonly unknown[];

  constructor(what: Untold["what"], ...parts: readonly unknown[]) {
    super();
    this.what = what;
    this.parts = parts;
  }

  async told(): Promise<string> {
    const { what, parts } = this;
    const words = await import("./capture/words.ts").catch(() => null);
    const sentence = words?.[what] as ((...parts: readonly unknown[]) => string) | undefined;
    return `capture: ${sentence?.(...parts) ?? what}`;
  }
}

/** Of a variant before it is recorded. */
const nothing = () => ({
  stage: "new" as const,
  state: { guards: [], read: [], looked: [] },
  watched: noneWatched(),
  rows: [],
  written: [],
  remade: [],
  grads: [],
  results: [],
  rebuild: () => undefined,
  replays: 0,
});

/** Under `debug` the first replays, fewer and fewer of the next, and every 64th are recorded instead. */
const isDue = (replays: number): boolean => (replays & (replays - 1)) === 0 || replays % 64 === 0;

function holds({ state: { guards, read, looked }, watched }: Variant): boolean {
  for (let i = 0; i < read.length; i++) {
    const { x, storage, wants } = read[i]!;
    if (x.storage !== storage || x.requiresGrad !== wants) return false;
  }
  for (let i = 0; i < looked.length; i++) {
    const { x, at } = looked[i]!;
    if ((x.ownGrad?.storage ?? null) !== at || x.own?.sparse) return false;
  }
  for (let i = 0; i < guards.length; i++) if (!Object.is(guards[i]!.read(), guards[i]!.value)) return false;
  return changed(watched) === null;
}

/** Two recordings asked for as much of the host's state. */
const alike = (a: Variant["state"], b: Variant["state"]): boolean =>
  a.guards.length === b.guards.length && a.read.length === b.read.length && a.looked.length === b.looked.length;

function input(x: Tensor, i: number, first: Tensor): Tensor {
  if (!(x instanceof Tensor)) throw new Untold("noTensor", i, x);
  alive("capture", x);
  if (x.device !== first.device) mixed("capture", first, x);
  if (x.requiresGrad) throw new Untold("wantsGradient", i, x);
  return contiguous(x);
}

/** Gives back what a program takes to run. */
function rest(taken: Taken): void {
  taken.program?.dispose();
  taken.program = null;
}

function letGo(taken: Taken): void {
  rest(taken);
  for (const s of taken.held) unhold(s);
  taken.held = [];
}

/** Records one call of `f`; the second recording is compared with the first and kept. What it returns is to be ended, or undone and ended. */
function recordInto(variant: Variant, inputs: Tensor[], f: (...inputs: Tensor[]) => unknown): Recording {
  const { device, taken } = variant;
  const watch = new Watch();
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
    refusePromise("capture", result);
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
      const { rows, state } = variant;
      if (!sameRows(rows, program.rows) || !alike(state, recording)) {
        letGo(taken);
        Object.assign(variant, nothing());
        throw new Untold("difference", rows, program.rows);
      }
    }
  } catch (error) {
    program?.dispose();
    recording.recorder.abandon();
    mode.recording = null;
    recording.undo();
    recording.end();
    throw error;
  } finally {
    mode.recording = null;
    mode.scope = outerScope;
    Watch.over();
    for (const t of recording.made) t.release("the end of a captured function, which owns it (return it instead)");
  }
  variant.stage = variant.stage === "new" ? "recorded" : "kept";
  letGo(taken);
  taken.program = program;
  variant.rows = program.rows;
  const { guards, read, looked } = recording;
  variant.state = { guards, read, looked };
  const written = new Set(program.rows.flatMap((r) => r.buffers.slice(0, r.outputs).map((b) => b.storage)));
  variant.written = slots.map((_, i) => i).filter((i) => written.has(slots[i]!.storage));
  taken.held = outsideStorages(program.rows);
  for (const s of taken.held) s.holders++;
  variant.watched = watch.end(taken.held);
  // Those that the program makes anew may still be lost from the run before.
  variant.grads = [];
  variant.remade = [];
  for (const [x, { before, written }] of recording.grads) {
    const { grad, home } = x.leaf;
    variant.grads.push({ x, present: (written ? grad : x.ownGrad) !== null });
    if (home === null || grad === before) continue;
    variant.remade.push(home.storage);
    home.storage.aliases ??= [];
  }
  variant.results = found.map((t) => ({ shape: t.shape, dtype: t.dtype, label: named(t.storage.label) }));
  variant.rebuild = replacing(result);
  return recording;
}

const named = (label: string): string => (label.endsWith(CAPTURED) ? label : `${label}${CAPTURED}`);

/** What else was made of a gradient goes with its value. */
function overwrite(home: Storage): void {
  home.aliases ??= [];
  while (home.aliases.length > 0) {
    home.aliases.pop()!.deref()?.release("a captured step, which writes this gradient in place (clone() keeps it)");
  }
}

function replay(variant: Variant, inputs: Tensor[]): unknown {
  const results = variant.results.map((r) => empty(r.shape, r.dtype, r.label, variant.device));
  try {
    variant.taken.program!.run(inputs, results);
  } catch (error) {
    for (const r of results) r.release("the captured call that failed");
    throw error;
  }
  for (let i = 0; i < variant.grads.length; i++) {
    const { x, present } = variant.grads[i]!;
    const { grad, seen, home } = x.leaf;
    if (home !== null) overwrite(home.storage);
    if (!present) x.setGrad(null);
    else if (seen || grad?.storage !== home!.storage || grad.gone !== null) x.setGrad(lasting(home!.storage, x));
  }
  return variant.rebuild(results);
}
