// From a wasm file to a compiled module: reads, checks what came, and says in words what is wrong with it.
import { fail, given, kindOf } from "../core/error.ts";
import { hasBuiltins } from "../host/node.ts";
import { part, side } from "../host/part.ts";
import { reason } from "../host/reason.ts";
import { version } from "../version.ts";
import { FILES, urlOf } from "./address.ts";
import { carried } from "./carried.ts";
import type { Address, Build, WasmSource } from "./options.ts";

/** ASCII: TextDecoder is not there in every test runner's page. */
const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

const isModule = (source: unknown): boolean => kindOf(source) === "WebAssembly.Module";

type Wrong = typeof import("./wrong.ts");
type Parts<F> = F extends (...rest: infer A) => string ? A : never;

/** An address, bytes or a module; anything else that is an object holds one for each build. */
export const isSource = (value: unknown): value is WasmSource =>
  typeof value === "string" ||
  ["URL", "ArrayBuffer", "SharedArrayBuffer"].includes(kindOf(value)) ||
  ArrayBuffer.isView(value) ||
  isModule(value);

/** An address as the user gave it: relative to the page, or to the working folder. */
async function resolved(address: string | Address): Promise<URL> {
  // A single letter in front of the colon is a drive of Windows.
  if (typeof address !== "string" || /^[a-z][a-z\d+.-]+:/i.test(address)) {
    try {
      return new URL(address as string);
    } catch {
      return wrong("noAddress", `wasm ${given(address)}`);
    }
  }
  if (hasBuiltins()) return (await side()).addressOf(address);
  const { document, location } = globalThis as { document?: { baseURI: string }; location?: { href: string } };
  return new URL(address, document?.baseURI ?? location?.href);
}

/** A page's Content Security Policy, or a host that compiles nothing while it runs. */
const forbidden = (error: Error): boolean =>
  /Content Security Policy|unsafe-eval|disallowed by embedder/.test(error.message);

/** A sentence, which is loaded for that. */
export async function words<K extends keyof Wrong>(what: K, rest: Parts<Wrong[K]>): Promise<string> {
  const said = (await import("./wrong.ts").catch(() => null)) as Record<string, (...all: unknown[]) => string> | null;
  return said === null ? [what, ...rest].join(" ") : said[what]!(...rest);
}

/** Throws. */
export async function wrong<K extends keyof Wrong>(
  what: K,
  name: string | URL,
  ...rest: Parts<Wrong[K]>
): Promise<never> {
  return fail("init", `${name}: ${await words(what, rest)}`);
}

/** Says what does no harm. */
export async function warn<K extends keyof Wrong>(what: K, ...rest: Parts<Wrong[K]>): Promise<void> {
  console.warn(`wasmgrad: ${await words(what, rest)}`);
}

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
    if (integrity !== undefined) return wrong("ofModule", "integrity of a compiled module");
    return checked(source as WebAssembly.Module, "the module given");
  }
  const file = FILES[build];
  if (source === undefined) {
    const bytes = await carried.get(file)?.();
    if (bytes !== undefined) return fromBytes(bytes, `${file} in the script`, integrity, file);
    const address = urlOf(file);
    if (address !== null) return fromAddress(address, file, integrity);
    return wrong("nowhere", file);
  }
  if (typeof source === "string" || kindOf(source) === "URL")
    return fromAddress(await resolved(source as string | Address), file, integrity);
  const bytes = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source as ArrayBuffer);
  return fromBytes(bytes as Uint8Array<ArrayBuffer>, "the bytes given", integrity, file);
}

async function fromAddress(url: URL, file: string, integrity: string | undefined): Promise<Loaded> {
  if (url.protocol === "file:" && hasBuiltins()) {
    const { readFile } = await side();
    const bytes = await readFile(url).catch((error: Error) => wrong("unread", url, error.message, file));
    return fromBytes(bytes, String(url), integrity, file);
  }
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    return wrong("noAnswer", url, reason(error), file);
  }
  if (!response.ok) return wrong("status", url, response.status, file);
  // Streaming takes this type without any parameter. In Bun a program ends before it is through.
  const streams = response.headers.get("content-type")?.trim().toLowerCase() === "application/wasm" && !hasBuiltins();
  if (integrity === undefined && streams && WebAssembly.compileStreaming !== undefined) {
    const module = await WebAssembly.compileStreaming(response).catch((error: Error) =>
      forbidden(error) ? wrong("policy", url) : wrong("noWhole", url, error.message, file),
    );
    return checked(module, String(url));
  }
  const bytes = await response.arrayBuffer().catch((error: Error) => wrong("brokeOff", url, error.message, file));
  return fromBytes(new Uint8Array(bytes), String(url), integrity, file);
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
    return wrong("noWasm", name, bytes, file);
  const module = await WebAssembly.compile(bytes).catch((error: Error) =>
    forbidden(error) ? wrong("policy", name) : wrong("damaged", name, bytes.length, error.message, file),
  );
  return checked(module, name);
}

/** Its own word for version and build, which build.mjs writes behind the code. */
async function checked(module: WebAssembly.Module, name: string): Promise<Loaded> {
  const [section] = WebAssembly.Module.customSections(module, "wasmgrad");
  if (section === undefined) return wrong("notOurs", name);
  const said = JSON.parse(ascii(new Uint8Array(section))) as { version: string; build: Build };
  if (said.version !== version) return wrong("ofVersion", name, said.version);
  return { module, build: said.build };
}
