// Checks of options: an unknown name is an error that lists the known ones, a bad number one that gives the rule.
import { fail } from "../core/error.ts";

/** Throws when `options` has a name that is not in `names`. @internal */
export function checkNames(subject: string, options: object, names: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) fail(subject, `unknown option ${name}: known are ${names.join(", ")}`);
  }
}

/** Throws unless `value` is an integer of at least `least`. @internal */
export function checkInteger(subject: string, name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  fail(subject, `${name} ${value}: an integer of at least ${least} is expected`);
}
