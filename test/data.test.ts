// Data without tensors: IDX, MNIST from folders, cache and mirrors (a loopback server that misbehaves), drawn digits, files.
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { WasmgradError } from "../src/core/error.ts";
import { drawDigits } from "../src/data/digits.ts";
import { formatIdx, parseIdx } from "../src/data/idx.ts";
import { load, MNIST, type MnistOptions, UnavailableError } from "../src/data/mnist.ts";
import { DownloadError, download } from "../src/host/fetch.ts";
import { cacheFolder, writeFile } from "../src/host/files.ts";
import { Clock } from "./clock.ts";
import { until } from "./waiting.ts";

const beside = resolve(fileURLToPath(new URL(".", import.meta.url)), "../../shared/data/mnist");
const realDir = process.env.MNIST_DIR || (existsSync(beside) ? beside : undefined);
delete process.env.MNIST_DIR;

const root = mkdtempSync(join(tmpdir(), "wasmgrad-data-"));
let folders = 0;
const folder = () => mkdtempSync(join(root, `${++folders}-`));

/** The message of the error, with the folder of this run and the server's port out of it. */
const plain = (text: string) =>
  text
    .replaceAll(root, "")
    .replaceAll(/\/\d+-\w{6}\b/g, "DIR")
    .replaceAll(/127\.0\.0\.1:\d+/g, "HOST")
    .replaceAll("\\", "/");

async function refusal(f: () => unknown): Promise<string> {
  try {
    await f();
  } catch (error) {
    assert.instance(error, WasmgradError, String(error));
    return plain((error as Error).message);
  }
  return assert.unreachable("nothing was thrown") as never;
}

// ------------------------------------------------------------------------------------------------------------------ IDX

const bytesOf = (...words: number[]) => {
  const bytes = new Uint8Array(4 * words.length);
  for (let i = 0; i < words.length; i++) new DataView(bytes.buffer).setUint32(4 * i, words[i]!);
  return bytes;
};

test("IDX: what is written is read", () => {
  for (const shape of [[6], [3, 2], [1, 2, 3], [0, 28, 28], [1, 1, 2, 3]]) {
    const n = shape.reduce((a, b) => a * b, 1);
    const data = Uint8Array.from({ length: n }, (_, i) => 250 + i);
    const idx = parseIdx(formatIdx(data, shape));
    assert.equal(idx.shape, shape);
    assert.equal(Array.from(idx.data), Array.from(data));
  }
  // a view in the middle of other bytes
  const inside = new Uint8Array(30).fill(9);
  inside.set(formatIdx(Uint8Array.of(1, 2, 3), [3]), 5);
  assert.equal(Array.from(parseIdx(inside.subarray(5, 16)).data), [1, 2, 3]);
});

test("IDX: every error names the file, what was found and what was expected", async () => {
  const images = { name: "MNIST: train-images-idx3-ubyte", dims: 3, items: "images" };
  const of = (bytes: Uint8Array, options = {}) => refusal(() => parseIdx(bytes, options));
  const header = bytesOf(0x803, 60000, 28, 28);
  const cut = new Uint8Array(1000);
  cut.set(header);
  const messages = [
    await of(new Uint8Array(0), images),
    await of(new Uint8Array(3), { name: "a" }),
    await of(header.subarray(0, 12), images),
    await of(cut, images),
    await of(header, images),
    await of(formatIdx(new Uint8Array(5), [5]), images),
    await of(Uint8Array.of(...bytesOf(0x801, 4), 0, 0, 0, 0, 0), { name: "MNIST: labels", dims: 1, items: "labels" }),
    await of(bytesOf(0x1f8b0800, 1), images),
    await of(bytesOf(0x00000d03, 1, 1, 1, 1), images),
    await of(bytesOf(0x00000805, 1, 1, 1, 1, 1)),
    await of(bytesOf(0x00000800)),
    await of(bytesOf(0x00000804, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff)),
  ];
  const mnist = "MNIST: train-images-idx3-ubyte:";
  assert.equal(messages, [
    `${mnist} 0 bytes, an IDX file begins with 4 bytes of magic number: it is cut short`,
    "a: 3 bytes, an IDX file begins with 4 bytes of magic number: it is cut short",
    `${mnist} 12 bytes, the header for 3 dimensions alone has 16: it is cut short`,
    `${mnist} header says 60000 images of 28x28 (47040016 bytes), the file has 1000: it is cut short`,
    `${mnist} header says 60000 images of 28x28 (47040016 bytes), the file has 16: it is cut short`,
    `${mnist} magic number 0x00000801, expected 0x00000803 (unsigned bytes, 3 dimensions): it has 1 dimension`,
    "MNIST: labels: header says 4 labels (12 bytes), the file has 13: it is too long",
    `${mnist} 8 bytes of gzip data: unpacked bytes are expected, as await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer()`,
    `${mnist} magic number 0x00000d03, expected 0x00000803 (unsigned bytes, 3 dimensions): its values have another type`,
    "IDX: magic number 0x00000805, expected 0x00000800 + dimensions (unsigned bytes): it has 5 dimensions, from 1 to 4 are read",
    "IDX: magic number 0x00000800, expected 0x00000800 + dimensions (unsigned bytes): it has 0 dimensions, from 1 to 4 are read",
    "IDX: header says [4294967295,4294967295,4294967295,4294967295] items (3.402823666040258e+38 bytes), the file has 20: it is cut short",
  ]);
});

// ---------------------------------------------------------------------------------------------- a small set, and a server

const COUNT = 7;
const pixels = Uint8Array.from({ length: COUNT * 12 }, (_, i) => (i * 37) & 255);
const classes = Uint8Array.from({ length: COUNT }, (_, i) => (i * 3) % 10);
const files: Record<string, Uint8Array> = {
  "train-images-idx3-ubyte": formatIdx(pixels, [COUNT, 4, 3]),
  "train-labels-idx1-ubyte": formatIdx(classes, [COUNT]),
  "t10k-images-idx3-ubyte": formatIdx(pixels.subarray(0, 24), [2, 4, 3]),
  "t10k-labels-idx1-ubyte": formatIdx(classes.subarray(0, 2), [2]),
};
const hashes = Object.fromEntries(
  Object.entries(files).map(([name, bytes]) => [name, createHash("sha256").update(bytes).digest("hex")]),
);
const small = (options: MnistOptions) => {
  const onProgress: MnistOptions["onProgress"] = (p) => {
    came[p.url.split("/")[3]!] = p.received;
    options.onProgress?.(p);
  };
  const given = { download: false, cacheDir: null, onWarning: (m: string) => assert.unreachable(m), ...options };
  return load({ ...given, onProgress }, hashes);
};
/** Bytes of the last download that have come, by the first part of the path. */
const came: Record<string, number> = {};

/** Longest time without a byte. Only `clock` lets it go by. */
const STALL_MS = 300;
const stallSeconds = STALL_MS / 1000;
let clock: Clock;

/** A folder with the small set. */
function filled(pack: boolean): string {
  const dir = folder();
  for (const [name, bytes] of Object.entries(files)) {
    writeFileSync(join(dir, pack ? `${name}.gz` : name), pack ? gzipSync(bytes) : bytes);
  }
  return dir;
}

/** What the server does with a packed file, by the first part of the path. */
const ways: Record<string, (response: ServerResponse, packed: Buffer) => unknown> = {
  good: (r, packed) => r.writeHead(200, { "content-length": packed.length }).end(packed),
  missing: (r) => r.writeHead(404).end("no such file"),
  broken: (r) => r.writeHead(503, "Down for tea").end(),
  /** Says all and sends half. */
  cut: async (r, packed) => {
    const half = packed.length >> 1;
    await send(r, packed, "cut", 0, half);
    r.destroy();
  },
  /** Says nothing and sends half. */
  half: (r, packed) => r.writeHead(200).end(packed.subarray(0, packed.length >> 1)),
  other: (r) => r.writeHead(200).end(gzipSync(formatIdx(new Uint8Array(COUNT * 12), [COUNT, 4, 3]))),
  page: (r) => r.writeHead(200, { "content-type": "text/html" }).end("<html>Log in to this network"),
  /** Sends ten bytes, then nothing. */
  stalled: async (r, packed) => {
    await send(r, packed, "stalled", 0, 10);
    clock.pass(STALL_MS);
  },
  /** Never answers. */
  silent: () => clock.pass(STALL_MS),
  /** A server that calls the packing an encoding, so that the host unpacks. */
  encoded: (r, packed) => r.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length }).end(packed),
  /** In parts. */
  parts: (r, packed) => {
    r.writeHead(200, { "content-length": packed.length });
    let at = 0;
    const send = () => {
      if (at >= packed.length) return r.end();
      r.write(packed.subarray(at, at + 20));
      at += 20;
      setTimeout(send, 20);
    };
    send();
  },
  /** Each part comes just before it is too late. */
  slow: async (r, packed) => {
    for (let at = 0; at < packed.length; at += 20) {
      await send(r, packed, "slow", at, at + 20);
      clock.pass(0.9 * STALL_MS);
    }
    r.end();
  },
};

/** Sends bytes `from` to `to`, and waits until the client has them. */
async function send(r: ServerResponse, packed: Buffer, way: string, from: number, to: number): Promise<void> {
  if (from === 0) r.writeHead(200, { "content-length": packed.length });
  r.write(packed.subarray(from, to));
  const length = Math.min(to, packed.length);
  await until(`${length} bytes at the client`, () => came[way] === length || r.destroyed);
}

const asked: string[] = [];
const server = createServer((request, response) => {
  const [, way, name] = request.url!.split("/");
  asked.push(`${way}/${name}`);
  const packed =
    realDir && way === "real" ? readFileSync(join(realDir, name!)) : gzipSync(files[name!.replace(".gz", "")]!);
  delete came[way!];
  void (ways[way!] ?? ways.good)!(response, packed);
});
const mirrors = (...names: string[]) => {
  const { port } = server.address() as AddressInfo;
  return names.map((name) => `http://127.0.0.1:${port}/${name}/`);
};

test.before(() => {
  clock = new Clock(STALL_MS);
  return new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
});
test.after(() => {
  clock.end();
  server.closeAllConnections();
  server.close();
  rmSync(root, { recursive: true, force: true });
});

// -------------------------------------------------------------------------------------------------------- MNIST in folders

test("MNIST: plain and packed files in a folder, from dir or MNIST_DIR", async () => {
  for (const pack of [false, true]) {
    const dir = filled(pack);
    const train = await small({ dir });
    assert.is(train.count, COUNT);
    assert.equal([train.rows, train.cols, train.classes], [4, 3, 10]);
    assert.equal(Array.from(train.images), Array.from(pixels));
    assert.equal(Array.from(train.labels), Array.from(classes));
    assert.is(train.synthetic, false);
    assert.is(train.source, join(dir, `train-images-idx3-ubyte${pack ? ".gz" : ""}`));
    process.env.MNIST_DIR = dir;
    const testing = await small({ train: false });
    delete process.env.MNIST_DIR;
    assert.is(testing.count, 2);
    assert.is(testing.name, "MNIST test digits");
  }
});

test("MNIST: a folder given is the folder used, and its files are checked", async () => {
  const dir = filled(false);
  const images = join(dir, "train-images-idx3-ubyte");
  const whole = readFileSync(images);
  const of = (options: MnistOptions = {}) => refusal(() => small({ dir, download: true, ...options }));

  writeFileSync(images, whole.subarray(0, 50));
  const cut = await of();
  const wrong = Buffer.from(whole);
  wrong[3] = 2;
  writeFileSync(images, wrong);
  const magic = await of();
  const other = Buffer.from(whole);
  other[20]! ^= 1;
  writeFileSync(images, other);
  const content = await of();
  assert.is((await small({ dir, verify: false })).name, "training images in MNIST's format (not verified)");
  writeFileSync(images, whole);
  writeFileSync(join(dir, "train-labels-idx1-ubyte"), formatIdx(classes.subarray(1), [COUNT - 1]));
  const counts = await of({ verify: false });
  rmSync(images);
  const none = await of();
  process.env.MNIST_DIR = dir;
  const named = await refusal(() => small({ download: true }));
  delete process.env.MNIST_DIR;
  writeFileSync(`${images}.gz`, gzipSync(whole).subarray(0, 40));
  const packed = await of();
  assert.match(
    packed,
    /^MNIST: DIR\/train-images-idx3-ubyte\.gz: gzip data of \d+ bytes, \d+ unpacked .*: it is cut short or damaged$/,
  );

  const [got, expected] = [createHash("sha256").update(other).digest("hex"), hashes["train-images-idx3-ubyte"]];
  const at = "MNIST: DIR/train-images-idx3-ubyte";
  assert.equal(
    [cut, magic, content, counts, none, named],
    [
      `${at}: header says 7 images of 4x3 (100 bytes), the file has 50: it is cut short`,
      `${at}: magic number 0x00000802, expected 0x00000803 (unsigned bytes, 3 dimensions): it has 2 dimensions`,
      `${at}: SHA-256 of the content is ${got}, expected ${expected}: these are not MNIST's digits`,
      "MNIST: DIR/train-images-idx3-ubyte has 7 images, DIR/train-labels-idx1-ubyte has 6 labels: an image has one label",
      "MNIST: train-images-idx3-ubyte: neither it nor train-images-idx3-ubyte.gz is in DIR, the folder given",
      "MNIST: train-images-idx3-ubyte: neither it nor train-images-idx3-ubyte.gz is in DIR, the folder that MNIST_DIR names",
    ],
  );
});

test("MNIST: an unknown option, and nothing anywhere", async () => {
  assert.is(
    await refusal(() => MNIST.load({ folder: "x" } as MnistOptions)),
    "MNIST.load: unknown option folder: it takes " +
      "train, dir, cacheDir, mirrors, download, verify, stallSeconds, onProgress, onWarning",
  );
  const cacheDir = folder();
  const cure = "pass dir or set MNIST_DIR to a folder with the files";
  const file = "MNIST: train-images-idx3-ubyte";
  assert.equal(
    [
      await refusal(() => small({ cacheDir })),
      await refusal(() => small({})),
      await refusal(() => small({ download: true, mirrors: [] })),
    ],
    [
      `${file}: not in the cache folder DIR, and downloads are off: ${cure}`,
      `${file}: downloads are off: ${cure}`,
      `${file}: there are no mirrors: ${cure}`,
    ],
  );
  await small({ cacheDir }).then(
    () => assert.unreachable(),
    (error) => assert.instance(error, UnavailableError),
  );
});

// -------------------------------------------------------------------------------------------------------- MNIST from mirrors

test("MNIST: the first good mirror is used after bad ones, and the cache has whole files only", async () => {
  const cacheDir = join(folder(), "made", "on demand");
  const seen: string[] = [];
  const train = await small({
    download: true,
    cacheDir,
    mirrors: mirrors("missing", "cut", "half", "other", "page", "stalled", "good"),
    stallSeconds,
    onProgress: (p) => void seen.push(`${p.url.split("/")[3]} ${p.file} ${p.received}/${p.total}`),
  });
  assert.equal(Array.from(train.images), Array.from(pixels));
  assert.match(train.source, /\/good\/train-images-idx3-ubyte\.gz$/);
  assert.equal(readdirSync(cacheDir).sort(), ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]);
  assert.equal(
    new Uint8Array(readFileSync(join(cacheDir, "train-images-idx3-ubyte"))),
    files["train-images-idx3-ubyte"],
  );
  const size = gzipSync(files["train-images-idx3-ubyte"]!).length;
  assert.ok(seen.includes(`good train-images-idx3-ubyte.gz 0/${size}`));
  assert.ok(seen.includes(`good train-images-idx3-ubyte.gz ${size}/${size}`));

  asked.length = 0;
  const again = await small({ download: true, cacheDir, mirrors: mirrors("good") });
  assert.equal(asked, [], "the cache answers");
  assert.is(again.source, join(cacheDir, "train-images-idx3-ubyte"));
});

test("MNIST: every bad mirror is named with its reason, and nothing is written", async () => {
  const cacheDir = folder();
  const gone = createServer();
  await new Promise<void>((done) => void gone.listen(0, "127.0.0.1", done));
  const closed = `http://127.0.0.1:${(gone.address() as AddressInfo).port}/`;
  await new Promise((done) => gone.close(done));
  const bad = ["missing", "broken", "cut", "half", "other", "page", "stalled", "silent"];
  const options = { download: true, cacheDir, mirrors: [...mirrors(...bad), closed], stallSeconds };
  const message = await refusal(() => small(options));
  assert.equal(readdirSync(cacheDir), []);
  const [size, hash] = [gzipSync(files["train-images-idx3-ubyte"]!).length, hashes["train-images-idx3-ubyte"]];
  const at = (way: string) => `http://HOST/${way}/train-images-idx3-ubyte.gz: `;
  for (const part of [
    "MNIST: train-images-idx3-ubyte: not in the cache folder DIR, and no mirror gave it (",
    `${at("missing")}HTTP status 404 Not Found; `,
    `${at("broken")}HTTP status 503 Down for tea; `,
    `${at("cut")}${size >> 1} of ${size} bytes came, then `,
    ": it is cut short; ",
    `${at("half")}gzip data of 61 bytes, `,
    `${at("other")}SHA-256 of the content is `,
    `, expected ${hash}: these are not MNIST's digits; `,
    `${at("page")}magic number 0x3c68746d, expected 0x00000803 (unsigned bytes, 3 dimensions): it is not an IDX file; `,
    `${at("stalled")}no byte for 0.3 seconds, after 10 of ${size} bytes: it stalled; `,
    `${at("silent")}no byte for 0.3 seconds, after 0 bytes: it stalled; `,
    "http://HOST/train-images-idx3-ubyte.gz: no answer: fetch failed (connect ECONNREFUSED HOST)",
    "): pass dir or set MNIST_DIR to a folder with the files",
  ]) {
    assert.ok(message.includes(part), `"${part}" in: ${message}`);
  }
  await small(options).then(
    () => assert.unreachable(),
    (error) => assert.instance(error, UnavailableError),
  );
});

test("MNIST: slow is not stalled, an encoded answer counts, a mirror without a slash at its end too", async () => {
  for (const way of ["slow", "encoded"]) {
    const mirror = mirrors(way)[0]!.slice(0, -1);
    const train = await small({ download: true, mirrors: [mirror], stallSeconds });
    assert.equal(Array.from(train.labels), Array.from(classes));
  }
});

test("MNIST: a damaged file in the cache is fetched again, an unwritable cache only warned of", async () => {
  const cacheDir = folder();
  const warnings: string[] = [];
  const onWarning = (message: string) => void warnings.push(plain(message));
  const options = { download: true, mirrors: mirrors("good"), onWarning };
  writeFileSync(join(cacheDir, "train-images-idx3-ubyte"), files["train-images-idx3-ubyte"]!.subarray(0, 60));
  await small({ ...options, cacheDir });
  assert.equal(
    new Uint8Array(readFileSync(join(cacheDir, "train-images-idx3-ubyte"))),
    files["train-images-idx3-ubyte"],
  );
  assert.is(warnings.length, 1);
  assert.match(
    warnings[0]!,
    /header says 7 images .* the file has 60: it is cut short; this file of the cache is fetched again$/,
  );

  warnings.length = 0;
  writeFileSync(join(root, "file"), "");
  assert.is((await small({ ...options, cacheDir: join(root, "file", "cache") })).count, COUNT);
  assert.is(warnings.length, 2);
  assert.match(warnings[0]!, /^MNIST: .*cannot be written: .*; the digits are used without keeping them$/);
});

test("MNIST: two processes' worth of loads into one cache", async () => {
  const cacheDir = folder();
  const options = { download: true, cacheDir, mirrors: mirrors("parts") };
  const all = await Promise.all([small(options), small(options), small(options)]);
  assert.ok(all.every((d) => d.count === COUNT));
  assert.equal(readdirSync(cacheDir).sort(), ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]);
});

test("download: limits, and the caller's own error", async () => {
  const url = `${mirrors("good")[0]}train-images-idx3-ubyte.gz`;
  const size = gzipSync(files["train-images-idx3-ubyte"]!).length;
  const at = "download: http://HOST/good/train-images-idx3-ubyte.gz:";
  assert.is(await refusal(() => download(url, { limit: 10 })), `${at} ${size} bytes: at most 10 are expected`);
  assert.is(
    await refusal(() => download(url, { stallSeconds: 0 })),
    `${at} stallSeconds 0: a positive number is expected`,
  );
  const half = `${mirrors("half")[0]}train-images-idx3-ubyte.gz`;
  assert.match(await refusal(() => download(half, { limit: 10 })), /more than 10 bytes: it is too long$/);
  const mine = new Error("stop");
  const stop = () => {
    throw mine;
  };
  await download(url, { onProgress: stop }).then(
    () => assert.unreachable(),
    (error) => assert.is(error, mine),
  );
  const gone = `${mirrors("missing")[0]}train-images-idx3-ubyte.gz`;
  await download(gone).then(
    () => assert.unreachable(),
    (error) => {
      assert.instance(error, DownloadError);
      assert.is(error.status, 404);
    },
  );
});

// ---------------------------------------------------------------------------------------------------------------- the host

test("files: a write that fails leaves nothing and keeps what was there", async () => {
  const dir = folder();
  const path = join(dir, "a");
  await writeFile(path, Uint8Array.of(1, 2));
  await writeFile(path, Uint8Array.of(3));
  assert.equal([...readFileSync(path)], [3]);
  const taken = join(dir, "taken");
  await writeFile(join(taken, "inside"), Uint8Array.of(1));
  assert.match(await refusal(() => writeFile(taken, Uint8Array.of(2))), /^DIR\/taken: cannot be written: /);
  assert.equal(readdirSync(dir).sort(), ["a", "taken"]);
});

test("files: the cache folder follows XDG_CACHE_HOME", async () => {
  const before = process.env.XDG_CACHE_HOME;
  process.env.XDG_CACHE_HOME = join(root, "xdg");
  assert.is(await cacheFolder(), join(root, "xdg", "wasmgrad"));
  delete process.env.XDG_CACHE_HOME;
  assert.match((await cacheFolder())!, /wasmgrad$/);
  if (before !== undefined) process.env.XDG_CACHE_HOME = before;
});

// ------------------------------------------------------------------------------------------------------------ drawn digits

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("drawn digits: seeded, labelled, and never called MNIST", async () => {
  const a = drawDigits({ count: 600, seed: 3 });
  const b = drawDigits({ count: 600, seed: 3 });
  assert.is(digest(a.images), digest(b.images));
  assert.is(digest(a.labels), digest(b.labels));
  assert.equal(drawDigits({ count: 50, seed: 3 }).images, a.images.slice(0, 50 * 784), "a prefix");
  assert.is.not(digest(drawDigits({ count: 600, seed: 4 }).images), digest(a.images));
  assert.is.not(digest(drawDigits({ count: 600, seed: 3, train: false }).images), digest(a.images));
  assert.is(a.synthetic, true);
  assert.equal([a.count, a.rows, a.cols, a.classes, a.images.length], [600, 28, 28, 10, 600 * 784]);
  assert.not.match(`${a.name} ${a.source}`, /mnist/i);
  const tally = new Array(10).fill(0);
  for (const label of a.labels) tally[label]++;
  assert.ok(
    tally.every((n) => n > 30),
    `labels: ${tally}`,
  );
  assert.is(drawDigits({ train: false }).count, 2000);
  assert.equal(
    [
      await refusal(() => drawDigits({ count: 0 })),
      await refusal(() => drawDigits({ seed: -1 })),
      await refusal(() => drawDigits({ size: 3 } as never)),
    ],
    [
      "drawDigits: count 0: a positive integer is expected",
      "drawDigits: seed -1: an integer of at least 0 is expected",
      "drawDigits: unknown option size: it takes train, count, seed",
    ],
  );
});

test("drawn digits: the nearest of 2,000 is right for most of 200", () => {
  const train = drawDigits({ count: 2000 });
  const testing = drawDigits({ train: false, count: 200 });
  let right = 0;
  for (let i = 0; i < testing.count; i++) {
    let best = Number.POSITIVE_INFINITY;
    let label = -1;
    for (let j = 0; j < train.count; j++) {
      let distance = 0;
      for (let k = 0; k < 784 && distance < best; k++) {
        distance += (testing.images[i * 784 + k]! - train.images[j * 784 + k]!) ** 2;
      }
      if (distance < best) {
        best = distance;
        label = train.labels[j]!;
      }
    }
    if (label === testing.labels[i]) right++;
  }
  assert.ok(right >= 170, `${right} of 200`);
});

// ----------------------------------------------------------------------------------------------------------- the real digits

const real = realDir === undefined ? test.skip : test;
const why = realDir === undefined ? " (skipped: MNIST_DIR is not set)" : "";
if (why !== "") console.log(`data.test: real MNIST digits${why}`);

real(`MNIST: the real digits from a folder${why}`, async () => {
  const train = await MNIST.load({ dir: realDir! });
  const testing = await MNIST.load({ dir: realDir!, train: false });
  assert.equal([train.count, testing.count, train.rows, train.cols], [60000, 10000, 28, 28]);
  assert.equal([...train.labels.subarray(0, 10)], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  assert.equal([...testing.labels.subarray(0, 5)], [7, 2, 1, 0, 4]);
});

real(`MNIST: the real digits from a mirror, through the cache${why}`, async () => {
  const cacheDir = folder();
  const options = { cacheDir, mirrors: mirrors("other", "real"), train: false };
  const first = await MNIST.load(options);
  assert.match(first.source, /\/real\/t10k-images/);
  const second = await MNIST.load({ ...options, mirrors: [] });
  assert.is(digest(second.images), digest(first.images));
});

test.run();
