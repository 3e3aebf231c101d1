// The forms in which `init` takes the wasm file; the argument names one. A server of the loopback gives the one of HTTP.
import { createHash } from "node:crypto";
import { cpSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { told, train } from "./train.mjs";

const form = process.argv[2];
const here = createRequire(import.meta.url);
/** Copies, under names that the package does not know. */
for (const name of ["simd", "relaxed"]) cpSync(here.resolve(`wasmgrad/${name}.wasm`), `deep/copy of ${name}.wasm`);
const place = (name) => pathToFileURL(`deep/copy of ${name}.wasm`);
const read = (name) => readFileSync(place(name));
const compiled = (name) => new WebAssembly.Module(read(name));
const hash = (algorithm) => `${algorithm}-${createHash(algorithm).update(read("simd")).digest("base64")}`;

let asked = 0;
const server = createServer((_, response) => {
  asked++;
  response.writeHead(200, { "content-type": "application/wasm" }).end(read("simd"));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = `http://127.0.0.1:${server.address().port}/deep/other-name`;

const FORMS = {
  "own file, integrity": () => ({ integrity: hash("sha384") }),
  URL: () => ({ wasm: place("simd") }),
  "URL as text": () => ({ wasm: place("simd").href }),
  "path from the working folder": () => ({ wasm: "./deep/copy of simd.wasm" }),
  http: () => ({ wasm: address }),
  "http, integrity": () => ({ wasm: address, integrity: hash("sha384") }),
  Uint8Array: () => ({ wasm: read("simd") }),
  "bytes, integrity": () => ({ wasm: read("simd"), integrity: `${hash("sha256")} ${hash("sha512")}` }),
  ArrayBuffer: () => ({ wasm: new Uint8Array(read("simd")).buffer }),
  "WebAssembly.Module": () => ({ wasm: compiled("simd") }),
  "{ simd, relaxed }: addresses": () => ({ wasm: { simd: place("simd"), relaxed: "deep/copy of relaxed.wasm" } }),
  "{ simd, relaxed }: bytes": () => ({ wasm: { simd: read("simd"), relaxed: read("relaxed") } }),
  "{ simd, relaxed }: modules": () => ({ wasm: { simd: compiled("simd"), relaxed: compiled("relaxed") } }),
  inline: () => ({}),
  "inline/simd": () => ({}),
};
const inline = form.startsWith("inline");
const w = await import(inline ? `wasmgrad/${form}` : "wasmgrad");
const trained = await train(w, FORMS[form]());
server.close();
if (asked !== Number(form.startsWith("http"))) throw new Error(`the server was asked ${asked} times`);

// Of several the best that the host can run; of one, that one.
if (!form.includes("integrity")) {
  await w.init(FORMS[form]());
  const { build } = w.info();
  const [product] = await w
    .ones([64, 64])
    .matmul(w.ones([64, 64]))
    .data();
  const several = form.startsWith("{") || form === "inline";
  if (build !== (several ? "relaxed" : "simd")) throw new Error(JSON.stringify(w.info()));
  if (product !== 64) throw new Error(`a product is ${product}, not 64`);
}
console.log(told(trained));
