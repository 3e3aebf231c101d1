// The header of a safetensors file: one JSON object of tensors by name, and text of its own under `__metadata__`. It is read byte
// by byte, by the few forms that the format knows: nothing is made of a part that is not right, nothing can be nested, a size is
// a size as it is written, a name that comes twice is seen, and a header of 100 MB costs what it holds.
import { fail } from "../core/error.ts";
import { kindOf } from "../host/kinds.ts";

/** What the header says of a tensor. */
export interface Entry {
  readonly key: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** What the header says. */
export interface Header {
  readonly entries: readonly Entry[];
  readonly metadata: Record<string, string>;
}

/** The name that the format keeps. */
export const METADATA = "__metadata__";
/** Sizes stand in rows of 32-bit words. */
export const LARGEST_SIZE = 2 ** 31 - 1;
/** As many as NumPy and PyTorch have. */
export const MOST_DIMS = 64;
/** Of a name or value in a message. */
const SHOWN = 60;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** Text of a file in a message: on one line, and not longer than a line. */
export function shown(text: string): string {
  const line = JSON.stringify(text.slice(0, SHOWN)).slice(1, -1).replaceAll('\\"', '"');
  return text.length <= SHOWN && line.length <= SHOWN ? line : `${line.slice(0, SHOWN)}...`;
}

/** False for text with half of a pair of surrogates, which has no bytes of its own. */
export const isText = (text: string): boolean => !/\p{Surrogate}/u.test(text);

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** True where `bytes` from `begin` on are this text, which is ASCII. */
function isWord(bytes: Uint8Array, begin: number, end: number, word: string): boolean {
  if (end - begin !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (bytes[begin + i] !== word.charCodeAt(i)) return false;
  return true;
}

type Types = Readonly<Record<string, { readonly bytes: number }>>;

/** Walks through the header once. */
class Reader {
  private at = 0;
  private readonly decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** Hosts decode no memory that threads share. */
  private readonly shared: boolean;
  private readonly bytes: Uint8Array;
  private readonly subject: string;
  private readonly types: Types;
  /** Bytes of data behind the header. */
  private readonly available: number;

  constructor(bytes: Uint8Array, available: number, subject: string, types: Types) {
    this.bytes = bytes;
    this.available = available;
    this.subject = subject;
    this.types = types;
    this.shared = kindOf(bytes.buffer) === "SharedArrayBuffer";
  }

  read(): Header {
    const entries = new Map<string, Entry>();
    const texts: Record<string, string>[] = [];
    if (this.bytes[0] !== OPEN) {
      const begins = this.bytes.length === 0 ? "is empty" : `begins with "${this.excerpt(0)}"`;
      fail(this.subject, `the header ${begins}: a { is expected`);
    }
    this.members((key) => {
      if (entries.has(key) || (key === METADATA && texts.length > 0)) this.twice(key);
      if (key === METADATA) texts.push(this.texts());
      else entries.set(key, this.entry(key));
    });
    this.space();
    if (this.at < this.bytes.length) this.notJson("nothing may stand behind the last }");
    return { entries: [...entries.values()], metadata: texts[0] ?? {} };
  }

  /** The members of an object; `read` takes the value. False when no object begins here. */
  private members(read: (key: string) => void): boolean {
    this.space();
    if (this.bytes[this.at] !== OPEN) return false;
    this.at++;
    if (this.take(CLOSE)) return true;
    do {
      this.space();
      const key = this.text() ?? this.notJson("a name in quotes is expected");
      if (!this.take(COLON)) this.notJson("a colon is expected");
      this.space();
      read(key);
    } while (this.take(COMMA));
    if (!this.take(CLOSE)) this.notJson("a comma or } is expected");
    return true;
  }

  private texts(): Record<string, string> {
    const found = new Map<string, string>();
    const wrong = (): never => fail(this.subject, `${METADATA}: an object of strings is expected`);
    const whole = this.members((key) => {
      if (found.has(key)) this.twice(key);
      found.set(key, this.text() ?? wrong());
    });
    return whole ? Object.fromEntries(found) : wrong();
  }

  private entry(key: string): Entry {
    const found: { type?: string; shape?: readonly number[]; offsets?: readonly number[] } = {};
    let shapeAt = 0;
    const whole = this.members((field) => {
      const at = this.at;
      if (field === "dtype") {
        if (found.type !== undefined) this.twice(field);
        found.type = this.type(key);
      } else if (field === "shape") {
        if (found.shape !== undefined) this.twice(field);
        shapeAt = at;
        found.shape =
          this.sizes(LARGEST_SIZE) ??
          this.wrong(key, `shape ${this.excerpt(at)}: an array of integers from 0 to ${LARGEST_SIZE} is expected`);
        if (found.shape.length > MOST_DIMS)
          this.wrong(key, `shape of ${found.shape.length} dims: at most ${MOST_DIMS} are expected`);
      } else if (field === "data_offsets") {
        if (found.offsets !== undefined) this.twice(field);
        found.offsets = this.sizes(Number.MAX_SAFE_INTEGER) ?? [];
        if (found.offsets.length !== 2) {
          this.wrong(key, `data_offsets ${this.excerpt(at)}: two non-negative integers are expected`);
        }
      } else {
        this.wrong(key, `unknown field ${shown(field)}: dtype, shape and data_offsets are expected`);
      }
    });
    if (!whole) this.wrong(key, "an object with dtype, shape and data_offsets is expected");
    const { type, shape, offsets } = found;
    if (type === undefined || shape === undefined || offsets === undefined) {
      const missing = type === undefined ? "dtype" : shape === undefined ? "shape" : "data_offsets";
      return this.wrong(key, `${missing} is missing: dtype, shape and data_offsets are expected`);
    }
    const [begin, end] = offsets as readonly [number, number];
    if (begin > end || end > this.available)
      this.wrong(key, `data_offsets [${begin},${end}] are outside the ${this.available} bytes of data`);
    // Beside a size of 0 as well: no product of sizes may be inexact anywhere.
    let size = this.types[type]!.bytes;
    for (const n of shape) if (n > 0) size *= n;
    if (!Number.isSafeInteger(size))
      this.wrong(
        key,
        `${type} ${this.excerpt(shapeAt)} takes ${size} bytes but for sizes of 0: at most 2^53 - 1 are expected`,
      );
    if (shape.includes(0)) size = 0;
    if (size !== end - begin)
      this.wrong(
        key,
        `${type} ${this.excerpt(shapeAt)} takes ${size} bytes, data_offsets [${begin},${end}] give ${end - begin}: they must be equal`,
      );
    return { key, type, shape, begin, end };
  }

  private type(key: string): string {
    const at = this.at;
    const type = this.text();
    if (type !== null && Object.hasOwn(this.types, type)) return type;
    return this.wrong(
      key,
      `dtype ${type === null ? this.excerpt(at) : shown(type)}: ${Object.keys(this.types).join(", ")} can be read`,
    );
  }

  /** The string that begins here; null when none does. */
  private text(): string | null {
    const { bytes } = this;
    if (bytes[this.at] !== QUOTE) return null;
    const begin = this.at;
    let escaped = false;
    let at = begin + 1;
    for (; ; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) break;
      if (byte === undefined || byte < 0x20) {
        this.at = Math.min(at, bytes.length);
        return this.notJson(byte === undefined ? "a text has no end" : "a text has a control character");
      }
      if (byte === BACKSLASH) {
        escaped = true;
        at++;
      }
    }
    this.at = at + 1;
    // What comes once for each tensor.
    if (isWord(bytes, begin + 1, at, "dtype")) return "dtype";
    if (isWord(bytes, begin + 1, at, "shape")) return "shape";
    if (isWord(bytes, begin + 1, at, "data_offsets")) return "data_offsets";
    if (isWord(bytes, begin + 1, at, "F32")) return "F32";
    return this.decoded(begin, at + 1, escaped);
  }

  /** The text of the string from its first quote to its last. */
  private decoded(begin: number, end: number, escaped: boolean): string {
    const [from, to] = escaped ? [begin, end] : [begin + 1, end - 1];
    let text: string;
    try {
      text = this.decoder.decode(this.shared ? this.bytes.slice(from, to) : this.bytes.subarray(from, to));
    } catch {
      return fail(this.subject, `header of ${this.bytes.length} bytes: it is not UTF-8 from byte ${begin} on`);
    }
    if (!escaped) return text;
    try {
      text = JSON.parse(text) as string;
    } catch {
      this.at = begin;
      return this.notJson("a text has an escape that there is not");
    }
    if (!isText(text))
      fail(this.subject, `${shown(text)}: half of a pair of surrogates: names and texts must be Unicode`);
    return text;
  }

  /** The numbers of an array, each from 0 to `most`; null when there is anything else. */
  private sizes(most: number): number[] | null {
    const { bytes } = this;
    if (bytes[this.at] !== OPEN_LIST) return null;
    this.at++;
    const list: number[] = [];
    if (this.take(CLOSE_LIST)) return list;
    do {
      this.space();
      const begin = this.at;
      let value = 0;
      for (;;) {
        const digit = bytes[this.at]! - 0x30;
        if (!(digit >= 0 && digit <= 9)) break;
        value = value * 10 + digit;
        this.at++;
        if (value > most) return null;
      }
      const digits = this.at - begin;
      if (digits === 0 || (digits > 1 && bytes[begin] === 0x30)) return null;
      list.push(value);
    } while (this.take(COMMA));
    return this.take(CLOSE_LIST) ? list : null;
  }

  /** Steps over this byte behind space; false, and no step, when there is another. */
  private take(byte: number): boolean {
    this.space();
    if (this.bytes[this.at] !== byte) return false;
    this.at++;
    return true;
  }

  private space(): void {
    while (isSpace(this.bytes[this.at]!)) this.at++;
  }

  private wrong(key: string, detail: string): never {
    return fail(this.subject, `${shown(key)}: ${detail}`);
  }

  private twice(key: string): never {
    return fail(this.subject, `the header has the key "${shown(key)}" twice: names must differ`);
  }

  private notJson(rule: string): never {
    const { at, bytes } = this;
    const what = at < bytes.length ? `${this.excerpt(at)} at byte ${at}` : `it ends at byte ${at}`;
    return fail(this.subject, `the header is not JSON: ${what}: ${rule}`);
  }

  /** The value that begins at `at`, or what begins there, as far as a message shows it. */
  private excerpt(at: number): string {
    const { bytes } = this;
    let end = at;
    let depth = 0;
    let quoted = false;
    for (const most = Math.min(bytes.length, at + SHOWN + 1); end < most; end++) {
      const byte = bytes[end]!;
      if (quoted || byte === QUOTE) {
        if (byte === QUOTE) quoted = !quoted;
        else if (byte === BACKSLASH) end++;
      } else if (byte === OPEN || byte === OPEN_LIST) depth++;
      else if (byte === CLOSE || byte === CLOSE_LIST) depth--;
      if (quoted) continue;
      if (depth < 0 || (depth === 0 && byte === COMMA)) break;
      if (depth === 0 && (byte === CLOSE || byte === CLOSE_LIST)) {
        end++;
        break;
      }
    }
    // A copy, which no other thread shares.
    return shown(new TextDecoder().decode(bytes.slice(at, Math.max(end, at + 1))));
  }
}

/**
 * The header of a file with so many bytes of data behind it, checked but for holes and overlaps. `types` are those that can be read,
 * with the bytes of an element.
 */
export function readHeader(bytes: Uint8Array, available: number, subject: string, types: Types): Header {
  return new Reader(bytes, available, subject, types).read();
}
