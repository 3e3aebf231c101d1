// Values by their kind, whatever realm made them, and the bytes in whatever holds them. Apart from bytes.ts, which every page loads.

/** What a value calls itself in every realm, such as `ArrayBuffer` or `Float32Array`: `instanceof` knows those of its own alone. */
export const kindOf = (x: unknown): string => Object.prototype.toString.call(x).slice(8, -1);

/** The bytes of an ArrayBuffer or of a view of one, where they lie; null for what is neither. */
export function asBytes(x: unknown): Uint8Array | null {
  const view = ArrayBuffer.isView(x) ? x : null;
  const kind = kindOf(view?.buffer ?? x);
  if (kind !== "ArrayBuffer" && kind !== "SharedArrayBuffer") return null;
  const buffer = (view?.buffer ?? x) as ArrayBuffer;
  const length = view === null ? buffer.byteLength : view.byteLength;
  // None are left in one that was handed to another thread, of which no view can be made.
  if (!(length > 0)) return new Uint8Array(0);
  return new Uint8Array(buffer, view?.byteOffset ?? 0, length);
}

/** What a value is, for messages: its kind, with the name of its class where that says more. */
export function describeKind(x: unknown): string {
  if (x === null || typeof x !== "object") return x === null || x === undefined ? "nothing" : `a ${typeof x}`;
  const kind = kindOf(x);
  const name = kind === "Object" ? Object.getPrototypeOf(x)?.constructor?.name : kind;
  return typeof name === "string" && name !== "" ? `a value of type ${name.slice(0, 60)}` : "an object";
}
