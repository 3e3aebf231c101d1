// The published package where the wasm file is not what it should be, the worker does not start, or the host reserves
// little memory: an error that names the file and says what to do, or slower work that says so.
import { createHash } from "node:crypto";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type * as Package from "../src/index.ts";
import { findChromium } from "./browser/page.ts";
import { packed } from "./published/pack.ts";
import { headersOf, openBrowser, serveFolder } from "./published/pages.ts";
import { HANG_MS } from "./waiting.ts";

const { folder, close } = await packed();
const home = join(folder, "node_modules", "wasmgrad");
const load = (path: string): Promise<typeof Package> => import(pathToFileURL(join(path, "dist", "index.js")).href);
const w = await load(home);
const simd = new Uint8Array(await readFile(join(home, "dist", "simd.wasm")));
const relaxed = new Uint8Array(await readFile(join(home, "dist", "relaxed.wasm")));

// ------------------------------------------------------------------------------------------------------- the files

/** A module without the custom sections of that name, and one more. */
function withSection(bytes: Uint8Array, name: string, text: string): Uint8Array {
  const number = (at: number): [value: number, end: number] => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return [value, at];
    }
  };
  const kept: Uint8Array[] = [bytes.subarray(0, 8)];
  for (let at = 8; at < bytes.length; ) {
    const [size, body] = number(at + 1);
    const [length, begin] = number(body);
    const called = new TextDecoder().decode(bytes.subarray(begin, begin + length));
    if (bytes[at] !== 0 || called !== name) kept.push(bytes.subarray(at, body + size));
    at = body + size;
  }
  const utf8 = (t: string): Uint8Array => new TextEncoder().encode(t);
  const body = [name.length, ...utf8(name), ...utf8(text)];
  return Buffer.concat([...kept, Uint8Array.of(0, body.length, ...body)]);
}

const other = withSection(simd, "wasmgrad", JSON.stringify({ version: "9.8.7", build: "simd" }));
const elf = Uint8Array.from({ length: 4096 }, (_, i) => [127, 69, 76, 70][i] ?? (i * 37) & 255);
const empty = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
const html = new TextEncoder().encode("<!doctype html>\n<html><body>This app needs JavaScript.</body></html>");

interface Answer {
  readonly body: Uint8Array;
  readonly status?: number;
  readonly type?: string | null;
  /** Ends the connection before all has been sent. */
  readonly breaks?: boolean;
}

/** By path: what is wrong, and a word of it that the error must have. */
const WRONG: Readonly<Record<string, Answer & { readonly word: RegExp }>> = {
  "other-version": { body: other, word: /9\.8\.7/ },
  "not-ours": { body: empty, word: /wasmgrad/ },
  "not-wasm": { body: elf, word: /7f 45 4c 46|no wasm/ },
  "not-wasm-by-type": { body: elf, type: "application/octet-stream", word: /7f 45 4c 46|no wasm/ },
  html: { body: html, type: "text/html", word: /HTML/ },
  "html-as-wasm": { body: html, word: /HTML|wasm file/ },
  missing: { body: html, status: 404, type: "text/html", word: /404/ },
  "server-error": { body: html, status: 503, type: "text/html", word: /503/ },
  truncated: { body: simd.subarray(0, simd.length >> 1), word: /short|damaged|whole/ },
  "truncated-by-type": { body: simd.subarray(0, simd.length >> 1), type: null, word: /short|damaged|whole/ },
  "broken-off": { body: simd, breaks: true, word: /broke|whole|short/ },
  empty: { body: new Uint8Array(0), word: /empty|whole/ },
  "empty-by-type": { body: new Uint8Array(0), type: null, word: /empty/ },
};
/** What works, although it looks odd. */
const RIGHT: Readonly<Record<string, Answer>> = {
  right: { body: simd },
  "as-text": { body: simd, type: "text/plain" },
  untyped: { body: simd, type: null },
  "with-parameters": { body: simd, type: "application/wasm; charset=utf-8" },
};

let asked = 0;
const server = createServer((request, response) => {
  asked++;
  const answer = { ...WRONG, ...RIGHT }[request.url!.slice(1)]!;
  const { body, status = 200, type = "application/wasm", breaks = false } = answer;
  response.writeHead(status, { "content-length": body.length, ...(type === null ? {} : { "content-type": type }) });
  if (!breaks) response.end(body);
  else response.write(body.subarray(0, 1000), () => response.destroy());
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = (name: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;
test.after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await close();
});

// ------------------------------------------------------------------------------------------------------ what is said

const says = (message: string, words: RegExp): void => assert.ok(words.test(message), `${words} is not in: ${message}`);

/** What `init` says no with; of ours, and nothing about how the package is built. */
async function refusal(options: Package.InitOptions, from = w): Promise<string> {
  try {
    await from.init({ threads: 1, fresh: true, ...options });
  } catch (error) {
    const { message, stack } = error as Error;
    assert.instance(error, from.WasmgradError, stack);
    assert.match(message, /^init: /);
    assert.not.match(message, /npm run build/);
    return message;
  }
  throw new Error(`no error with ${Object.keys(options)}`);
}

/** Words by which a person knows how to go on. */
const REMEDY = /init\(\{ wasm|must come from one package|version [\d.]+ is (expected|needed)|install|is expected/;

/** A product by the default device. */
async function works(): Promise<void> {
  const [product] = await w
    .ones([64, 64])
    .matmul(w.ones([64, 64]))
    .data();
  assert.is(product, 64);
}

for (const [name, { word }] of Object.entries(WRONG)) {
  test(`${name}, by its address`, async () => {
    const message = await refusal({ wasm: address(name), simd: "simd" });
    assert.ok(message.includes(address(name)), `names ${address(name)}: ${message}`);
    says(message, word);
    says(message, REMEDY);
    // A second try asks again: a failure is not kept.
    const before = asked;
    await refusal({ wasm: new URL(address(name)), simd: "simd" });
    assert.is(asked, before + 1);
  });
}

for (const name of Object.keys(RIGHT)) {
  test(`${name}, by its address: works`, async () => {
    await w.init({ wasm: address(name), simd: "simd", threads: 1 });
    await works();
  });
}

test("bytes that are not the file", async () => {
  const cases: [Uint8Array, RegExp][] = [
    [other, /9\.8\.7/],
    [empty, /wasmgrad/],
    [elf, /7f 45 4c 46|no wasm/],
    [html, /HTML/],
    [simd.subarray(0, simd.length >> 1), /short|damaged/],
    [new Uint8Array(0), /empty/],
  ];
  for (const [bytes, word] of cases) {
    const message = await refusal({ wasm: bytes, simd: "simd" });
    says(message, word);
    says(message, /the bytes given|bytes/);
    says(message, REMEDY);
  }
});

test("compiled modules that are not ours, or of another version", async () => {
  says(await refusal({ wasm: new WebAssembly.Module(empty) }), /module/);
  says(await refusal({ wasm: new WebAssembly.Module(other as Uint8Array<ArrayBuffer>) }), /9\.8\.7/);
});

test("a file of another build than the one that is asked for", async () => {
  await w.init();
  if (w.info().build !== "relaxed") return;
  says(await refusal({ wasm: relaxed, simd: "simd" }), /relaxed/);
  says(await refusal({ wasm: { simd: relaxed }, simd: "simd" }), /relaxed/);
  says(await refusal({ wasm: { simd }, simd: "relaxed" }), /relaxed/);
});

test("no server there", async () => {
  const nobody = createServer();
  await new Promise<void>((resolve) => nobody.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(nobody.address() as AddressInfo).port}/simd.wasm`;
  await new Promise((resolve) => nobody.close(resolve));
  const message = await refusal({ wasm: url, simd: "simd" });
  assert.ok(message.includes(url), message);
  says(message, REMEDY);
});

test("no file there: an address, a path, and the package's own", async () => {
  const file = join(folder, "nowhere", "simd.wasm");
  for (const wasm of [file, pathToFileURL(file)]) {
    const message = await refusal({ wasm, simd: "simd" });
    assert.ok(message.includes(file), message);
    says(message, REMEDY);
  }
  const copy = join(folder, "copy");
  await cp(home, copy, { recursive: true });
  await rm(join(copy, "dist", "simd.wasm"));
  const message = await refusal({ simd: "simd" }, await load(copy));
  assert.ok(message.includes(join(copy, "dist", "simd.wasm")), message);
  says(message, REMEDY);
});

test("other things than a wasm file, and options that are misspelt", async () => {
  for (const wasm of [7, null, [], {}, { relaxe: simd }, true]) {
    const message = await refusal({ wasm: wasm as never, simd: "simd" });
    says(message, /wasm/);
    says(message, /expected|gives/);
  }
});

// --------------------------------------------------------------------------------------------------------- integrity

const digest = (kind: string, bytes: Uint8Array): string =>
  `${kind}-${createHash(kind).update(bytes).digest("base64")}`;

test("integrity that is not the file's names both, and the address", async () => {
  for (const kind of ["sha256", "sha384", "sha512"]) {
    const wrong = digest(kind, elf);
    const message = await refusal({ wasm: address("right"), simd: "simd", integrity: wrong });
    for (const part of [address("right"), wrong, digest(kind, simd)]) assert.ok(message.includes(part), message);
  }
  const own = await refusal({ simd: "simd", integrity: digest("sha384", elf) });
  assert.ok(own.includes("simd.wasm"), own);
  says(await refusal({ wasm: simd, simd: "simd", integrity: digest("sha384", elf) }), /integrity/);
});

test("integrity comes before everything else that is wrong with the bytes", async () => {
  says(await refusal({ wasm: address("html"), simd: "simd", integrity: digest("sha384", simd) }), /integrity/);
});

test("the strongest kind of digest counts", async () => {
  const integrity = `${digest("sha256", simd)} ${digest("sha384", elf)}`;
  says(await refusal({ wasm: simd, simd: "simd", integrity }), /sha384/);
  await w.init({
    wasm: simd,
    simd: "simd",
    threads: 1,
    integrity: `${digest("sha256", elf)} ${digest("sha384", simd)}`,
  });
  await works();
});

test("malformed integrity is named, and nothing is taken for want of a digest", async () => {
  const odd = ["", "   ", "sha384", "sha384-", "md5-AAAA", "sha384-#", `sha384 ${"A".repeat(64)}`, "sha1-AAAA"];
  for (const integrity of odd) {
    for (const wasm of [simd, address("right")]) {
      says(await refusal({ wasm, simd: "simd", integrity }), /integrity.*expected/);
    }
  }
  for (const integrity of [7, null, {}]) {
    says(await refusal({ wasm: simd, simd: "simd", integrity: integrity as never }), /integrity/);
  }
});

test("integrity of a compiled module cannot be checked", async () => {
  const wasm = new WebAssembly.Module(simd);
  says(await refusal({ wasm, integrity: digest("sha384", simd) }), /integrity/);
});

// ------------------------------------------------------------------------------------------------------------ memory

const { Memory } = WebAssembly;

/** A host that reserves so many pages of 64 KiB at most. */
async function withMost(pages: number, use: () => Promise<void>): Promise<void> {
  class Stub {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      if ((descriptor.maximum ?? 0) > pages) throw new RangeError("WebAssembly.Memory(): could not allocate memory");
      // biome-ignore lint/correctness/noConstructorReturn: memories are made by the host alone
      return new Memory(descriptor);
    }
  }
  WebAssembly.Memory = Stub as unknown as typeof Memory;
  try {
    await use();
  } finally {
    WebAssembly.Memory = Memory;
  }
}

test("what the host does not reserve is halved, and info names the outcome", async () => {
  for (const threads of [1, 2]) {
    await withMost(20_000, async () => {
      await w.init({ threads, fresh: true });
      const info = w.info() as Package.DeviceInfo & { maximumMemory?: number };
      assert.is(info.maximumMemory, 16_384 * 65_536);
      assert.is(info.threads, threads);
      await works();
    });
  }
});

test("a host that reserves nothing gets an error that says how much was asked for", async () => {
  await withMost(1, async () => {
    const message = await refusal({});
    says(message, /memory/i);
    says(message, /maximumMemory|\d+ (bytes|MiB|GiB)/);
    says(message, /reserve|allocate/);
  });
  await withMost(0, async () => {
    says(await refusal({}), /memory/i);
  });
});

// ------------------------------------------------------------------------------------------------------------ workers

const executablePath = findChromium();
const inPage = executablePath === null ? test.skip : test;
if (executablePath === null) console.log("skipped: a worker that does not start: no Chromium is installed");

inPage("a worker's file that is not there: one thread, which says so once", async () => {
  const html = `<!doctype html><script type="importmap">${JSON.stringify({
    imports: { wasmgrad: "/node_modules/wasmgrad/dist/index.js" },
  })}</script><script type="module">globalThis.w = await import("wasmgrad")</script>`;
  await writeFile(join(folder, "index.html"), html);
  const headers = headersOf({ isolated: true, csp: "none" });
  const site = await serveFolder(folder, headers);
  const browser = await openBrowser(executablePath!);
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(HANG_MS);
    const warnings: string[] = [];
    page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
    await page.goto(site.url);
    await page.waitForFunction(() => "w" in globalThis);
    const info = await page.evaluate(async (most) => {
      const { w } = globalThis as unknown as { w: typeof Package };
      const before = await w.init({ threads: 2, simd: "simd", worker: "missing/worker.js" } as Package.InitOptions);
      // It works from the first moment, whatever becomes of the workers.
      const product = w.ones([64, 64]).matmul(w.ones([64, 64]));
      if ((await product.data())[0] !== 64) throw new Error("wrong product");
      const limit = performance.now() + most;
      while (before.info.threads > 1 && performance.now() < limit) await new Promise((r) => setTimeout(r, 10));
      return w.info();
    }, HANG_MS);
    assert.is(info.threads, 1, JSON.stringify(info));
    says(info.why, /worker/);
    assert.ok(info.why.includes(`${site.url}missing/worker.js`), info.why);
    assert.is(warnings.length, 1, warnings.join("\n"));
    assert.ok(warnings[0]!.includes(`${site.url}missing/worker.js`), warnings[0]);
    says(warnings[0]!, /init\(\{ worker/);
  } finally {
    await browser.close();
    await site.close();
  }
});

test("after all that the package still works", async () => {
  await w.init();
  await works();
});

test.run();
