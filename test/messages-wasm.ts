// Messages about wasm files that are not what they should be, and about workers and memory: what brings them about.
import { readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import * as w from "../src/index.ts";
import { until } from "./waiting.ts";

type Any = never;

const simd = readFileSync(new URL("../dist/simd.wasm", import.meta.url));
const relaxed = readFileSync(new URL("../dist/relaxed.wasm", import.meta.url));
/** The smallest module, with a custom section of that name. */
const module = (name: string, text: string): Uint8Array => {
  const content = [name.length, ...new TextEncoder().encode(name + text)];
  return Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 0, content.length, ...content);
};
const given = (wasm: unknown, more: w.InitOptions = {}) =>
  w.init({ threads: 1, wasm: wasm as Any, fresh: true, ...more });

/** Asks for a wasm file at an address on the loopback, where `answer` answers. */
async function served(answer: (response: ServerResponse) => unknown, close = false): Promise<unknown> {
  const server = createServer((_, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/simd.wasm`;
  const end = (): unknown => server.closeAllConnections() ?? server.close();
  if (close) end();
  try {
    return await given(url);
  } catch (error) {
    (error as Error).message = (error as Error).message.replaceAll(url, "<server>/simd.wasm");
    throw error;
  } finally {
    if (!close) end();
  }
}

async function withMemory(refuses: (pages: number) => boolean, f: () => Promise<unknown>): Promise<unknown> {
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class {
    constructor(wanted: WebAssembly.MemoryDescriptor) {
      if (refuses(wanted.maximum!)) throw new RangeError("could not allocate memory");
      // biome-ignore lint/correctness/noConstructorReturn: the host's own memory
      return new Memory(wanted);
    }
  } as typeof Memory;
  try {
    return await f();
  } finally {
    WebAssembly.Memory = Memory;
  }
}

export const wasmFiles: Record<string, () => unknown> = {
  "wasm: a file that is not there": () => given(new URL("file:///nowhere/at/all.wasm")),
  "wasm: nothing that could be one": () => given(7),
  "wasm: no address": () => given("http://["),
  "wasm: null": () => given(null),
  "wasm: another key": () => given({ fast: simd }),
  "wasm: no build": () => given({}),
  "wasm: another build was asked for": () => given(simd, { simd: "relaxed" }),
  "wasm: the build that was asked for is not given": () => given({ simd }, { simd: "relaxed" }),
  "wasm: given under another name": () => given({ simd: relaxed }),
  "wasm: HTML": () => given(new TextEncoder().encode(" <!DOCTYPE html><title>Not found</title>")),
  "wasm: another kind of file": () => given(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1)),
  "wasm: empty": () => given(new Uint8Array(0)),
  "wasm: cut short": () => given(simd.subarray(0, 5000)),
  "wasm: not ours": () => given(module("name", "x")),
  "wasm: of another version": () => given(module("wasmgrad", '{"version":"9.9.9","build":"simd"}')),
  "wasm: HTTP status": () => served((response) => response.writeHead(404).end("<!doctype html>")),
  "wasm: streamed, cut short": () =>
    served((response) => response.writeHead(200, { "content-type": "application/wasm" }).end(simd.subarray(0, 5000))),
  "wasm: broken off": async () => {
    const { fetch } = globalThis;
    let answered = false;
    globalThis.fetch = async (...args) => {
      const response = await fetch(...args);
      answered = true;
      return response;
    };
    try {
      return await served(async (response) => {
        response.writeHead(200, { "content-length": simd.length }).write(simd.subarray(0, 500));
        await until("the answer", () => answered);
        response.destroy();
      });
    } finally {
      globalThis.fetch = fetch;
    }
  },
  "wasm: no answer": () => served(() => {}, true),
  "integrity: another digest": () => given(simd, { integrity: "sha384-AAAA sha256-BBBB" }),
  "integrity: no string": () => given(simd, { integrity: { "simd.wasm": "sha384-AAAA" } as Any }),
  "wasm: a response": () => given(new Response("")),
  "integrity: not a digest": () => given(simd, { integrity: "md5-AAAA" }),
  "integrity: of a module": async () => given(await WebAssembly.compile(simd), { integrity: "sha256-AAAA" }),
  "memory: refused": () =>
    withMemory(
      () => true,
      () => w.init({ threads: 1, fresh: true }),
    ),
};
