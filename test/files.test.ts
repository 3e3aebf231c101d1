// Files that lie, files that are large, files of other programs, and saves that are killed: what is read is right, what is wrong is an
// error of ours that is short, and nothing is left behind.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { setDefaultDevice } from "../src/core/device.ts";
import { WasmgradError } from "../src/core/error.ts";
import { TensorDataset } from "../src/data/dataset.ts";
import { formatIdx, parseIdx } from "../src/data/idx.ts";
import { DataLoader } from "../src/data/loader.ts";
import { load, save, saveSafetensors } from "../src/io/index.ts";
import { encodeSafetensors, type HostTensor, parseSafetensors } from "../src/io/safetensors.ts";
import { Linear } from "../src/nn/index.ts";
import "../src/methods.ts";
import { ones } from "../src/ops/index.ts";
import { fuzzFiles } from "./fuzz/files.ts";
import { kill } from "./kills.ts";
import { ReferenceDevice } from "./reference.ts";

setDefaultDevice(new ReferenceDevice());

const LONGEST_MESSAGE = 500;

/** A file with this header and these data. */
function file(header: unknown, data = new Uint8Array(0)): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

/** What an error of ours says, which is short. */
async function refusal(f: () => unknown): Promise<string> {
  try {
    await f();
  } catch (error) {
    assert.instance(error, WasmgradError, (error as Error).stack);
    const { message } = error as Error;
    assert.ok(message.length <= LONGEST_MESSAGE, `${message.length} characters: ${message}`);
    return message;
  }
  return assert.unreachable("nothing was refused") as never;
}

async function refuses(f: () => unknown, message: RegExp): Promise<void> {
  assert.match(await refusal(f), message);
}

/** A folder of its own, gone afterwards. */
async function folder(f: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "wasmgrad-files-"));
  try {
    await f(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** What only says that it is something. */
const tagged = (kind: string): object => ({ [Symbol.toStringTag]: kind, byteLength: 9 });

const host = (values: number[], over: object = {}): HostTensor => ({
  dtype: "float32",
  shape: [values.length],
  data: Float32Array.from(values),
  ...over,
});
const entry = (fields: string): Uint8Array => file(`{"x":{${fields}}}`, new Uint8Array(8));
const parse = (bytes: Uint8Array) => () => parseSafetensors(bytes, "net.safetensors");

test("a header that is no header of tensors: each value in the place of each, nested deep or long", async () => {
  const nested = (open: string, close: string) => open.repeat(1e5) + close.repeat(1e5);
  const values = [
    '{"toString":1}',
    "[]",
    "[1]",
    "{}",
    "null",
    "true",
    "-1",
    "-0",
    "2.0",
    "1e0",
    "01",
    "9007199254740991",
  ];
  values.push(nested("[", "]"), nested('{"a":', "}").replace(":}", ":1}"), "[".repeat(1e5), "{".repeat(3e6));
  values.push(
    `"${"x".repeat(3e6)}"`,
    `[${"1,".repeat(1.5e6)}1]`,
    `[${"0,".repeat(1e5)}"]`,
    `"${"\\u0001".repeat(1e5)}"`,
    "[-0]",
  );
  values.push(
    "[2.0]",
    "[2,]",
    "[,2]",
    "[02]",
    "[2 2]",
    "[9007199254740991,0]",
    "[2147483648,0]",
    '["2"]',
    "[1e1]",
    '"\\x"',
    '"a\nb"',
    "",
  );
  const right = { dtype: '"F32"', shape: "[2]", data_offsets: "[0,8]" };
  for (const value of values) {
    for (const field of Object.keys(right)) {
      const text = Object.entries({ ...right, [field]: value }).map(([k, v]) => `"${k}":${v}`);
      await refuses(parse(entry(text.join())), /^net\.safetensors: /);
    }
    for (const text of [
      `{"x":${value}}`,
      `{"__metadata__":{"a":${value}},"y":1}`,
      `{"__metadata__":${value},"y":1}`,
      `{"x":{"${value}`,
    ]) {
      await refuses(parse(file(text)), /^net\.safetensors: /);
    }
    if (value !== "{}") await refuses(parse(file(value)), /^net\.safetensors: /);
  }
  assert.match(
    await refusal(parse(entry('"dtype":{"toString":1},"shape":[2],"data_offsets":[0,8]'))),
    /x: dtype \{"toString":1\}: F32, .* can be read$/,
  );
  const sizes = (shape: string) => parse(entry(`"dtype":"F32","shape":${shape},"data_offsets":[0,0]`));
  for (const shape of ["[-0]", "[2.0,0]", "[9007199254740991,0]"])
    assert.is(
      await refusal(sizes(shape)),
      `net.safetensors: x: shape ${shape}: an array of integers from 0 to 2147483647 is expected`,
    );
  await refuses(sizes(`[${"2147483647,".repeat(3)}0]`), /takes 3.9\d+e\+28 bytes but for sizes of 0/);
  await refuses(sizes(`[${"1,".repeat(64)}0]`), /shape of 65 dims: at most 64/);
  await refuses(
    parse(file(`{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}, "y":{"data_offsets":[0,0]}}`)),
    /y: dtype is missing/,
  );
});

test("messages are short whatever stands in the file, and on one line", async () => {
  const long = 'n\n\u2028\u0007"\\ü'.repeat(5e5);
  const x = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
  const of = (key: string, fields: object, data = 4) => parse(file({ [key]: fields }, new Uint8Array(data)));
  for (const f of [
    of(long, { ...x, dtype: long }),
    of(long, { ...x, [long]: 1 }),
    of(long, { ...x, shape: long }),
    of(long, { ...x, shape: Array(64).fill(1_000_000_000) }),
    of(long, { ...x, data_offsets: [0, 400] }),
    of(long, x, 8),
    of(long, { ...x, data_offsets: [4, 8] }, 8),
    of(long, { dtype: "I64", shape: Array(64).fill(1), data_offsets: [0, 8] }, 8),
    of("__metadata__", { [long]: 1 }),
    parse(file(`{${JSON.stringify(long)}:{},`)),
    parse(file(long)),
  ]) {
    const message = await refusal(f).catch((error: Error) => {
      // Zeros fit into int32: that one is read.
      if (error.message.includes("nothing was refused")) return "";
      throw error;
    });
    assert.ok(
      [...message].every((c) => c >= " "),
      message,
    );
  }
  const big = new Uint8Array(8).fill(255);
  big[7] = 127;
  const where = { dtype: "I64", shape: Array(64).fill(1), data_offsets: [0, 8] };
  await refuses(
    parse(file({ [long]: where }, big)),
    /value 9223372036854775807 at 0 of I64 \[1,1,.*does not fit into int32/,
  );
  const path = `/${"d".repeat(250)}`.repeat(12);
  await refuses(() => parseSafetensors(new Uint8Array(1), path), /^\.\.\.d.*: 1 bytes: /);
});

/** Seconds of the first of several that takes less than one, or of the fastest. Where others run meanwhile, the processor's count. */
async function seconds(f: () => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 8 && least >= 1000; i++) {
    const [begin, used] = [performance.now(), process.cpuUsage()];
    await f();
    const { user, system } = process.cpuUsage(used);
    least = Math.min(least, performance.now() - begin, (user + system) / 1000);
  }
  return least / 1000;
}

test("20 MB of text and 300,000 empty tensors are read in under a second", async () => {
  const text = "n\u00fc".repeat(1e7);
  const x = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
  const data = Uint8Array.of(0, 0, 128, 63);
  for (const [what, header] of Object.entries({
    "a text": { __metadata__: { note: text }, x },
    "a name of a text": { __metadata__: { [text]: "a" }, x },
    "a text with escapes": { __metadata__: { note: "\n".repeat(1e7) }, x },
    "a name": { [text]: x },
    spaces: `{"x":${JSON.stringify(x)}${" ".repeat(2e7)}}`,
  })) {
    const bytes = file(header, data);
    assert.equal([...Object.values(parseSafetensors(bytes).tensors)[0]!.data], [1]);
    const took = await seconds(() => parseSafetensors(bytes));
    assert.ok(took < 1, `${what}: ${took} s`);
  }
  const many: Record<string, object> = {};
  for (let i = 0; i < 300_000; i++) many[`layer.${i}.weight`] = { dtype: "F32", shape: [0], data_offsets: [0, 0] };
  const bytes = file(many);
  const { tensors } = parseSafetensors(bytes);
  assert.equal([Object.keys(tensors).length, tensors["layer.299999.weight"]!.shape], [300_000, [0]]);
  const took = await seconds(() => parseSafetensors(bytes));
  assert.ok(took < 1, `300,000 empty tensors: ${took} s`);
  assert.is(Object.keys(await load(bytes)).length, 300_000);
});

type Set = (view: DataView, at: number, value: number) => void;
/** Each type of the format that is read, how a value is written, and values with what they become; beyond int32 the first that does not fit. */
const TYPES: Record<
  string,
  { bytes: number; set: Set; values: number[]; read?: number[]; beyond?: [bigint, string][] }
> = {
  F64: {
    bytes: 8,
    set: (v, at, x) => v.setFloat64(at, x, true),
    values: [0.1, -1e300, Number.NaN, 5e-324],
    read: [Math.fround(0.1), Number.NEGATIVE_INFINITY, Number.NaN, 0],
  },
  F32: { bytes: 4, set: (v, at, x) => v.setFloat32(at, x, true), values: [1.5, -2, Number.POSITIVE_INFINITY] },
  F16: {
    bytes: 2,
    set: (v, at, x) => v.setUint16(at, x, true),
    values: [0x3c00, 0xc100, 0x0001, 0xfc00],
    read: [1, -2.5, 2 ** -24, Number.NEGATIVE_INFINITY],
  },
  BF16: { bytes: 2, set: (v, at, x) => v.setUint16(at, x, true), values: [0x3f80, 0xc040], read: [1, -3] },
  I64: {
    bytes: 8,
    set: (v, at, x) => v.setBigInt64(at, BigInt(x), true),
    values: [-7, 2 ** 31 - 1, -(2 ** 31)],
    beyond: [
      [2n ** 31n, "2147483648"],
      [-(2n ** 31n) - 1n, "-2147483649"],
      [2n ** 63n - 1n, "9223372036854775807"],
    ],
  },
  U64: {
    bytes: 8,
    set: (v, at, x) => v.setBigUint64(at, BigInt(x), true),
    values: [7, 2 ** 31 - 1],
    beyond: [
      [2n ** 31n, "2147483648"],
      [2n ** 64n - 1n, "18446744073709551615"],
    ],
  },
  I32: { bytes: 4, set: (v, at, x) => v.setInt32(at, x, true), values: [-5, 2 ** 31 - 1] },
  U32: {
    bytes: 4,
    set: (v, at, x) => v.setUint32(at, x, true),
    values: [5, 2 ** 31 - 1],
    beyond: [
      [2n ** 31n, "2147483648"],
      [2n ** 32n - 1n, "4294967295"],
    ],
  },
  I16: { bytes: 2, set: (v, at, x) => v.setInt16(at, x, true), values: [-32768, 32767] },
  U16: { bytes: 2, set: (v, at, x) => v.setUint16(at, x, true), values: [0, 65535] },
  I8: { bytes: 1, set: (v, at, x) => v.setInt8(at, x), values: [-128, 127] },
  U8: { bytes: 1, set: (v, at, x) => v.setUint8(at, x), values: [0, 255] },
  BOOL: { bytes: 1, set: (v, at, x) => v.setUint8(at, x), values: [1, 0], beyond: [[2n, "2"]] },
};

test("every type among float32, at odd places too: floats become float32, integers int32 where they fit", async () => {
  for (const [type, { bytes, set, values, read = values, beyond = [] }] of Object.entries(TYPES)) {
    // An odd byte in front, so that nothing lies aligned.
    const data = new Uint8Array(1 + 4 + values.length * bytes);
    const view = new DataView(data.buffer);
    data[0] = 1;
    view.setFloat32(1, 0.5, true);
    for (const [i, value] of values.entries()) set(view, 5 + i * bytes, value);
    const header = {
      odd: { dtype: "BOOL", shape: [1], data_offsets: [0, 1] },
      w: { dtype: "F32", shape: [], data_offsets: [1, 5] },
      x: { dtype: type, shape: [values.length], data_offsets: [5, data.length] },
    };
    const { w, x } = parseSafetensors(file(header, data)).tensors;
    assert.equal([...w!.data], [0.5]);
    assert.equal(
      [x!.dtype, ...x!.data],
      [type === "BOOL" ? "bool" : type.includes("F") ? "float32" : "int32", ...read],
      type,
    );
    const loaded = (await load(file(header, data))).x!;
    assert.equal([loaded.dtype, ...(await loaded.data())], [x!.dtype, ...read], type);
    for (const [value, text] of beyond) {
      const wide = bytes === 8 ? value : Number(value);
      if (bytes === 8 && type === "I64") view.setBigInt64(5 + bytes, wide as bigint, true);
      else if (bytes === 8) view.setBigUint64(5 + bytes, wide as bigint, true);
      else set(view, 5 + bytes, wide as number);
      const rule = type === "BOOL" ? "is no bool" : "does not fit into int32";
      await refuses(parse(file(header, data)), new RegExp(`x: value ${text} at 1 of ${type} \\[\\d\\] ${rule}`));
      await refuses(() => load(file(header, data)), new RegExp(`x: value ${text} at 1`));
    }
  }
  await refuses(
    parse(entry('"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]')),
    /x: dtype F8_E4M3: F32, F64, .*BOOL can be read/,
  );
});

test("floats become float16 where that is asked for and the device stores it", async () => {
  const half = new ReferenceDevice(true);
  const bytes = encodeSafetensors({ w: host([1, 0.1]), i: { dtype: "int32", shape: [1], data: Int32Array.of(7) } });
  const { w, i } = await load(bytes, { device: half, dtype: "float16" });
  assert.equal([w!.dtype, i!.dtype], ["float16", "int32"]);
  assert.ok(Math.abs((await w!.data())[1]! - 0.1) < 1e-4);
  await refuses(
    () => load(bytes, { dtype: "float16" }),
    /^w: float16 on \w+: a WebGPU device with shader-f16 is expected/,
  );
  await refuses(() => load(bytes, { dtype: "int32" as never }), /^load: dtype int32: float32 or float16 is expected/);
  await refuses(
    () => load(bytes, { map_location: "cpu" } as never),
    /^load: unknown option map_location.*: it takes device, dtype/,
  );
  await refuses(() => load(bytes, 3 as never), /^load: options 3: an object is expected/);
});

test("whatever holds bytes is loaded: of this realm and another, files of addresses and paths", () =>
  folder(async (dir) => {
    const bytes = encodeSafetensors({ w: host([1, 2, 3]) });
    const buffer = bytes.buffer as ArrayBuffer;
    const shared = new SharedArrayBuffer(bytes.length);
    new Uint8Array(shared).set(bytes);
    const foreign = runInNewContext("Uint8Array.from(list)", { list: [...bytes] }) as Uint8Array;
    const path = join(dir, "net ü.safetensors");
    writeFileSync(path, bytes);
    const sources: [string, () => Promise<Record<string, unknown>>][] = [
      ["ArrayBuffer", () => load(buffer)],
      ["SharedArrayBuffer", () => load(shared)],
      ["DataView", () => load(new DataView(buffer))],
      ["Buffer", () => load(Buffer.from(bytes))],
      ["another realm's array", () => load(foreign)],
      ["another realm's buffer", () => load(foreign.buffer)],
      ["Blob", () => load(new Blob([bytes as Uint8Array<ArrayBuffer>]))],
      ["Response", () => load(new Response(bytes as Uint8Array<ArrayBuffer>))],
      ["path", () => load(path)],
      ["URL", () => load(pathToFileURL(path))],
    ];
    for (const [what, f] of sources) {
      const { w } = (await f()) as Record<string, { data(): Promise<Float32Array> }>;
      assert.equal([...(await w!.data())], [1, 2, 3], what);
    }
    for (const bytesOf of [buffer, shared, new DataView(buffer), foreign]) {
      assert.equal([...parseSafetensors(bytesOf).tensors.w!.data], [1, 2, 3]);
    }
    const forms = /^load: .*: a path, a URL, an ArrayBuffer or a view of one, or a Blob is expected$/;
    for (const wrong of [
      undefined,
      null,
      3,
      {},
      [1, 2],
      Promise.resolve(bytes),
      { arrayBuffer: 3 },
      () => {},
      { href: 3 },
      tagged("URL"),
    ])
      await refuses(() => load(wrong as never), forms);
    for (const wrong of [undefined, null, 3, "net.safetensors", {}, new Blob([])])
      await refuses(
        () => parseSafetensors(wrong as never),
        /^safetensors: .*: an ArrayBuffer or a view of one is expected/,
      );
    await refuses(() => load(new Response("", { status: 404 })), /^load: an answer with HTTP status 404/);
    await refuses(() => load(structuredClone(buffer, { transfer: [buffer] }) && buffer), /^safetensors: 0 bytes/);
    await refuses(
      () => load({ arrayBuffer: () => Promise.reject(new Error("gone")) }),
      /gives no bytes: gone: they are expected/,
    );
    await refuses(
      () => load(new URL("file://elsewhere.example/net")),
      /^load: file:\/\/elsewhere.example\/net: .*: the address of a file/,
    );
    for (const kind of ["ArrayBuffer", "SharedArrayBuffer"]) {
      await refuses(() => load(tagged(kind) as ArrayBuffer), /^safetensors: 0 bytes/);
    }
    await refuses(() => load(gzipSync(bytes)), /^safetensors: gzip data: unpacked bytes are expected/);
    await refuses(
      () => load(new TextEncoder().encode("PK\u0003\u0004 and more")),
      /^safetensors: a zip archive, such as torch.save/,
    );
  }));

test("a file at an address", async () => {
  const server = createServer((request, response) => {
    if (request.url === "/net") response.end(encodeSafetensors({ w: host([1, 2, 3]) }));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const home = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
    for (const source of [new URL("net", home), await fetch(`${home}net`)])
      assert.equal([...(await (await load(source)).w!.data())], [1, 2, 3]);
    await refuses(() => load(new URL("none", home)), /^download: http:.*none: HTTP status 404/);
    await refuses(async () => load(await fetch(`${home}none`)), /^load: an answer with HTTP status 404/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("IDX files in whatever holds bytes; packed ones are told how to unpack", async () => {
  const bytes = formatIdx(Uint8Array.of(1, 2, 3), [3]);
  const buffer = bytes.buffer as ArrayBuffer;
  const foreign = runInNewContext("Uint8Array.from(list)", { list: [...bytes] }) as Uint8Array;
  for (const source of [bytes, buffer, new DataView(buffer), Buffer.from(bytes), foreign, foreign.buffer])
    assert.equal([...parseIdx(source).data], [1, 2, 3]);
  const message = await refusal(() => parseIdx(gzipSync(bytes)));
  const form = message.slice(message.indexOf("new Response"));
  // As it is written there.
  const unpacked = await new Function("bytes", `return ${form}`)(gzipSync(bytes));
  assert.equal([...parseIdx(unpacked).data], [1, 2, 3]);
  for (const wrong of [undefined, null, 3, "labels", {}, new Blob([])])
    await refuses(() => parseIdx(wrong as never), /^IDX: .*: an ArrayBuffer or a view of one is expected/);
  await refuses(
    () => parseIdx(bytes, { dim: 1 } as never),
    /^parseIdx: unknown option dim.*: it takes name, dims, items/,
  );
  const empty = Uint8Array.of(0, 0, 8, 2, 255, 255, 255, 255, 0, 0, 0, 0);
  await refuses(() => parseIdx(empty), /^IDX: header says \[4294967295,0\] items: sizes of at most 2147483647/);
  for (const shape of [[-2, -3], [0.5, 4], [2], [], [1, 1, 1, 1, 3], [2 ** 40, 0], ["3"], null, new Array(1)])
    await refuses(() => formatIdx(Uint8Array.of(1, 2, 3), shape as number[]), /^formatIdx: .*(expected|holds)/);
  await refuses(
    () => formatIdx([1, 2, 3] as never, [3]),
    /^formatIdx: a value of type Array: a Uint8Array is expected/,
  );
});

test("labels and inputs in every typed array, of any realm", async () => {
  const inputs = Float32Array.of(0.5, 1.5, 2.5);
  const make = (list: number[]): [string, unknown, string][] => [
    ["BigInt64Array", BigInt64Array.from(list, BigInt), "int32"],
    ["BigUint64Array", BigUint64Array.from(list, BigInt), "int32"],
    ["Int8Array", Int8Array.from(list), "int32"],
    ["Int16Array", Int16Array.from(list), "int32"],
    ["Uint16Array", Uint16Array.from(list), "int32"],
    ["Uint32Array", Uint32Array.from(list), "int32"],
    ["Uint8ClampedArray", Uint8ClampedArray.from(list), "int32"],
    ["Int32Array of another realm", runInNewContext("Int32Array.from(list)", { list }), "int32"],
    ["Uint8Array of another realm", runInNewContext("Uint8Array.from(list)", { list }), "int32"],
    ["Float32Array of another realm", runInNewContext("Float32Array.from(list)", { list }), "float32"],
    ["Float64Array", Float64Array.from(list), "float32"],
  ];
  for (const [kind, labels, dtype] of make([3, 1, 2])) {
    for (const source of [labels, { data: labels, shape: [3] }]) {
      const loader = new DataLoader(new TensorDataset(inputs, source as Int32Array), { batchSize: 3 });
      for await (const [x, y] of loader) {
        assert.equal([...(await x!.data())], [0.5, 1.5, 2.5]);
        assert.equal([y!.dtype, ...(await y!.data())], [dtype, 3, 1, 2], kind);
      }
    }
  }
  const beyond = (labels: object) => refusal(() => new TensorDataset(inputs, labels as Int32Array));
  const text = "at 1: int32, -2^31 to 2^31 - 1, is expected";
  assert.is(await beyond(BigInt64Array.of(1n, 2n ** 40n, 2n)), `TensorDataset: source 2: value 1099511627776 ${text}`);
  assert.is(
    await beyond(BigUint64Array.of(1n, 2n ** 63n, 2n)),
    `TensorDataset: source 2: value 9223372036854775808 ${text}`,
  );
  assert.is(await beyond(Uint32Array.of(1, 2 ** 31, 2)), `TensorDataset: source 2: value 2147483648 ${text}`);
  await refuses(
    () => new TensorDataset(new ArrayBuffer(4) as never),
    /source 1 is a value of type ArrayBuffer: a tensor, a typed array/,
  );
  await refuses(
    () => new TensorDataset({ data: new DataView(new ArrayBuffer(4)) } as never),
    /source 1 is a value of type DataView/,
  );
});

test("what the format does not allow is refused before a byte is written", () =>
  folder(async (dir) => {
    const path = join(dir, "net.safetensors");
    const six = { dtype: "float32", data: new Float32Array(6) };
    const sparse = [1, 2, 3];
    delete sparse[1];
    const wrong: [object, RegExp][] = [
      ...[
        [-2, -3],
        [0.5, 4],
        [2, Number.NaN],
        [2 ** 31, 0],
        ["2", 3],
        [2, [3]],
        [6n],
        new Array(1),
        [{}],
        [Symbol("6")],
      ].map((shape): [object, RegExp] => [
        { ...six, shape },
        /: x: shape \[.*\]: integers from 0 to 2147483647 are expected/,
      ]),
      ...[undefined, null, 6, "6", { length: 1, 0: 6 }].map((shape): [object, RegExp] => [
        { ...six, shape },
        /: x: shape is .*: an array is expected/,
      ]),
      [{ ...six, shape: new Array(65).fill(1) }, /: x: shape of 65 dims/],
      [{ ...six, shape: [5] }, /: x: 6 values for shape \[5\]: it holds 5/],
      ...["toString", "float64", "__proto__", null, {}, 3].map((dtype): [object, RegExp] => [
        { ...six, dtype, shape: [6] },
        /: x is .*: float32, float16, int32, bool are expected/,
      ]),
      ...[undefined, null, "123456", { length: 6 }, new DataView(new ArrayBuffer(6)), new ArrayBuffer(6)].map(
        (data): [object, RegExp] => [
          { ...six, shape: [6], data },
          /: x: data is .*: an array of its values is expected/,
        ],
      ),
      ...[[1, "2", 3], [1, undefined, 3], [1, null, 3], [1, {}, 3], sparse].map((data): [object, RegExp] => [
        { ...six, shape: [3], data },
        /: x: .* at 1: a number is expected/,
      ]),
      ...[
        [1, 2 ** 31, 3],
        [1, 0.5, 3],
        [1, Number.NaN, 3],
        [1, 2n ** 40n, 3],
      ].map((data): [object, RegExp] => [
        { dtype: "int32", shape: [3], data },
        /: x: .* at 1: int32, -2\^31 to 2\^31 - 1, is expected/,
      ]),
    ];
    for (const [x, message] of wrong) {
      await refuses(() => encodeSafetensors({ x } as never), message);
      await refuses(() => saveSafetensors({ x } as never), message);
      await refuses(() => save(path, { w: host([1]), x } as never), message);
    }
    for (const x of [undefined, null, 3, "x", [], {}, () => {}])
      await refuses(() => save(path, { x } as never), /^save \(x\): a value of type .*: a tensor is expected/);
    for (const [tensors, metadata, message] of [
      [{ "a\ud800": host([1]) }, {}, /^save: name a.* half of a pair of surrogates/],
      [{ w: host([1]) }, { a: 1 }, /metadata a is number/],
      [{ w: host([1]) }, { a: "\udc00" }, /metadata a has half of a pair/],
      [{ w: host([1]) }, [], /metadata: a value of type Array: an object of strings is expected/],
      [{ w: host([1]) }, "made by", /metadata: a string: an object of strings is expected/],
      [{ w: host([1]) }, null, /metadata: nothing: an object of strings is expected/],
    ] as const) {
      await refuses(() => save(path, tensors, metadata as never), message);
    }
    const byName = /tensors by name are expected, as in model.stateDict\(\)$/;
    for (const tensors of [
      new Linear(2, 2),
      undefined,
      null,
      3,
      [ones([1])],
      new Map(),
      ones([1]),
      Promise.resolve({}),
    ]) {
      await refuses(() => saveSafetensors(tensors as never), byName);
      await refuses(() => save(path, tensors as never), byName);
    }
    const first = /^save: .*: the file comes first, as in save\(file, tensors\)$/;
    for (const file of [new Linear(2, 2), { w: ones([1]) }, undefined, null, 3]) {
      await refuses(() => save(file as never, path as never), first);
      await refuses(() => (save as (x: unknown) => Promise<void>)(file), first);
    }
    await refuses(
      () => save(new URL("https://localhost/net"), { w: host([1]) }),
      /^save: https:.*: nothing can be written there/,
    );
    assert.equal(readdirSync(dir), [], "nothing was written");
    const plain = {
      f: { dtype: "float32", shape: [2], data: [1, 0.1] },
      i: { dtype: "int32", shape: [2], data: [1n, true] },
    };
    const { f, i } = parseSafetensors(encodeSafetensors(plain as never)).tensors;
    assert.equal([...f!.data, ...i!.data], [1, Math.fround(0.1), 1, 1]);
  }));

const w = { w: host([1, 2]) };
const values = (path: string): number[] => [...parseSafetensors(readFileSync(path)).tensors.w!.data];
const birth = (): number => Math.round(Date.now() / 1000 - process.uptime());
/** This machine, as names of temporary files have it. */
const machine = (): string => {
  let hash = 0;
  for (const letter of hostname()) hash = (hash * 31 + letter.codePointAt(0)!) >>> 0;
  return hash.toString(36);
};

test("leftovers of a killed save go with the next save or load; those of living saves and other files stay", () =>
  folder(async (dir) => {
    const path = join(dir, "net.safetensors");
    // Above the largest number of a process, and this one at another time, and this one now, as another of its threads would have it.
    const dead = [
      `.net.safetensors.${machine()}-4194399-1-abc.tmp`,
      `.net.safetensors.${machine()}-${process.pid}-1-abc.tmp`,
    ];
    const living = [
      `.net.safetensors.${machine()}-${process.pid}-${birth()}-abc.tmp`,
      `.net.safetensors.${machine()}-1-1-abc.tmp`,
    ];
    const elsewhere = `.net.safetensors.elsewhere-4194399-1-abc.tmp`;
    const others = [
      ".net.safetensors.tmp",
      ".net.safetensors.a.tmp",
      "net.safetensors.1-2-3-4.tmp",
      `.other${dead[0]!.slice(4)}`,
    ];
    const stay = [...living, elsewhere, ...others];
    const put = (): void => {
      for (const name of [...dead, ...stay]) writeFileSync(join(dir, name), "half");
    };
    for (const next of [
      () => save(path, w),
      () => load(path),
      () => load(pathToFileURL(path)),
      () => save(pathToFileURL(path), w),
    ]) {
      put();
      await next();
      assert.equal(readdirSync(dir).sort(), [...stay, "net.safetensors"].sort());
    }
    rmSync(path);
    put();
    await refuses(() => load(path), /there is no such file/);
    assert.equal(readdirSync(dir).sort(), [...stay].sort(), "also where no file came of it");
    // What another machine left is nobody's after an hour.
    const { utimesSync } = await import("node:fs");
    const long = Date.now() / 1000 - 3700;
    for (const name of [...living, elsewhere]) utimesSync(join(dir, name), long, long);
    await save(path, w);
    assert.equal(readdirSync(dir).sort(), [...others, "net.safetensors"].sort());
  }));

test("many saves of one file at once: each is whole, none takes another's temporary file", () =>
  folder(async (dir) => {
    const path = join(dir, "net.safetensors");
    await Promise.all(Array.from({ length: 20 }, (_, i) => save(path, { w: host([i, i]) })));
    assert.equal(readdirSync(dir), ["net.safetensors"]);
    const [a, b] = values(path);
    assert.is(a, b);
    const long = join(dir, `${"ü".repeat(110)}.safetensors`);
    await save(long, w);
    assert.equal(values(long), [1, 2], "a name as long as names may be");
  }));

test("symbolic links are written through; mode and owner stay", () =>
  folder(async (dir) => {
    mkdirSync(join(dir, "real"));
    const real = join(dir, "real", "net.safetensors");
    const link = join(dir, "link");
    const linked = join(dir, "linked");
    symlinkSync("linked", link);
    symlinkSync("real/net.safetensors", linked);
    // Where the link leads there is nothing yet.
    await save(link, w);
    assert.ok(lstatSync(link).isSymbolicLink() && lstatSync(linked).isSymbolicLink() && lstatSync(real).isFile());
    for (const mode of [0o600, 0o640, 0o666, 0o755, 0o2755]) {
      chmodSync(real, mode);
      await save(link, { w: host([mode, 2]) });
      assert.equal([statSync(real).mode & 0o7777, values(real)], [mode, [mode, 2]]);
    }
    if (process.getuid?.() === 0) {
      const { chownSync } = await import("node:fs");
      chownSync(real, 1234, 2345);
      chmodSync(real, 0o4640);
      await save(real, w);
      const { uid, gid, mode } = statSync(real);
      assert.equal([uid, gid, mode & 0o7777], [1234, 2345, 0o4640]);
    }
    // What may not be written is not replaced: as somebody who may not, where this process may become one.
    const asNobody = process.getuid?.() === 0 && !("Deno" in globalThis || "Bun" in globalThis);
    if (asNobody || process.getuid?.() !== 0) {
      chmodSync(real, 0o444);
      if (asNobody) {
        chmodSync(dir, 0o777);
        chmodSync(join(dir, "real"), 0o777);
        process.seteuid!(65534);
      }
      try {
        await refuses(() => save(real, { w: host([7, 7]) }), /net\.safetensors: cannot be written: EACCES/);
      } finally {
        if (asNobody) process.seteuid!(0);
      }
      assert.equal(values(real), [1, 2]);
    }
    assert.ok(lstatSync(link).isSymbolicLink() && lstatSync(linked).isSymbolicLink());
    assert.equal([...(await (await load(link)).w!.data())], [1, 2]);
    symlinkSync("round", join(dir, "round"));
    await refuses(() => save(join(dir, "round"), w), /round: cannot be written: /);
    // A leftover lies where the link leads.
    writeFileSync(join(dir, "real", `.net.safetensors.${machine()}-4194399-1-abc.tmp`), "half");
    await load(link);
    assert.equal(
      [readdirSync(join(dir, "real")), readdirSync(dir).sort()],
      [["net.safetensors"], ["link", "linked", "real", "round"]],
    );
    await refuses(() => save(join(dir, "real"), w), /real: cannot be written: /);
    const pipe = join(dir, "pipe");
    if (spawnSync("mkfifo", [pipe]).status === 0) {
      const [bytes] = await Promise.all([readFile(pipe), save(pipe, w)]);
      assert.equal([...parseSafetensors(bytes).tensors.w!.data], [1, 2]);
      assert.ok(statSync(pipe).isFIFO(), "a pipe takes the bytes and stays one");
    }
  }));

test("a process is killed while it saves: the file is whole, nothing is left", async () => {
  const { kills, whole, left } = await kill({ kills: 5, seed: 1 });
  assert.equal([kills, whole, left], [5, 5, 0]);
});

test("some thousands of mutated files", () => {
  const { inputs, wrong } = fuzzFiles({ inputs: 6000, seed: Date.now() & 0xffffff });
  assert.equal([inputs, wrong.slice(0, 3)], [6000, []]);
});

test.run();
