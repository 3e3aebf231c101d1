// The one error class. A message reads `op: what was given: the rule that was broken`.

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
