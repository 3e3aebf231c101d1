// Places where an operator applies, and which of them a seed draws.
import { createHash } from "node:crypto";
import { read, sources } from "../source.ts";
import { type Change, codeOf, OPERATORS } from "./operators.ts";

/** A mutation of a file. */
export interface Site extends Change {
  readonly file: string;
  readonly operator: string;
  /** From 1. */
  readonly line: number;
  /** The line as it was, without the spaces around, and as the mutation leaves it. */
  readonly before: string;
  readonly after: string;
}

/** What stays when lines move: by it a mutation is found again, and known ones are kept. */
export const keyOf = ({
  file,
  operator,
  before,
  after,
}: Pick<Site, "file" | "operator" | "before" | "after">): string => [file, operator, before, after].join(" | ");

/** The parts of the tree that are mutated, and with which operators where not with all. */
const AREAS: readonly { name: string; files: RegExp; operators?: readonly string[] }[] = [
  { name: "core", files: /^src\/(core\/|capture\.ts$)/ },
  { name: "program", files: /^src\/program\// },
  { name: "wasm", files: /^src\/wasm\//, operators: ["dropped barrier", "dropped release"] },
  { name: "ops", files: /^src\/ops\// },
  { name: "optim", files: /^src\/optim\// },
  { name: "kernels", files: /^assembly\// },
];
/** assembly/matmul/tile256.ts is in the opt-in build alone, which Node 20 cannot load; test.ts and index.ts hold exports. */
const LEFT_OUT = /^assembly\/(.*\/)?(tile256|test|index)\.ts$/;

const areaOf = (file: string) => AREAS.find(({ files }) => files.test(file));
export const areaName = (file: string): string => areaOf(file)?.name ?? "other";

/** Every file that is mutated. */
export const mutated = (): string[] =>
  [...sources("src"), ...sources("assembly")].filter((f) => areaOf(f) !== undefined && !LEFT_OUT.test(f));

/** The sites in a text. */
export function sitesIn(file: string, text: string): Site[] {
  const code = codeOf(text);
  const starts = [0, ...[...text.matchAll(/\n/g)].map((m) => m.index! + 1)];
  const lineAt = (s: string, begin: number): string => s.slice(begin).split("\n", 1)[0]!.trim();
  return OPERATORS.flatMap(({ name, files, find }) => {
    if (!files.test(file) || areaOf(file)?.operators?.includes(name) === false) return [];
    return find(code).flatMap((change) => {
      const line = starts.findLastIndex((s) => s <= change.at);
      const begin = starts[line]!;
      const changed = mutate(text, change);
      if (NOT_RUN.test(code.slice(begin)) || changed === text) return [];
      const [before, after] = [lineAt(text, begin), lineAt(changed, begin)];
      return [{ ...change, file, operator: name, line: line + 1, before, after }];
    });
  });
}
/** Types, and what is imported, run nowhere. */
const NOT_RUN =
  /^(import|export \{|export \*|interface|export interface|type|export type|declare|export declare|\s*readonly )/;

/** The text with the mutation in it. */
export const mutate = (text: string, { at, end, by }: Change): string => text.slice(0, at) + by + text.slice(end);

const rank = (...parts: unknown[]): string => createHash("sha1").update(parts.join("\n")).digest("hex");
const byRank = <T>(list: readonly T[], of: (x: T) => string): T[] =>
  list
    .map((x) => [of(x), x] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, x]) => x);

function grouped<T>(list: readonly T[], of: (x: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const x of list) groups.set(of(x), [...(groups.get(of(x)) ?? []), x]);
  return groups;
}

/** One from each list in turn, until all are empty. */
function turns<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((l) => l.length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((l) => l.slice(i, i + 1))).flat();
}

/**
 * Sites in the order of a seed, of each line one an operator: the pairs of operator and area take turns, and within a pair its files
 * do. Places are by hash of what a site says, so that a change elsewhere in the tree moves few of them.
 */
export function drawn(sites: readonly Site[], seed: string): Site[] {
  const pairs = grouped(sites, (s) => `${s.operator} in ${areaName(s.file)}`);
  const lists = byRank([...pairs.keys()], (name) => rank(seed, name)).map((name) => {
    const files = grouped(pairs.get(name)!, (s) => s.file);
    const ofFiles = byRank([...files.keys()], (file) => rank(seed, name, file)).map((file) => {
      const count = new Map<string, number>();
      const nth = (s: Site): number => {
        count.set(keyOf(s), (count.get(keyOf(s)) ?? 0) + 1);
        return count.get(keyOf(s))!;
      };
      return byRank(files.get(file)!, (s) => rank(seed, keyOf(s), nth(s)));
    });
    return turns(ofFiles);
  });
  const seen = new Set<string>();
  return turns(lists).filter(({ file, line, operator }) => {
    const once = `${file}:${line} ${operator}`;
    return !seen.has(once) && seen.add(once);
  });
}

/** Every site of the tree. */
export const allSites = (): Site[] => mutated().flatMap((file) => sitesIn(file, read(file)));
