// The one error class, whose messages read `op: what was given: the rule that was broken`; and how arguments are shown and held to a rule.
import { instead, meant, notOptions } from "../hints.ts";

/** What every function here throws. The message reads `op: what was given: the rule that was broken`, with shapes and values. */
export class WasmgradError extends Error {
  /** The class's name. */
  override name = "WasmgradError";
  /** Memory has run out: after a wait the same request may succeed. @internal */
  declare full?: true;
}

/** Throws `subject: detail`. @internal */
export function fail(subject: string, detail: string): never {
  throw new WasmgradError(`${subject}: ${detail}`);
}

/** What an object is, of whichever realm: `Int32Array`, `Object`, `Promise`, `Tensor`. @internal */
export const kindOf = (v: unknown): string => Object.prototype.toString.call(v).slice(8, -1);

/** An argument in a few words: neither a tensor nor another large thing is written out. @internal */
export function given(v: unknown, depth = 2): string {
  if (v === undefined) return "nothing";
  if (typeof v === "string") return `"${v.length > 40 ? `${v.slice(0, 40)}...` : v}"`;
  if (typeof v === "bigint") return "a bigint";
  if (v === null || (typeof v !== "object" && typeof v !== "function")) return String(v);
  if (Array.isArray(v)) {
    const some = depth > 0 ? v.slice(0, 8).map((x) => given(x, depth - 1)) : [];
    return `[${some}${some.length < v.length ? "..." : ""}]`;
  }
  const kind = kindOf(v);
  return kind === "Tensor"
    ? `a tensor [${(v as { shape: unknown }).shape}]`
    : kind === "Object"
      ? "{...}"
      : `a ${kind}`;
}

/** Of a layer, which checks its options when it is made: the function to which it hands itself as those. @internal */
export const CHECKED = Symbol("checked");

/** Throws unless it is true or false: a number there is most often another argument. @internal */
export function expectFlag(op: string, name: string, on: unknown): void {
  if (typeof on !== "boolean") fail(op, `${name} ${given(on)}: true or false is expected`);
}

/**
 * Throws where options are no object, or have a name that is not among `names`, which blanks part, or where what is `named?` there is
 * neither true nor false, or where something was given behind them. Nothing given is nothing to check. @internal
 */
export function expectOptions(op: string, options: unknown, names: string, none?: readonly unknown[]): void {
  if (options === undefined || (options as { [CHECKED]?: string } | null)?.[CHECKED] === op)
    return void noMore(op, none);
  // A module is none, though it may have an option's name, such as p.
  if (options?.constructor !== Object && (kindOf(options) !== "Object" || "forward" in (options as object))) {
    fail(op, `options ${given(options)}: an object is expected${instead(kindOf(options), given(options), names)}`);
  }
  for (const name in options as object) {
    const within = /\W/.test(name) ? "" : ` ${names} `; // a blank or a ? is in no name
    if (within.includes(` ${name} `)) continue;
    if (within.includes(` ${name}? `)) {
      const on = options![name as never];
      if (on !== undefined) expectFlag(op, name, on);
      continue;
    }
    fail(op, `unknown option ${name.slice(0, 40)}${meant(name, names)}`);
  }
  noMore(op, none);
}

/** Throws where more was given than is taken: not for the number and the array that `xs.map(f)` and `xs.reduce(f)` add. @internal */
export function noMore(op: string, none?: readonly unknown[]): void {
  if (none !== undefined && none.length > 0) surplus(op, none); // apart: so that this is inlined, and the array never made
}

function surplus(op: string, none: readonly unknown[]): void {
  const [at, list] = none;
  const asCallback = none.length === 2 && typeof at === "number" && Array.isArray(list) && at in list;
  const more = asCallback ? undefined : none.find((x) => x !== undefined);
  if (more === undefined) return;
  const what = kindOf(more) === "Object" ? `{ ${Object.keys(more as object)} }`.slice(0, 60) : given(more);
  fail(op, `${what} was given: no argument is expected there`);
}

/** What a number may be, and the words for it. @internal */
export type Bound = readonly [ok: (v: number) => boolean, rule: string];

/** As most numbers are. @internal */
export const AT_LEAST_0: Bound = [(v) => v >= 0 && v < Number.POSITIVE_INFINITY, "a number of at least 0"];

/** Throws unless `value` is such a number. @internal */
export function checkNumber(
  op: string,
  name: string,
  value: unknown,
  bound: Bound = AT_LEAST_0,
): asserts value is number {
  if (typeof value === "number" && bound[0](value)) return;
  fail(op, `${name} ${given(value)}: ${bound[1]} is expected${notOptions(value)}`);
}
