// What is wrong with a wasm file, or with what was asked of `init`, in words, behind its name, and what is said besides: loaded when something is.
import { version } from "../version.ts";
import { fromSources } from "./address.ts";
import { MAX_THREADS } from "./control.ts";

/** What can be done where the file is not where it should be. */
const remedy = (file: string): string =>
  fromSources()
    ? "`npm run build` makes it"
    : `let the server give the package's dist/${file} there, name its address by init({ wasm: address }), or import "wasmgrad/inline", which carries it`;

/** What bytes that are no wasm file look like, for people. */
function looks(bytes: Uint8Array): string {
  if (bytes.length === 0) return "it is empty";
  const start = String.fromCharCode(...bytes.subarray(0, 200)).trimStart();
  if (/^<(!doctype|html|head|body|!--|\?xml)/i.test(start))
    return "it is HTML: a server's page for what it does not find, as a rule";
  const hex = Array.from(bytes.subarray(0, 4), (b) => b.toString(16).padStart(2, "0")).join(" ");
  return `it begins with ${hex}, a wasm file with 00 61 73 6d`;
}

export const ofModule = (): string => "only the bytes of a file can be checked, an address or bytes are expected";

export const nowhere = (): string =>
  'this script does not know its own address, so the file cannot be found: give it by init({ wasm }), or import "wasmgrad/inline", which carries it';

export const unread = (why: string, file: string): string => `the wasm file cannot be read (${why}): ${remedy(file)}`;

export const noAnswer = (why: string, file: string): string =>
  `no answer (${why}): the wasm file must be there, come with CORS headers from another origin, and be allowed by the page's policy (\`connect-src\`): ${remedy(file)}`;

export const status = (code: number, file: string): string =>
  `HTTP status ${code}: the wasm file is not there: ${remedy(file)}`;

export const policy = (): string =>
  "compiling WebAssembly is forbidden here: a page's policy must have 'wasm-unsafe-eval' in `script-src`; where there is no " +
  "policy to change, init({ wasm }) takes a module that was compiled beforehand";

export const noWhole = (why: string, file: string): string =>
  `the answer must be a whole wasm file (${why}): ${remedy(file)}`;

export const brokeOff = (why: string, file: string): string =>
  `it must come whole, and broke off (${why}): ${remedy(file)}`;

export const noWasm = (bytes: Uint8Array, file: string): string =>
  `a wasm file is expected, ${looks(bytes)}: ${remedy(file)}`;

export const damaged = (length: number, why: string, file: string): string =>
  `${length} bytes do not compile (${why}): the file is cut short or damaged: ${remedy(file)}`;

export const notOurs = (): string => `a wasm file of wasmgrad, version ${version}, is expected`;

export const ofVersion = (theirs: string): string =>
  `version ${theirs}: the script is of version ${version}, and both must come from one package`;

export const noAddress = (): string => "an address is expected";

export const noSource = (): string =>
  "an address, bytes, a WebAssembly.Module, or { simd, relaxed } of these is expected";

export const none = (): string => "this host has no WebAssembly SIMD";

export const noRelaxed = (): string => 'this host has no relaxed SIMD, use "simd"';

export const noSimd = (): string => 'this host has no relaxed SIMD, it must be given "simd"';

export const notGiven = (gives: string): string => `it must be among what wasm gives: ${gives}`;

export const another = (build: string): string => `the wasm file given is the build "${build}"`;

export const exchanged = (wanted: string, build: string): string =>
  `the file given for the build "${wanted}" is the build "${build}"`;

export const noDevice = (): string => '"wasm", "webgpu", "auto" or a device is expected';

export const noBuild = (): string => '"simd", "relaxed" or "256" is expected';

export const noThreads = (): string => `an integer from 1 to ${MAX_THREADS} is expected`;

export const noMaximum = (): string => "a positive number of bytes is expected";

export const unshared = (): string =>
  "one thread only: memory cannot be shared here. A page needs the headers Cross-Origin-Opener-Policy: same-origin and " +
  "Cross-Origin-Embedder-Policy: require-corp.";

export const slower = (threads: number, cores: number): string =>
  `${threads} threads on ${cores} cores: more threads than cores are slower, not faster.`;

export const noMemory = (why: string): string =>
  `the host must reserve 16 MiB to share at least, and refused (${why}): end other pages or devices (\`device.dispose()\`)`;

export const tooLittle = (threads: number, bytes: number): string => `${threads} threads alone must have ${bytes}`;

export const auto = (): string => "auto: wasm until calibrate(model, sample) has measured both and chosen";
