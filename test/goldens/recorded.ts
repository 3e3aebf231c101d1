// What recorded cases consist of: tensors as plain data, PyTorch's names and keywords, and how they become ours.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tensor } from "../../src/index.ts";
import * as ops from "../../src/ops/index.ts";

/** JSON has no words for these three. */
export type Value = number | "inf" | "-inf" | "nan" | boolean;
export interface Data {
  readonly shape: readonly number[];
  readonly dtype: "f32" | "i32" | "bool";
  readonly data: readonly Value[];
}
export type Kwargs = Readonly<Record<string, unknown>>;

/** The cases of a file; none where it is missing. */
export function recorded<T>(folder: string, file: string): T[] {
  const path = join(folder, `${file}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as T[]) : [];
}

export const camel = (name: string): string => name.replace(/(?<=[^_])_(\w)/g, (_, c: string) => c.toUpperCase());

const WORDS: Record<string, number> = { nan: Number.NaN, inf: Infinity, "-inf": -Infinity };
export const number = (v: Value): number => (typeof v === "string" ? WORDS[v]! : Number(v));

export const isData = (v: unknown): v is Data => typeof v === "object" && v !== null && "data" in v && "shape" in v;
export const DTYPES = { f32: "float32", i32: "int32", bool: "bool" } as const;

export function tensorOf({ shape, dtype, data }: Data): Tensor {
  const values = data.map(number);
  if (dtype === "bool") return ops.tensor(Uint8Array.from(values), { shape, dtype: "bool" });
  const typed = dtype === "f32" ? Float32Array.from(values) : Int32Array.from(values);
  return ops.tensor(typed, { shape, dtype: DTYPES[dtype] });
}

/** Values that are words of ours, too. */
const NAMES: Record<string, string> = { strong_wolfe: "strongWolfe" };
export const named = (v: unknown): unknown => NAMES[v as string] ?? v;

function option(v: unknown): unknown {
  if (isData(v)) return tensorOf(v);
  if (named(v) !== v) return named(v);
  return typeof v === "string" && v in WORDS ? WORDS[v] : v;
}

/** kwargs in camelCase, tensors made. Python's None is what is not given. */
export function options(kwargs: Kwargs): Record<string, unknown> {
  const given = Object.entries(kwargs).filter(([, v]) => v !== null);
  return Object.fromEntries(given.map(([key, v]) => [camel(key), option(v)]));
}
