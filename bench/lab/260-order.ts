// Searches the order of modules for FIRST in bundle.mjs: `node --import tsx bench/lab/260-order.ts [seconds] [seed]`. What comes to lie within
// 32 kB of its like is cheap. A change of the list is kept where the page and the whole library, as estimated here, are smaller.
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { rolldown } from "rolldown";
import { minifySync } from "rolldown/utils";

const src = fileURLToPath(new URL("../../src/", import.meta.url));
const [seconds, start] = [Number(process.argv[2] ?? 120), Number(process.argv[3] ?? 1)];
/** Entries of the list, and bytes that each must be worth. */
const [MOST, WORTH] = [24, 4];

const PAGE = `export { capture, crossEntropy, init, randint, randn, relu } from "${src}index.ts";
export { Linear } from "${src}nn/layers.ts"; export { SGD } from "${src}optim/sgd.ts";`;
const WHOLE = `export * from "${src}index.ts"; import "${src}moremethods.ts"; export * as amp from "${src}amp/index.ts";
export * as io from "${src}io/safetensors.ts";`;

/** What each module imports at once, in order. */
const imports = new Map<string, readonly string[]>();

/** What is left of each module in a bundle with this entry, minified. */
async function parts(entry: string): Promise<Map<string, string>> {
  const build = await rolldown({
    input: "entry",
    platform: "browser",
    external: [/^node:/],
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === "entry" ? id : null),
        load: (id) => (id === "entry" ? entry : null),
        buildEnd() {
          for (const id of this.getModuleIds()) imports.set(id, this.getModuleInfo(id)!.importedIds);
        },
      },
    ],
  });
  const { output } = await build.generate({ format: "esm", codeSplitting: false });
  await build.close();
  const { code, modules } = output[0];
  // Names at the top are short in the end, and each is another: two letters for each stand for that.
  const names = [...code.matchAll(/^(?:(?:async )?function\*?|class|const|let|var) ([\w$]+)/gm)].map((m) => m[1]!);
  const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const short = new Map(names.map((name, i) => [name, letters[i % 52]! + letters[Math.floor(i / 52)]!]));
  const options = { module: true, compress: { unused: false }, codegen: { removeWhitespace: true } };
  return new Map(
    Object.entries(modules).map(([id, { code }]) => [
      id,
      minifySync(id, code ?? "", options).code.replace(/(?<![.\w$])[A-Za-z_$][\w$]*(?![\w$:])/g, (w) => short.get(w) ?? w),
    ]),
  );
}

const [page, whole] = [await parts(PAGE), await parts(WHOLE)];
const index = `${src}index.ts`;

/** As the bundle orders them: what a module imports lies before it. */
function order(first: readonly string[]): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = (id: string): void => {
    if (seen.has(id)) return;
    seen.add(id);
    imports.get(id)?.forEach(visit);
    found.push(id);
  };
  for (const id of [...first, index, `${src}moremethods.ts`]) visit(id);
  return found;
}

const size = (of: ReadonlyMap<string, string>, ids: readonly string[]): number =>
  deflateRawSync(ids.map((id) => of.get(id) ?? "").join(""), { level: 9 }).length;
const sizes = (first: readonly string[]): [page: number, whole: number] => {
  const ids = order(first);
  return [size(page, ids), size(whole, ids)];
};
/** A page counts twice: everyone loads it. */
const score = (first: readonly string[]): number => {
  const [a, b] = sizes(first);
  return 2 * a + b + WORTH * first.length;
};

let seed = start;
const random = (n: number): number => {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return Math.floor((seed / 2 ** 31) * n);
};
const all = order([]).filter((id) => id !== index);

let best: string[] = [];
let least = score(best);
console.log("without a list", sizes(best));
let tried = 0;
for (const end = Date.now() + 1000 * seconds; Date.now() < end; tried++) {
  const next = [...best];
  const at = random(next.length + 1);
  const move = random(4);
  if (move === 0) next.splice(at, 0, all[random(all.length)]!);
  else if (move === 1) next.splice(at, 1, all[random(all.length)]!);
  else if (move === 2) next.splice(at, 1);
  else next.splice(random(next.length), 0, ...next.splice(at, 1));
  if (next.length > MOST || new Set(next).size < next.length) continue;
  const value = score(next);
  if (value < least) [best, least] = [next, value];
}
const named = best.map((id) => id.slice(src.length, -3));
console.log(`${tried} lists`, sizes(best), JSON.stringify(named));
