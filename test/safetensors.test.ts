// The safetensors writer and reader: round trips, what other programs write, and every way a file can be wrong.
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { setDefaultDevice } from "../src/core/device.ts";
import { WasmgradError } from "../src/core/error.ts";
import { load, save, saveSafetensors } from "../src/io/index.ts";
import { encodeSafetensors, type HostTensor, parseSafetensors } from "../src/io/safetensors.ts";
import { Linear, Sequential } from "../src/nn/index.ts";
import { ones, t } from "../src/ops/index.ts";
import { ReferenceDevice } from "./reference.ts";

setDefaultDevice(new ReferenceDevice());

const some: Record<string, HostTensor> = {
  "0.weight": { dtype: "float32", shape: [2, 3], data: Float32Array.of(1, -2.5, 0, Number.NaN, -0, 1e-45) },
  mask: { dtype: "bool", shape: [3], data: Int32Array.of(1, 0, 1) },
  labels: { dtype: "int32", shape: [2], data: Int32Array.of(-5, 2 ** 31 - 1) },
  scalar: { dtype: "float32", shape: [], data: Float32Array.of(3) },
  nothing: { dtype: "float32", shape: [0, 4], data: new Float32Array(0) },
};

/** A file with this header and so many bytes of data. */
function file(header: unknown, data: number | Uint8Array = 0): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const body = typeof data === "number" ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

function refuses(bytes: Uint8Array, message: RegExp): void {
  try {
    parseSafetensors(bytes, "model.safetensors");
  } catch (error) {
    assert.instance(error, WasmgradError, String(error));
    assert.match((error as Error).message, /^model\.safetensors: /);
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable(`accepted, instead of ${message}`);
}

const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "it was accepted",
    (error: Error) => error.message,
  );

const one = (over: object): object => ({ x: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...over } });

test("a round trip keeps names, dtypes, shapes, bits and metadata", () => {
  const bytes = encodeSafetensors(some, { format: "pt", note: "naïve ☂" });
  const { tensors, metadata } = parseSafetensors(bytes);
  assert.equal(metadata, { format: "pt", note: "naïve ☂" });
  assert.equal(new Set(Object.keys(tensors)), new Set(Object.keys(some)));
  for (const [name, x] of Object.entries(some)) {
    assert.equal([tensors[name]!.dtype, tensors[name]!.shape], [x.dtype, x.shape]);
    assert.equal(new Uint8Array(tensors[name]!.data.buffer), new Uint8Array(x.data.buffer), name);
  }
  assert.is(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8, 0, "the data is aligned");
  assert.equal(parseSafetensors(encodeSafetensors({})), { tensors: {}, metadata: {} });
});

test("a view into a larger buffer is read at its place", () => {
  const bytes = encodeSafetensors(some);
  const larger = new Uint8Array(bytes.length + 3);
  larger.set(bytes, 3);
  assert.equal(parseSafetensors(larger.subarray(3)).tensors.labels, some.labels);
});

test("half precision and 64-bit integers are read", () => {
  const data = new Uint8Array(8 + 6 + 16);
  const view = new DataView(data.buffer);
  [0x3c00, 0xc100, 0x0001, 0x7c00].forEach((v, i) => {
    view.setUint16(2 * i, v, true);
  });
  [0x3f80, 0xc040, 0x7f80].forEach((v, i) => {
    view.setUint16(8 + 2 * i, v, true);
  });
  view.setBigInt64(14, -7n, true);
  view.setBigInt64(22, 2n ** 31n - 1n, true);
  const header = {
    h: { dtype: "F16", shape: [4], data_offsets: [0, 8] },
    b: { dtype: "BF16", shape: [3], data_offsets: [8, 14] },
    i: { dtype: "I64", shape: [2], data_offsets: [14, 30] },
  };
  const { h, b, i } = parseSafetensors(file(header, data)).tensors;
  assert.equal([...h!.data], [1, -2.5, 2 ** -24, Number.POSITIVE_INFINITY]);
  assert.equal([...b!.data], [1, -3, Number.POSITIVE_INFINITY]);
  assert.equal([i!.dtype, ...i!.data], ["int32", -7, 2 ** 31 - 1]);
  view.setBigInt64(22, 2n ** 31n, true);
  refuses(file(header, data), /i: value 2147483648 at 1 of I64 \[2\] does not fit into int32/);
});

test("lengths", () => {
  refuses(new Uint8Array(0), /0 bytes/);
  refuses(new Uint8Array(7), /7 bytes/);
  refuses(file("{}").subarray(0, 9), /header length 2: the file has 1 bytes behind it/);
  const huge = file("{}");
  new DataView(huge.buffer).setBigUint64(0, 2n ** 63n, true);
  refuses(huge, /header length 9223372036854775808: at most 100000000 is allowed/);
  new DataView(huge.buffer).setBigUint64(0, 100_000_001n, true);
  refuses(huge, /at most 100000000/);
  const whole = encodeSafetensors(some);
  for (let n = 0; n < whole.length; n++) refuses(whole.subarray(0, n), /./);
  const longer = new Uint8Array(whole.length + 1);
  longer.set(whole);
  refuses(longer, /bytes of data, the tensors take/);
});

test("the header", () => {
  refuses(file(""), /a \{ is expected/);
  refuses(file(" {}"), /a \{ is expected/);
  refuses(file("[]"), /a \{ is expected/);
  refuses(file("{]"), /not JSON/);
  refuses(file("{} x"), /not JSON: x at byte 3: nothing may stand behind/);
  const bytes = file('{"a":0}');
  bytes[10] = 0xff;
  refuses(bytes, /not UTF-8/);
  const x = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
  refuses(file(`{"x":${x},"x":${x}}`, 4), /the key "x" twice/);
  refuses(file(`{"x":${x},"\\u0078":${x}}`, 4), /the key "x" twice/);
  refuses(file(`{"x":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), /"dtype" twice/);
  refuses(file({ __metadata__: { a: 1 } }), /__metadata__: an object of strings/);
  refuses(file({ __metadata__: "a" }), /__metadata__: an object of strings/);
  assert.equal(parseSafetensors(file("{}   ")).tensors, {});
});

test("entries", () => {
  refuses(file({ x: 1 }), /x: an object with dtype/);
  refuses(file({ x: null }), /x: an object with dtype/);
  refuses(file(one({ dtype: "F13" }), 8), /x: dtype F13: F32, /);
  refuses(file(one({ dtype: "toString" }), 8), /x: dtype toString/);
  refuses(file(one({ dtype: 3 }), 8), /x: dtype 3/);
  for (const shape of [2, null, [-2], [1.5], ["2"], [1e300], [null], [2 ** 40, 2 ** 40]])
    refuses(file(one({ shape }), 8), /x: shape/);
  for (const offsets of [0, [0], [0, 8, 8], [-8, 0], [0, 7.5], ["0", 8], null]) {
    refuses(file(one({ data_offsets: offsets }), 8), /x: data_offsets/);
  }
  refuses(file(one({ data_offsets: [8, 0] }), 8), /outside the 8 bytes/);
  refuses(file(one({ data_offsets: [0, 16] }), 8), /outside the 8 bytes/);
  refuses(file(one({ data_offsets: [0, 4] }), 8), /takes 8 bytes, data_offsets \[0,4\] give 4/);
  refuses(file(one({ shape: [3] }), 8), /F32 \[3\] takes 12 bytes/);
  refuses(file(one({ shape: [2 ** 30, 2 ** 30] }), 8), /takes 4611686018427388000 bytes/);
  refuses(file(one({ extra: 1 }), 8), /x: unknown field extra/);
  refuses(file({ x: { dtype: "F32", shape: [2] } }, 8), /x: data_offsets is missing/);
  refuses(file({ x: { dtype: "BOOL", shape: [1], data_offsets: [0, 1] } }, Uint8Array.of(2)), /0 or 1 is expected/);
});

test("holes and overlaps", () => {
  const two = (a: number, b: number, size: number) =>
    file(
      {
        x: { dtype: "F32", shape: [1], data_offsets: [a, a + 4] },
        y: { dtype: "F32", shape: [1], data_offsets: [b, b + 4] },
      },
      size,
    );
  assert.ok(parseSafetensors(two(4, 0, 8)));
  refuses(two(0, 5, 9), /y begins at 5, the tensor before it ends at 4/);
  refuses(two(0, 2, 6), /y begins at 2/);
  refuses(two(0, 0, 4), /begins at 0/);
  refuses(two(4, 8, 12), /x begins at 4, the tensor before it ends at 0/);
  refuses(two(0, 4, 9), /9 bytes of data, the tensors take 8/);
});

test("what the writer refuses", () => {
  const x = some.scalar!;
  assert.throws(() => encodeSafetensors({ __metadata__: x }), /name __metadata__/);
  assert.throws(() => encodeSafetensors({ x: { ...x, shape: [2] } }), /x: 1 values for shape \[2\]/);
  assert.throws(() => encodeSafetensors({ x }, { a: 1 as unknown as string }), /metadata a is number/);
  assert.throws(() => encodeSafetensors({ x: { ...x, dtype: "f64" as "float32" } }), /x is f64/);
});

test("state dicts to a file and back, whole or not at all", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wasmgrad-safetensors-"));
  try {
    const path = join(folder, "net.safetensors");
    const net = new Sequential(new Linear(3, 2), new Linear(2, 1, { bias: false }));
    await save(path, net.stateDict(), { made: "by a test" });
    assert.equal(readdirSync(folder), ["net.safetensors"], "no temporary file is left");
    const other = new Sequential(new Linear(3, 2), new Linear(2, 1, { bias: false }));
    assert.equal(other.loadStateDict(await load(path)), { missingKeys: [], unexpectedKeys: [] });
    const bytes = await Promise.all([net, other].map((m) => saveSafetensors(m.stateDict())));
    assert.equal(bytes[0], bytes[1]);
    truncateSync(path, 60);
    assert.match(await refusal(load(path)), /net\.safetensors: header length/);
    assert.match(await refusal(load(join(folder, "none"))), /none: cannot be read: there is no such file/);
    const released = ones([2]);
    released.dispose();
    assert.match(await refusal(save(join(folder, "new"), { released })), /released by dispose/);
    assert.is(existsSync(join(folder, "new")), false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("transposed views are written as they are seen", async () => {
  const x = ones([2, 3]);
  const bytes = await saveSafetensors({ x: t(x) });
  assert.equal(parseSafetensors(bytes).tensors.x!.shape, [3, 2]);
  assert.equal((await load(bytes)).x!.shape, [3, 2]);
});

test.run();
