// Modes that a function runs in: without gradients, with them again, or as a scope that releases what it made.

import { type Entry, nextSerial } from "../core/entry.ts";
import { fail, given, noMore } from "../core/error.ts";
import { mode, owning } from "../core/lifetime.ts";
import type { Tensor } from "../core/tensor.ts";
import { tensorsIn } from "./results.ts";

/** Inside a mode. */
let wrapped = false;
/** What was promised there for what had been launched already. */
const launched = new WeakSet<object>();

/** What a captured function promises: its step has been launched, so a mode around it held. @internal */
export function promised<T>(result: Promise<T>): Promise<T> {
  if (wrapped) launched.add(result);
  return result;
}

/** Calls `f` in a mode; what it promises must have been launched already, as a captured step is. @internal */
export function synchronous<T>(what: string, f: () => T): T {
  const outer = wrapped;
  wrapped = true;
  try {
    const result = f();
    if (!launched.has(result as object)) refusePromise(what, result);
    return result;
  } finally {
    wrapped = outer;
  }
}

/** Throws where a function returned a promise, in which nobody is interested then. @internal */
export function refusePromise(what: string, result: unknown): void {
  if (!(result instanceof Promise)) return;
  result.catch(() => {});
  fail(what, "the function returned a promise: it must be synchronous");
}

/** @internal */
export function expectFunction(what: string, f: unknown): void {
  if (typeof f !== "function") fail(what, `${given(f)} was given: a function is expected, which ${what}() calls`);
}

/**
 * Runs a synchronous `f` without recording, and returns what it returns: results inside require no gradients.
 * https://pytorch.org/docs/stable/generated/torch.no_grad.html
 */
export const noGrad = <T>(f: () => T, ...none: []): T => withGrad(false, f, "noGrad", none);

/** Runs a synchronous `f` with recording inside `noGrad`, and returns what it returns. */
export const enableGrad = <T>(f: () => T, ...none: []): T => withGrad(true, f, "enableGrad", none);

/** Runs `f` with recording or without, for `name`. @internal */
export function withGrad<T>(on: boolean, f: () => T, name: string, none: readonly [] = []): T {
  noMore(name, none);
  expectFunction(name, f);
  const before = mode.grad;
  mode.grad = on;
  try {
    return synchronous(name, f);
  } finally {
    mode.grad = before;
  }
}

/**
 * Runs a synchronous `f` and releases what was made inside, but what it returns (a tensor, or arrays and plain objects of
 * them), what was kept by `keep()`, and gradients. Loops with `backward()` need none.
 */
export function scope<T>(f: () => T, ...none: []): T {
  noMore("scope", none);
  expectFunction("scope", f);
  let survivors = new Set<Tensor>();
  const begin = nextSerial();
  const run = (): T => {
    const result = f();
    refusePromise("scope", result);
    survivors = new Set(tensorsIn(result));
    for (const t of [...survivors]) if (t.entry !== null) saveds(t.entry, begin, survivors);
    return result;
  };
  return owning(run, null, "the end of a scope()", (t) => survivors.has(t) || t.kept);
}

/** Adds what the graph of an entry saved, as far as it was made behind the serial `begin`: a result's gradient needs it. */
function saveds(last: Entry, begin: number, found: Set<Tensor>): void {
  const entries = new Set([last]);
  for (const entry of entries) {
    for (const t of entry.saved) if (t !== null) found.add(t);
    for (const t of entry.helpers ?? []) found.add(t);
    for (const edge of entry.edges) if (edge !== null && edge.serial > begin) entries.add(edge);
  }
}
