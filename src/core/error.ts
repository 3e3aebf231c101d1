// The one error class. A message reads `op: what was given: the rule that was broken`.

export class WasmgradError extends Error {
  override name = "WasmgradError";
}

/** Throws `subject: detail`. */
export function fail(subject: string, detail: string): never {
  throw new WasmgradError(`${subject}: ${detail}`);
}
