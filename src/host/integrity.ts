// Integrity metadata as HTML has it (W3C Subresource Integrity): base64 digests, of which the strongest kind counts.
import { fail, given } from "../core/error.ts";

const KINDS = ["sha256", "sha384", "sha512"];

/** Throws unless `bytes` have one of the digests in `integrity`; `name` goes into the message. */
export async function checkIntegrity(bytes: Uint8Array<ArrayBuffer>, integrity: string, name: string): Promise<void> {
  if (typeof integrity !== "string") {
    fail(
      "init",
      `integrity ${given(integrity)}: a string is expected, such as those in wasmgrad/integrity.json with blanks between them`,
    );
  }
  // Of what it does not know HTML takes no notice; without anything that is known, nothing would be checked.
  const known = integrity
    .split(/\s+/)
    .map((text) => /^(sha256|sha384|sha512)-([A-Za-z\d+/]+={0,2})(\?.*)?$/.exec(text));
  const parsed = known.filter((f) => f !== null).map((f) => ({ kind: f[1]!, digest: f[2]! }));
  if (parsed.length === 0) {
    fail("init", `integrity ${given(integrity)}: sha256-, sha384- or sha512- and a digest in base64 is expected`);
  }
  const kind = KINDS.findLast((k) => parsed.some((p) => p.kind === k))!;
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) {
    fail("init", "integrity cannot be checked here: pages have crypto.subtle on https and on localhost only");
  }
  const digest = new Uint8Array(await subtle.digest(kind.replace("sha", "SHA-"), bytes));
  const text = btoa(String.fromCharCode(...digest));
  if (parsed.some((p) => p.kind === kind && p.digest === text)) return;
  fail(
    "init",
    `${name}: integrity ${kind}-${text}: ${integrity} is expected: the file was changed, or is of another version`,
  );
}
