// MNIST: handwritten digits (Yann LeCun, Corinna Cortes, Christopher J. C. Burges), 60,000 to train on and 10,000 to test.
//
// Files are looked for in `dir`, else in the folder that MNIST_DIR names, else in the cache folder, else downloaded from
// the first mirror that gives the right bytes. Every length is checked against the header, every content against its hash.
import { expectOptions, fail, WasmgradError } from "../core/error.ts";
import { download, type Progress } from "../host/fetch.ts";
import {
  cacheFolder,
  environment,
  exists,
  gunzip,
  isGzip,
  joinPath,
  readFile,
  sha256,
  writeFile,
} from "../host/files.ts";
import { type Idx, parseIdx } from "./idx.ts";

/** Labelled images as bytes. */
export interface Images {
  /** What these are, for people. */
  readonly name: string;
  /** Where they came from: a folder, an address, a drawing program. */
  readonly source: string;
  /** True for images that a program drew. */
  readonly synthetic: boolean;
  /** count × rows × cols bytes, 0 (background) to 255. */
  readonly images: Uint8Array;
  /** The digit on each image. */
  readonly labels: Uint8Array;
  /** Number of images. */
  readonly count: number;
  /** Height of an image, in pixels. */
  readonly rows: number;
  /** Width of an image, in pixels. */
  readonly cols: number;
  /** Number of labels that there are: 10 for digits. */
  readonly classes: number;
}

/** How far a download is. */
export interface MnistProgress {
  /** The file on its way, such as `train-images-idx3-ubyte.gz`. */
  readonly file: string;
  /** Where it comes from. */
  readonly url: string;
  /** Bytes so far. */
  readonly received: number;
  /** Bytes to come in all, or null when the server does not tell. */
  readonly total: number | null;
}

/** Options of `MNIST.load`. */
export interface MnistOptions {
  /** The 60,000 to train on (default), or the 10,000 to test. */
  train?: boolean;
  /** The folder with the files, plain or `.gz`; the one that the environment's MNIST_DIR names by default. */
  dir?: string;
  /** Where downloads are kept. The user's cache folder by default; null keeps nothing. */
  cacheDir?: string | null;
  /** Addresses to which file names are appended, tried in turn; `MNIST.mirrors` by default. */
  mirrors?: readonly string[];
  /** False: never ask the network; true by default. */
  download?: boolean;
  /**
   * False: accept files in a folder whose content is not the published one, such as another set in the same format; true by
   * default.
   */
  verify?: boolean;
  /** Longest time without a byte from a mirror, in seconds; 30 by default. */
  stallSeconds?: number;
  /** Called while a file is on its way. */
  onProgress?: (progress: MnistProgress) => void;
  /** Told when the cache cannot be written or used; the console by default. */
  onWarning?: (message: string) => void;
}

/** The digits are in no folder and no mirror gave them: the machine is offline, or they were never fetched. */
export class UnavailableError extends WasmgradError {
  /** The class's name. */
  override name = "UnavailableError";
}

const MIRRORS = [
  "https://ossci-datasets.s3.amazonaws.com/mnist/",
  "https://storage.googleapis.com/cvdf-datasets/mnist/",
  "https://raw.githubusercontent.com/fgnt/mnist/master/",
];

/** SHA-256 of uncompressed files by name. */
type Hashes = Readonly<Record<string, string>>;

const HASHES: Hashes = {
  "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
  "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
  "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
  "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
};

/** More than any of the files, packed or not: a mirror that sends more is not one. */
const LIMIT = 64 << 20;

const OPTIONS = "train? dir cacheDir mirrors download? verify? stallSeconds onProgress onWarning";

/**
 * MNIST: 28x28 images of handwritten digits with their labels, 60,000 to train on and 10,000 to test with. Files are looked for in
 * `dir`, else in the folder that MNIST_DIR names, else in the cache folder, else downloaded.
 */
export const MNIST = {
  /** Addresses of the files, tried in turn. */
  mirrors: MIRRORS as readonly string[],
  /** Names of the uncompressed files, with the SHA-256 of each. */
  files: HASHES,
  /**
   * The images and their labels, as bytes. Every file is held to its SHA-256. Throws `UnavailableError` where there is no file and
   * no network.
   */
  load: (options: MnistOptions = {}, ...none: []): Promise<Images> => load(options, HASHES, none),
};

/** `MNIST.load`, with the hashes that the files must have: tests have small files of their own. @internal */
export async function load(options: MnistOptions, hashes: Hashes, none?: readonly []): Promise<Images> {
  expectOptions("MNIST.load", options, OPTIONS, none);
  const part = (options.train ?? true) ? "train" : "t10k";
  const images = await find({ file: `${part}-images-idx3-ubyte`, dims: 3, items: "images", hashes }, options);
  const labels = await find({ file: `${part}-labels-idx1-ubyte`, dims: 1, items: "labels", hashes }, options);
  const [count, rows, cols] = images.shape as [number, number, number];
  if (labels.shape[0] !== count) {
    const [a, b] = [`${images.source} has ${count} images`, `${labels.source} has ${labels.shape[0]} labels`];
    fail("MNIST", `${a}, ${b}: an image has one label`);
  }
  const kind = part === "train" ? "training" : "test";
  return {
    name: options.verify === false ? `${kind} images in MNIST's format (not verified)` : `MNIST ${kind} digits`,
    source: images.source,
    synthetic: false,
    images: images.data,
    labels: labels.data,
    count,
    rows,
    cols,
    classes: labels.data.reduce((most, label) => Math.max(most, label + 1), 10),
  };
}

/** A file to find, and what it must be. */
interface Wanted {
  readonly file: string;
  readonly dims: number;
  readonly items: string;
  readonly hashes: Hashes;
}

interface Found extends Idx {
  readonly source: string;
}

async function find(wanted: Wanted, options: MnistOptions): Promise<Found> {
  const { onWarning = (message: string) => console.warn(message) } = options;
  const { file } = wanted;
  const folder = options.dir ?? environment("MNIST_DIR");
  if (folder !== undefined) {
    const found = await inFolder(folder, wanted, options.verify ?? true);
    if (found !== null) return found;
    const who = options.dir === undefined ? "the folder that MNIST_DIR names" : "the folder given";
    return fail("MNIST", `${file}: neither it nor ${file}.gz is in ${folder}, ${who}`);
  }
  const cache = options.cacheDir === undefined ? await cacheIn() : options.cacheDir;
  if (cache !== null) {
    try {
      const found = await inFolder(cache, wanted, true);
      if (found !== null) return found;
    } catch (error) {
      onWarning(`${(error as Error).message}; this file of the cache is fetched again`);
    }
  }
  const { bytes, found } = await fromMirrors(wanted, options, (reasons) => {
    const missing = cache === null ? "" : `not in the cache folder ${cache}, and `;
    const cure = "pass dir or set MNIST_DIR to a folder with the files";
    return new UnavailableError(`MNIST: ${file}: ${missing}${reasons}: ${cure}`);
  });
  if (cache !== null) {
    try {
      await writeFile(await joinPath(cache, file), bytes);
    } catch (error) {
      onWarning(`MNIST: ${(error as Error).message}; the digits are used without keeping them`);
    }
  }
  return found;
}

async function cacheIn(): Promise<string | null> {
  const folder = await cacheFolder();
  return folder === null ? null : await joinPath(folder, "mnist");
}

/** The file in a folder, plain or packed; null when it is not there. */
async function inFolder(folder: string, wanted: Wanted, verify: boolean): Promise<Found | null> {
  for (const name of [wanted.file, `${wanted.file}.gz`]) {
    const path = await joinPath(folder, name);
    if (!(await exists(path))) continue;
    const bytes = await unpack(await readFile(path), `MNIST: ${path}`);
    return { ...(await check(bytes, wanted, `MNIST: ${path}`, verify)), source: path };
  }
  return null;
}

async function fromMirrors(
  wanted: Wanted,
  options: MnistOptions,
  unavailable: (reasons: string) => Error,
): Promise<{ bytes: Uint8Array; found: Found }> {
  if (options.download === false) throw unavailable("downloads are off");
  const { onProgress, stallSeconds, mirrors = MIRRORS } = options;
  const file = `${wanted.file}.gz`;
  const reasons: string[] = [];
  for (const mirror of mirrors) {
    const url = `${mirror.endsWith("/") ? mirror : `${mirror}/`}${file}`;
    const report = onProgress && ((p: Progress) => onProgress({ ...p, file }));
    try {
      const bytes = await unpack(await download(url, { onProgress: report, limit: LIMIT, stallSeconds }), url);
      return { bytes, found: { ...(await check(bytes, wanted, url, true)), source: url } };
    } catch (error) {
      if (!(error instanceof WasmgradError)) throw error;
      reasons.push(error.message.replace(/^download: /, ""));
    }
  }
  throw unavailable(mirrors.length === 0 ? "there are no mirrors" : `no mirror gave it (${reasons.join("; ")})`);
}

/** By content, not by name: servers and browsers may have unpacked a `.gz` on the way. */
async function unpack(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  return isGzip(bytes) ? await gunzip(bytes, name, LIMIT) : bytes;
}

async function check(bytes: Uint8Array, wanted: Wanted, name: string, verify: boolean): Promise<Idx> {
  const idx = parseIdx(bytes, { name, dims: wanted.dims, items: wanted.items });
  if (!verify) return idx;
  const [hash, expected] = [await sha256(bytes), wanted.hashes[wanted.file]];
  if (hash === expected) return idx;
  throw new WasmgradError(
    `${name}: SHA-256 of the content is ${hash}, expected ${expected}: these are not MNIST's digits`,
  );
}
