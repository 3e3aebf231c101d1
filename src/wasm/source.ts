// From a wasm file to a compiled module: reads, checks what came, and says in words what is wrong with it.
import { fail } from "../core/error.ts";
import { reason } from "../host/fetch.ts";
import { builtin, hasBuiltins } from "../host/node.ts";
import { part } from "../host/part.ts";
import { version } from "../version.ts";
import { FILES, fromSources, urlOf } from "./address.ts";
import { carriedBytes } from "./carried.ts";
import type { Build, WasmSource } from "./options.ts";

/** What can be done where the file is not where it should be. */
const remedy = (file: string): string =>
  fromSources()
    ? "`npm run build` makes it"
    : `let the server give the package's dist/${file} there, name its address by init({ wasm: address }), or import "wasmgrad/inline", which carries it`;

const tag = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

/** ASCII: TextDecoder is not there in every test runner's page. */
const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

const isModule = (source: unknown): boolean => tag(source) === "WebAssembly.Module";

/** An address, bytes or a module; anything else that is an object holds one for each build. */
export const isSource = (value: unknown): value is WasmSource =>
  typeof value === "string" ||
  ["URL", "ArrayBuffer", "SharedArrayBuffer"].includes(tag(value)) ||
  ArrayBuffer.isView(value) ||
  isModule(value);

/** An address as the user gave it: relative to the page, or to the working folder. */
async function given(address: string | URL): Promise<URL> {
  // A single letter in front of the colon is a drive of Windows.
  if (typeof address !== "string" || /^[a-z][a-z\d+.-]+:/i.test(address)) {
    try {
      return new URL(address);
    } catch {
      fail("init", `wasm ${String(address)}: an address is expected`);
    }
  }
  if (hasBuiltins()) {
    const [path, url] = [await builtin("node:path"), await builtin("node:url")];
    return url.pathToFileURL(path.resolve(address));
  }
  const { document, location } = globalThis as { document?: { baseURI: string }; location?: { href: string } };
  return new URL(address, document?.baseURI ?? location?.href);
}

/** A page's Content Security Policy, or a host that compiles nothing while it runs. */
const forbidden = (error: Error): boolean =>
  /Content Security Policy|unsafe-eval|disallowed by embedder/.test(error.message);
const POLICY =
  "compiling WebAssembly is forbidden here: a page's policy must have 'wasm-unsafe-eval' in `script-src`; where there is no " +
  "policy to change, init({ wasm }) takes a module that was compiled beforehand";

/** A compiled module, and the build that it says it is. */
export interface Loaded {
  readonly module: WebAssembly.Module;
  readonly build: Build;
}

/** The module of a build, from the source that was given, or from where the package's file should be. */
export async function moduleOf(
  build: Build,
  source: WasmSource | undefined,
  integrity: string | undefined,
): Promise<Loaded> {
  if (isModule(source)) {
    if (integrity !== undefined)
      fail(
        "init",
        "integrity of a compiled module: only the bytes of a file can be checked, an address or bytes are expected",
      );
    return checked(source as WebAssembly.Module, "the module given");
  }
  const file = FILES[build];
  if (source === undefined) {
    const bytes = await carriedBytes(file);
    if (bytes !== null) return fromBytes(bytes, `${file} in the script`, integrity, file);
    const address = urlOf(file);
    if (address !== null) return fromAddress(address, file, integrity);
    return fail(
      "init",
      `this script does not know its own address, so ${file} cannot be found: give the file by init({ wasm }), or import "wasmgrad/inline", which carries it`,
    );
  }
  if (typeof source === "string" || tag(source) === "URL")
    return fromAddress(await given(source as string | URL), file, integrity);
  const bytes = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source as ArrayBuffer);
  return fromBytes(bytes as Uint8Array<ArrayBuffer>, "the bytes given", integrity, file);
}

async function fromAddress(url: URL, file: string, integrity: string | undefined): Promise<Loaded> {
  if (url.protocol === "file:" && hasBuiltins()) {
    const { readFile } = await builtin("node:fs/promises");
    const bytes = await readFile(url).catch((error: Error) =>
      fail("init", `${url}: the wasm file cannot be read (${error.message}): ${remedy(file)}`),
    );
    return fromBytes(new Uint8Array(bytes), String(url), integrity, file);
  }
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    return fail(
      "init",
      `${url}: no answer (${reason(error)}): the wasm file must be there, come with CORS headers from another origin, and be allowed by the page's policy (\`connect-src\`): ${remedy(file)}`,
    );
  }
  if (!response.ok) fail("init", `${url}: HTTP status ${response.status}: the wasm file is not there: ${remedy(file)}`);
  // Streaming takes this type without any parameter. In Bun a program ends before it is through.
  const streams = response.headers.get("content-type")?.trim().toLowerCase() === "application/wasm" && !hasBuiltins();
  if (integrity === undefined && streams && WebAssembly.compileStreaming !== undefined) {
    const module = await WebAssembly.compileStreaming(response).catch((error: Error) => {
      if (forbidden(error)) fail("init", `${url}: ${POLICY}`);
      return fail("init", `${url}: the answer must be a whole wasm file (${error.message}): ${remedy(file)}`);
    });
    return checked(module, String(url));
  }
  const bytes = await response
    .arrayBuffer()
    .catch((error: Error) =>
      fail("init", `${url}: it must come whole, and broke off (${error.message}): ${remedy(file)}`),
    );
  return fromBytes(new Uint8Array(bytes), String(url), integrity, file);
}

/** What bytes that are no wasm file look like, for people. */
function looks(bytes: Uint8Array): string {
  if (bytes.length === 0) return "it is empty";
  const start = ascii(bytes.subarray(0, 200)).trimStart();
  if (/^<(!doctype|html|head|body|!--|\?xml)/i.test(start))
    return "it is HTML: a server's page for what it does not find, as a rule";
  const hex = Array.from(bytes.subarray(0, 4), (b) => b.toString(16).padStart(2, "0")).join(" ");
  return `it begins with ${hex}, a wasm file with 00 61 73 6d`;
}

async function fromBytes(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  integrity: string | undefined,
  file: string,
): Promise<Loaded> {
  if (integrity !== undefined) {
    const { checkIntegrity } = await part("init", () => import("../host/integrity.ts"));
    await checkIntegrity(bytes, integrity, name);
  }
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d)
    fail("init", `${name}: a wasm file is expected, ${looks(bytes)}: ${remedy(file)}`);
  const module = await WebAssembly.compile(bytes).catch((error: Error) => {
    if (forbidden(error)) fail("init", `${name}: ${POLICY}`);
    return fail(
      "init",
      `${name}: ${bytes.length} bytes do not compile (${error.message}): the file is cut short or damaged: ${remedy(file)}`,
    );
  });
  return checked(module, name);
}

/** Its own word for version and build, which build.mjs writes behind the code. */
function checked(module: WebAssembly.Module, name: string): Loaded {
  const [section] = WebAssembly.Module.customSections(module, "wasmgrad");
  if (section === undefined) return fail("init", `${name}: a wasm file of wasmgrad, version ${version}, is expected`);
  const said = JSON.parse(ascii(new Uint8Array(section))) as { version: string; build: Build };
  if (said.version !== version) {
    fail(
      "init",
      `${name}: version ${said.version}: the script is of version ${version}, and both must come from one package`,
    );
  }
  return { module, build: said.build };
}
