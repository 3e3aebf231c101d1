// The options of the examples. An error names the option, the value and the rule, and ends the program with code 2.
import { parseArgs } from "node:util";

export interface Options {
  epochs: number;
  /** Images in a batch. */
  batch: number;
  lr: number;
  optimizer: "sgd" | "adam";
  device: "wasm" | "webgpu";
  /** Undefined: as many as the host offers. */
  threads: number | undefined;
  /** Of the initial weights and of the order of the images. */
  seed: number;
  /** Folder with MNIST's files. */
  data: string | undefined;
  save: string | undefined;
  json: string | undefined;
  capture: boolean;
  amp: boolean;
  deterministic: boolean;
  simd: "simd" | "relaxed" | undefined;
  /** Train and test with the first images only. */
  limit: number | undefined;
}

/** What one example does when it is not told otherwise. */
export interface Defaults {
  /** The file's name, without `.ts`. */
  name: string;
  /** One line for `--help`. */
  about: string;
  epochs: number;
  batch: number;
  optimizer: Options["optimizer"];
  /** The learning rate depends on the optimizer. */
  lr: Record<Options["optimizer"], number>;
}

export class UsageError extends Error {
  override name = "UsageError";
}

/** Value and meaning of each option; without a value it is a switch. */
const KNOWN = {
  epochs: ["N", "times through the training images"],
  batch: ["N", "images in a batch"],
  lr: ["X", "learning rate at the start; it falls to zero in equal steps"],
  optimizer: ["NAME", "sgd (momentum 0.9) or adam"],
  device: ["NAME", "wasm or webgpu (default wasm)"],
  threads: ["N", "wasm threads (default: as many as the machine offers)"],
  seed: ["N", "of the weights and the order of the images (default 1): the same seed gives the same bits"],
  data: ["DIR", "folder with MNIST's files (default: $MNIST_DIR, else the cache, else a download)"],
  save: ["FILE", "write the trained weights, as safetensors"],
  json: ["FILE", "write the results, as JSON"],
  limit: ["N", "use the first N images only"],
  simd: ["BUILD", "simd or relaxed (default: relaxed where the machine has it)"],
  capture: [null, "record the training step once, then replay it"],
  deterministic: [null, "with --capture: the same bits as without it"],
  amp: [null, "with --device webgpu: products in float16, where the GPU has it"],
  help: [null, "show this"],
} as const satisfies Record<string, readonly [string | null, string]>;

type Name = keyof typeof KNOWN;

/** Reads `argv`, the arguments behind the file's name. Null: help was asked for. */
export function parseOptions(argv: readonly string[], defaults: Defaults): Options | null {
  const given = split(argv);
  if (given.has("help")) return null;
  const optimizer = oneOf(given, "optimizer", ["sgd", "adam"]) ?? defaults.optimizer;
  const device = oneOf(given, "device", ["wasm", "webgpu"]) ?? "wasm";
  for (const name of ["threads", "simd"] as const) {
    if (device === "webgpu" && given.has(name)) throw new UsageError(`--${name}: it is an option of --device wasm`);
  }
  if (device === "wasm" && given.has("amp")) throw new UsageError("--amp: it is an option of --device webgpu");
  return {
    epochs: integer(given, "epochs", 1) ?? defaults.epochs,
    batch: integer(given, "batch", 1) ?? defaults.batch,
    lr: rate(given) ?? defaults.lr[optimizer],
    optimizer,
    device,
    threads: integer(given, "threads", 1, 64),
    seed: integer(given, "seed", 0) ?? 1,
    data: text(given, "data"),
    save: text(given, "save"),
    json: text(given, "json"),
    capture: given.has("capture"),
    amp: given.has("amp"),
    deterministic: given.has("deterministic"),
    simd: oneOf(given, "simd", ["simd", "relaxed"]),
    limit: integer(given, "limit", 1),
  };
}

/** What `--help` shows. */
export function help(defaults: Defaults): string {
  const { name, about, epochs, batch, optimizer, lr } = defaults;
  const rows = Object.entries(KNOWN).map(([key, [value, meaning]]): string => {
    const known: Record<string, string> = {
      ...{ epochs: `${epochs}`, batch: `${batch}`, optimizer },
      lr: `${lr.adam} for adam, ${lr.sgd} for sgd`,
    };
    const rest = known[key] === undefined ? "" : ` (default ${known[key]})`;
    return `  ${`--${key}${value === null ? "" : ` ${value}`}`.padEnd(18)}${meaning}${rest}`;
  });
  return `${name}: ${about}\n\nOptions:\n${rows.join("\n")}`;
}

/** parseArgs reads, the checks are ours: its own messages name neither the value nor the known options. */
function split(argv: readonly string[]): Map<Name, string | undefined> {
  const options = Object.fromEntries(
    Object.entries(KNOWN).map(([key, [value]]) => [key, { type: value === null ? "boolean" : "string" } as const]),
  );
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const given = new Map<Name, string | undefined>();
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      throw new UsageError(`argument ${token.value}: options begin with --${list()}`);
    }
    const { name, rawName, value } = token;
    if (!Object.hasOwn(KNOWN, name)) throw new UsageError(`option ${rawName} is unknown${list()}`);
    const [takes] = KNOWN[name as Name];
    if (takes === null && value !== undefined)
      throw new UsageError(`${rawName}=${value}: it is a switch without a value`);
    if (takes !== null && (value === undefined || value === "" || value.startsWith("--"))) {
      const instead = value ? `, ${value} came instead` : "";
      throw new UsageError(`${rawName}: a value (${takes}) is expected${instead}`);
    }
    given.set(name as Name, value);
  }
  return given;
}

const list = (): string =>
  `: known are ${Object.keys(KNOWN)
    .map((key) => `--${key}`)
    .join(", ")}`;

type Given = ReadonlyMap<Name, string | undefined>;

const text = (given: Given, name: Name): string | undefined => given.get(name);

function integer(given: Given, name: Name, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
  const value = given.get(name);
  if (value === undefined) return undefined;
  const n = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isSafeInteger(n) && n >= least && n <= most) return n;
  const rule =
    most < Number.MAX_SAFE_INTEGER ? `an integer from ${least} to ${most}` : `an integer of at least ${least}`;
  throw new UsageError(`--${name} ${value}: ${rule} is expected`);
}

function rate(given: Given): number | undefined {
  const value = given.get("lr");
  if (value === undefined) return undefined;
  const x = value.trim() === "" ? Number.NaN : Number(value);
  if (Number.isFinite(x) && x > 0) return x;
  throw new UsageError(`--lr ${value}: a number above 0 is expected`);
}

function oneOf<T extends string>(given: Given, name: Name, allowed: readonly T[]): T | undefined {
  const value = given.get(name);
  if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
  throw new UsageError(`--${name} ${value}: ${allowed.join(" or ")} is expected`);
}
