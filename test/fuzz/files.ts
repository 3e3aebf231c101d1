// Files that lie: valid safetensors and IDX files, mutated by a seed. Each is read or refused by an error of ours that is short, soon,
// without memory that the file does not pay for; what is read is what plain JSON says, and what plain JSON can read is read.
import { type ElementType, TYPES } from "../../src/core/dtype.ts";
import { WasmgradError } from "../../src/core/error.ts";
import { formatIdx, parseIdx } from "../../src/data/idx.ts";
import { encodeSafetensors, parseSafetensors, type Safetensors } from "../../src/io/safetensors.ts";

const SLOWEST_MS = 100;
const LONGEST_MESSAGE = 500;
/** A file of many types: of one byte each becomes four, of others at most two bytes become four. */
const GROWTH = { narrow: 4, other: 2 };

export interface FuzzedFiles {
  inputs: number;
  accepted: number;
  /** Milliseconds of the slowest input, at its best of three. */
  slowest: number;
  longestMessage: number;
  /** Bytes asked for by an input over its own: the largest, of files without types of one byte, and of all. */
  growth: number;
  growthNarrow: number;
  wrong: string[];
}

/** Numbers below `n`, by mulberry32. */
type Draw = (n: number) => number;
function draws(seed: number): Draw {
  let state = seed | 0;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((((t ^ (t >>> 14)) >>> 0) * n) / 2 ** 32) | 0;
  };
}

const BYTES: Record<string, number> = {
  ...{ F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 },
};
const NARROW = /"(?:I8|U8|BOOL)"/;
const NAMES = [
  "w",
  "b",
  "0.weight",
  "layer.1.bias",
  "ü☂",
  "a\\nb",
  "",
  "dtype",
  "shape",
  "__proto__",
  "toString",
  "x\\u0041",
];
const SPACES = ["", "", "", " ", "\n", "\t \r\n"];
const TOKENS = [
  ...[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\",
    "null",
    "true",
    "-0",
    "-1",
    "2.0",
    "1e9",
    "00",
    "1e400",
    "9007199254740991",
    "9007199254740993",
  ],
  ...[
    "4294967296",
    "2147483647",
    "2147483648",
    '"dtype"',
    '"shape"',
    '"data_offsets"',
    '"__metadata__"',
    '"F32"',
    '"BOOL"',
    '"F8_E4M3"',
  ],
  ...[
    '{"toString":1}',
    "[[[[[[[[",
    '{"a":{"a":{"a":',
    "\\u0000",
    "\\ud800",
    "\\x",
    "\u0000",
    "ÿ",
    "/*",
    " ",
    "\ufeff",
    "[0,0]",
    "[]",
    "{}",
  ],
];
const pick = <T>(draw: Draw, list: readonly T[]): T => list[draw(list.length)]!;

interface Parts {
  text: string;
  data: Uint8Array;
}

/** A valid file of a few tensors, now and then of many. */
function validParts(draw: Draw): Parts {
  const count = draw(400) === 0 ? 300 : draw(5);
  const types = draw(3) === 0 ? Object.keys(BYTES) : Object.keys(BYTES).filter((t) => BYTES[t]! > 1);
  const s = () => pick(draw, SPACES);
  let end = 0;
  const members: string[] = [];
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const type = pick(draw, types);
    const shape = Array.from({ length: draw(4) }, () => draw(4));
    const size = shape.reduce((a, b) => a * b, 1) * BYTES[type]!;
    const piece = new Uint8Array(size);
    // Zeros are values of every type; the others are not integers of 32 bits or bools.
    if (!/64|U32|BOOL/.test(type) || type === "F64") for (let j = 0; j < size; j++) piece[j] = draw(256);
    pieces.push(piece);
    const fields = [
      `${s()}"dtype"${s()}:${s()}"${type}"${s()}`,
      `"shape":${s()}[${shape.join(`${s()},${s()}`)}${s()}]`,
      `"data_offsets":[${end},${s()}${end + size}]`,
    ];
    end += size;
    if (draw(2)) fields.reverse();
    members.push(`"${i < NAMES.length && draw(2) ? NAMES[i] : `t${i}`}"${s()}:${s()}{${fields.join(",")}}`);
  }
  if (draw(3) === 0)
    members.splice(draw(members.length + 1), 0, `"__metadata__":{${draw(2) ? '"note":"a ☂ \\n"' : ""}${s()}}`);
  const data = new Uint8Array(end);
  let at = 0;
  for (const piece of pieces) {
    data.set(piece, at);
    at += piece.length;
  }
  return { text: `{${members.join(`${s()},`)}${s()}}${" ".repeat(draw(8))}`, data };
}

const encoder = new TextEncoder();

function joined({ text, data }: Parts, length?: bigint): Uint8Array {
  const header = encoder.encode(text);
  const bytes = new Uint8Array(8 + header.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(header.length), true);
  bytes.set(header, 8);
  bytes.set(data, 8 + header.length);
  return bytes;
}

/** Changes text: the header's length follows, so that the change is read. */
function mutatedText(draw: Draw, text: string): string {
  let now = text;
  for (let k = 1 + draw(3); k > 0; k--) {
    const at = draw(now.length + 1);
    const length = draw(3) === 0 ? draw(12) : draw(2);
    const kind = draw(6);
    if (kind === 0) now = now.slice(0, at) + now.slice(at + 1 + length);
    else if (kind === 1) now = now.slice(0, at) + now.slice(at, at + 40) + now.slice(at);
    else if (kind === 2) now = now.replace(/\d+/, () => pick(draw, TOKENS));
    else if (kind === 3) now = now.slice(0, at) + String.fromCharCode(draw(256)) + now.slice(at + 1);
    else if (kind === 4 && draw(300) === 0)
      now = now.slice(0, at) + pick(draw, TOKENS).repeat(1 + draw(50_000)) + now.slice(at);
    else now = now.slice(0, at) + pick(draw, TOKENS) + now.slice(at + length);
  }
  return now;
}

function mutatedBytes(draw: Draw, bytes: Uint8Array): Uint8Array {
  const now = bytes.slice(0, draw(4) === 0 ? draw(bytes.length + 1) : bytes.length);
  for (let k = draw(4); k > 0 && now.length > 0; k--) {
    const at = draw(4) === 0 ? draw(Math.min(16, now.length)) : draw(now.length);
    now[at] = draw(3) === 0 ? pick(draw, [0, 1, 127, 128, 255]) : now[at]! ^ (1 << draw(8));
  }
  if (draw(4) > 0) return now;
  const longer = new Uint8Array(now.length + 1 + draw(20));
  longer.set(now);
  return longer;
}

/** True where an object of valid JSON has a name twice, of which JSON.parse takes the last in silence. */
function hasTwice(text: string): boolean {
  const open: (Set<string> | null)[] = [];
  let before = "";
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    const keys = open[open.length - 1];
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token[0] === '"' && keys && (before === "{" || before === ",")) {
      const key = JSON.parse(token) as string;
      if (keys.has(key)) return true;
      keys.add(key);
    }
    before = token;
  }
  return false;
}

/** What plain JSON makes of a file: its names with dtype and shape, or null where it cannot be read. */
function plainly(bytes: Uint8Array): Map<string, string> | null {
  if (bytes.length < 8) return null;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (8 + length > bytes.length) return null;
  let header: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + length));
    if (text[0] !== "{") return null;
    header = JSON.parse(text);
    if (hasTwice(text)) return null;
  } catch {
    return null;
  }
  const found = new Map<string, string>();
  const places: [number, number][] = [];
  const isObject = (x: unknown): x is Record<string, unknown> =>
    typeof x === "object" && x !== null && !Array.isArray(x);
  const isSize = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
  for (const [name, info] of Object.entries(header as object)) {
    if (!isObject(info)) return null;
    if (name === "__metadata__") {
      if (Object.values(info).some((v) => typeof v !== "string")) return null;
      continue;
    }
    const { dtype, shape, data_offsets: offsets, ...rest } = info;
    if (Object.keys(rest).length > 0 || typeof dtype !== "string" || !Object.hasOwn(BYTES, dtype)) return null;
    if (!Array.isArray(shape) || !shape.every(isSize) || shape.length > 64) return null;
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) return null;
    const size = shape.reduce((a: number, b: number) => a * b, BYTES[dtype]!);
    if (size !== offsets[1] - offsets[0]) return null;
    places.push(offsets as [number, number]);
    found.set(name, `${dtype} ${shape.join()}`);
  }
  let end = 8 + length;
  for (const [from, to] of places.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (8 + length + from !== end) return null;
    end = 8 + length + to;
  }
  return end === bytes.length ? found : null;
}

/** What plain JSON does not see: how numbers are written, sizes beside 0, halves of surrogates, values. */
const UNSEEN =
  /: shape |: data_offsets \[.*two non-negative|but for sizes of 0|surrogates|does not fit into int32|is no bool/;

const same = (a: Safetensors, b: Safetensors): boolean =>
  Object.keys(a.tensors).length === Object.keys(b.tensors).length &&
  Object.entries(a.tensors).every(([name, x]) => {
    const y = b.tensors[name];
    if (y === undefined || x.dtype !== y.dtype || x.shape.join() !== y.shape.join()) return false;
    return x.data.every((v, i) => Object.is(v, y.data[i]));
  });

/** Whatever is wrong with what came of a safetensors file, besides time and memory. */
function judge(bytes: Uint8Array, outcome: Safetensors | Error, intact: boolean): string | null {
  if (outcome instanceof Error) {
    if (intact) return `a valid file was refused: ${outcome.message}`;
    if (plainly(bytes) !== null && !UNSEEN.test(outcome.message)) return `JSON reads it: ${outcome.message}`;
    return null;
  }
  const plain = plainly(bytes);
  if (plain === null) return "it was read, JSON refuses it";
  const tensors = Object.entries(outcome.tensors);
  if (tensors.length !== plain.size || tensors.some(([n, x]) => plain.get(n)?.split(" ")[1] !== x.shape.join()))
    return "other tensors than JSON reads";
  if (!same(outcome, parseSafetensors(encodeSafetensors(outcome.tensors, outcome.metadata))))
    return "another one when written";
  return null;
}

/** Counts the bytes that the engine's tables of types ask for, while `f` runs. */
function counting<T>(f: (taken: () => number) => T): T {
  let bytes = 0;
  const before = new Map<ElementType, ElementType["array"]>();
  for (const type of Object.values(TYPES)) {
    const plain = type.array;
    before.set(type, plain);
    const counted = new Proxy(plain, {
      construct(target, [of]) {
        if (typeof of === "number") bytes += 4 * of;
        return new target(of);
      },
    });
    (type as { array: unknown }).array = counted;
  }
  try {
    return f(() => {
      const taken = bytes;
      bytes = 0;
      return taken;
    });
  } finally {
    for (const [type, plain] of before) (type as { array: unknown }).array = plain;
  }
}

interface Input {
  readonly bytes: Uint8Array;
  readonly kind: "safetensors" | "IDX";
  readonly intact: boolean;
}

function drawInput(draw: Draw): Input {
  if (draw(4) === 0) {
    const shape = Array.from({ length: 1 + draw(4) }, () => draw(5));
    const data = Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => draw(256));
    const valid = formatIdx(data, shape);
    const intact = draw(20) === 0;
    return { kind: "IDX", bytes: intact ? valid : mutatedBytes(draw, valid), intact };
  }
  const parts = validParts(draw);
  const way = draw(20);
  if (way === 0) return { kind: "safetensors", bytes: joined(parts), intact: true };
  if (way === 1) {
    const bytes = Uint8Array.from({ length: draw(60) }, () => draw(256));
    return { kind: "safetensors", bytes, intact: false };
  }
  if (way === 2) {
    const length = BigInt(draw(2 ** 31)) << BigInt(draw(33));
    return { kind: "safetensors", bytes: joined(parts, length), intact: false };
  }
  if (way < 7) return { kind: "safetensors", bytes: mutatedBytes(draw, joined(parts)), intact: false };
  return { kind: "safetensors", bytes: joined({ ...parts, text: mutatedText(draw, parts.text) }), intact: false };
}

export function fuzzFiles(options: { inputs: number; seed: number; tell?: (done: FuzzedFiles) => void }): FuzzedFiles {
  const { inputs, seed, tell } = options;
  const done: FuzzedFiles = {
    ...{ inputs: 0, accepted: 0, slowest: 0, longestMessage: 0, growth: 0, growthNarrow: 0 },
    wrong: [],
  };
  return counting((taken) => {
    for (let i = 0; i < inputs; i++) {
      const { bytes, kind, intact } = drawInput(draws(Math.imul(seed, 0x9e3779b1) ^ i));
      const say = (what: string): void => void done.wrong.push(`seed ${seed}, input ${i}, ${kind}: ${what}`);
      const read = (): unknown => {
        try {
          return kind === "IDX" ? parseIdx(bytes) : parseSafetensors(bytes);
        } catch (error) {
          return error;
        }
      };
      taken();
      const begin = performance.now();
      const outcome = read();
      let took = performance.now() - begin;
      const asked = taken();
      // Something else may have run meanwhile.
      for (let again = 0; took > done.slowest && again < 2; again++) {
        const from = performance.now();
        read();
        took = Math.min(took, performance.now() - from);
      }
      done.slowest = Math.max(done.slowest, took);
      if (took > SLOWEST_MS) say(`${took} ms for ${bytes.length} bytes`);
      const narrow = NARROW.test(new TextDecoder("latin1").decode(bytes));
      const growth = asked / Math.max(1, bytes.length);
      if (narrow) done.growthNarrow = Math.max(done.growthNarrow, growth);
      else done.growth = Math.max(done.growth, growth);
      if (growth > (narrow ? GROWTH.narrow : GROWTH.other)) say(`${asked} bytes were asked for by ${bytes.length}`);
      if (outcome instanceof Error) {
        done.longestMessage = Math.max(done.longestMessage, outcome.message.length);
        if (!(outcome instanceof WasmgradError)) say(`no error of ours: ${outcome.stack}`);
        else if (outcome.message.length > LONGEST_MESSAGE) say(`a message of ${outcome.message.length} characters`);
        if (kind === "IDX" && intact) say(`a valid file was refused: ${outcome.message}`);
      } else done.accepted++;
      const wrong = kind === "IDX" ? null : judge(bytes, outcome as Safetensors | Error, intact);
      if (wrong !== null) say(wrong);
      done.inputs++;
      if (done.inputs % 100_000 === 0) tell?.(done);
    }
    return done;
  });
}

/** `npm run fuzz -- --files`. */
export function mainFiles(inputs: number, seed: number): void {
  const line = (d: FuzzedFiles): string =>
    `${d.inputs} inputs, ${d.accepted} read, slowest ${d.slowest.toFixed(1)} ms, longest message ${d.longestMessage} characters, ` +
    `bytes asked for over those of the file at most ${d.growth.toFixed(2)} (${d.growthNarrow.toFixed(2)} with types of one byte)`;
  const done = fuzzFiles({ inputs, seed, tell: (d) => console.log(line(d)) });
  for (const what of done.wrong.slice(0, 20)) console.log(what);
  console.log(`${line(done)}: ${done.wrong.length} wrong`);
  process.exitCode = done.wrong.length > 0 ? 1 : 0;
}
