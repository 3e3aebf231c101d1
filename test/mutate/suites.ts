// Which tests are tried on a mutated file, and in which order: those of its family and room first, the quick before the long. One that
// passes them all has survived what `npm test` holds against it, but for pages, other hosts and the published package.
import { posix } from "node:path";
import { imports, read, sources } from "../source.ts";

export interface Suite {
  /** In test/. */
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Families of cases: the files of test/cases that have any. */
const families = (): string[] =>
  sources("test/cases")
    .map((path) => posix.basename(path, ".ts"))
    .filter((name) => name !== "case" && name !== "index");

/** Rows and kernels whose names are not those of their families of cases. */
const ALSO: Record<string, readonly string[]> = {
  winograd: ["conv"],
  poolgrad: ["conv"],
  grad: ["conv"],
  lines: ["conv"],
  few: ["matmul"],
  small: ["matmul"],
  skip: ["matmul"],
  lists: ["matmul"],
  gemm: ["matmul"],
  tile: ["matmul", "conv"],
  copy: ["create", "shape"],
  slice: ["shape", "views"],
  write: ["inplace", "views"],
  elementwise: ["unary", "binary"],
  extremes: ["reduce"],
  mean: ["reduce"],
  compare: ["binary"],
  walk: ["views", "inplace"],
  each: ["binary", "unary", "where"],
  compose: ["loss", "norm"],
  strides: ["shape", "views"],
  data: ["create"],
  adam: ["optim"],
  sgd: ["optim"],
  sparse: ["optim"],
};

/** The family that a file is called after: `convgrad` is conv. */
function ownFamilies(file: string): string[] {
  const name = posix.basename(file, ".ts");
  const own = families().filter((family) => name.startsWith(family));
  const also = Object.entries(ALSO).flatMap(([start, of]) => (name.startsWith(start) ? of : []));
  return [...new Set([...own, ...also])];
}

/** The file and all that import it, directly or through others. */
function users(file: string): string[] {
  const files = sources(file.split("/")[0]!);
  const importing = new Map(
    files.map((from) => [
      from,
      imports(read(from)).map(({ specifier }) => {
        const to = posix.join(posix.dirname(from), specifier);
        return to.endsWith(".ts") ? to : `${to}.ts`;
      }),
    ]),
  );
  const found = [file];
  for (const to of found)
    for (const [from, list] of importing) if (list.includes(to) && !found.includes(from)) found.push(from);
  return found;
}

/** Families of cases that a file of assembly/ or src/ops computes in: its own first. None: all. */
export function familiesOf(file: string): string[] {
  const own = ownFamilies(file);
  // Every op reaches the ops that many are made of, and the export list every kernel.
  if (file.startsWith("src/")) return own;
  return [
    ...new Set([
      ...own,
      ...users(file)
        .filter((f) => !f.endsWith("/index.ts"))
        .flatMap(ownFamilies),
    ]),
  ];
}

const plain = (...names: string[]): Suite[] => names.map((name) => ({ file: `${name}.test.ts`, env: {} }));

/** Cases on one build; all families where none is named. */
function cases(list: readonly string[], build: string, threads: string): Suite {
  const env = { CASES_BUILDS: build, CASES_THREADS: threads };
  return { file: "cases.test.ts", env: list.length === 0 ? env : { ...env, CASES_FAMILIES: list.join(",") } };
}

/** Cases with each of their storages at the end of memory. */
function ends(list: readonly string[]): Suite {
  return { file: "ends.test.ts", env: list.length === 0 ? {} : { CASES_FAMILIES: list.join(",") } };
}

const QUICK = ["captured", "captured-gradients", "tape", "writes", "faults", "meaning"];
/** A second or two each. */
const MIDDLE = [
  ...["layout", "growth", "amp", "loader", "optim", "nn", "faults-device", "fuzz", "views-captured"],
  ...["messages-public", "messages", "goldens", "goldens2", "views", "temporaries"],
];
const PASSES = ["passes-turned", "passes-small", "passes", "passes-zeros"];

/** Tests that take longer, for the files that they are about. */
const LONGER: readonly [RegExp, readonly string[]][] = [
  [/\/(memory|lifetime|tensor|entry|growth|usage|arenas)\.ts$/, ["memory-small", "memory-loop"]],
  [/\/(capture|recording|tape|plan|barriers)\.ts$|^src\/wasm\//, ["passes-small", "capture"]],
  [/^src\/wasm\/program\.ts$/, ["passes-turned"]],
  [/^src\/program\/(winograd|choices)\.ts$/, ["choices", "passes"]],
  [/^src\/program\/behind\.ts$/, ["behind"]],
  [/^src\/ops\/sparse\.ts$/, ["sparse", "optim-rule"]],
  [/^src\/program\/kernels\//, ["kernels"]],
  [/\/(barriers|script|runner|pool|replay|args)\.ts$/, ["threads", "barrier"]],
  [/\/(layout|strides|each|views|inplace|op|nest|walk)\.ts$/, ["views-pairs", "walk"]],
  [
    /^src\/ops\/(unary|binary|where)\.ts$|^assembly\/(.*\/)?(map|lanes|arith|math|unary|binary|where)\.ts$/,
    ["walk", "math"],
  ],
  [/^assembly\/matmul\/\w+\.ts$/, ["passes-small", "passes-turned", "passes-zeros"]],
  [/^assembly\/(.*\/)?(conv\w*|pool|winograd\w*|tile|poolgrad|grad|lines)\.ts$/, ["passes"]],
  [/^src\/ops\/(conv|pool|matmul|norm|softmax|loss)\.ts$/, ["passes-small"]],
];
const longer = (file: string): Suite[] => plain(...LONGER.flatMap(([files, tests]) => (files.test(file) ? tests : [])));

/** By the room or the folder of a file, the first that fits: what is tried in front of the longer ones. */
const ROOMS: readonly [RegExp, (file: string) => Suite[]][] = [
  [/^src\/core\//, () => plain(...QUICK, ...MIDDLE, "blocks", "print", "safetensors")],
  [/^src\/program\/passes\//, () => plain(...PASSES, ...QUICK, "nn", "goldens", "fuzz")],
  [/^src\/(program|wasm)\//, () => plain("barriers", "growth", "blocks", ...QUICK, ...MIDDLE)],
  [
    /^src\/optim\//,
    () => {
      const behind = ["nn", "amp", "faults-device", "messages-public", "goldens", "growth"];
      return plain("optim", "optim-rule", "sparse", "schedules", "averaged", "messages", ...QUICK, ...behind);
    },
  ],
  [
    /^src\/ops\//,
    (file) => {
      const own = familiesOf(file);
      const shown = cases(own, "relaxed", "2");
      // Where no family is called after the file all are run, last.
      return own.length > 0
        ? [...plain("tape", "writes"), shown, ...plain("messages", ...QUICK, ...MIDDLE)]
        : [...plain("tape", "writes", "messages", ...QUICK, ...MIDDLE), shown];
    },
  ],
  [
    /^assembly\/(.*\/)?(replay|args)\.ts$/,
    () => [
      ...plain("captured", "faults-device", "barriers", "threads", "barrier"),
      cases(["loss", "reduce", "matmul", "unary"], "relaxed", "1,2,3"),
      ...plain("meaning", "fuzz"),
    ],
  ],
  [
    /^assembly\//,
    (file) => {
      const own = familiesOf(file);
      return [
        cases(own, "relaxed", "1,3"),
        ends(own),
        ...longer(file),
        ...plain("optim", "nn", "goldens", "goldens2", "fuzz", "views", "meaning"),
        cases(own, "simd", "2"),
      ];
    },
  ],
];

/** The tests of a file, each once. */
export function suitesOf(file: string): Suite[] {
  const first = ROOMS.find(([files]) => files.test(file))?.[1](file) ?? plain(...QUICK, ...MIDDLE);
  const list = [...first, ...longer(file)];
  return list.filter(
    (a, i) => list.findIndex((b) => b.file === a.file && JSON.stringify(b.env) === JSON.stringify(a.env)) === i,
  );
}
