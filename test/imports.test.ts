// The rules of the house: who may import whom, how large core and files may be. Read from the import statements.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { blanked, codeLines, type Import, imports, read, sources } from "./source.ts";

/** Files of core that stand below everything: the rest of core may be changed without devices noticing. */
const LEAVES = ["shape", "dtype", "error", "layout"];
const DOOR = ["device", "fault"];

/** The room of a file: its folder, with core in three parts and the files at the top each by itself. */
function room(path: string): string {
  const [, folder, file] = /^src\/(?:(\w+)\/)?(?:.*\/)?(\w+)\.ts$/.exec(path)!;
  if (folder === undefined) return file!;
  if (folder !== "core") return folder;
  return LEAVES.includes(file!) ? "core leaf" : DOOR.includes(file!) ? "core door" : "core";
}

const CORE = ["core leaf", "core door", "core"];
const ROOMS = [
  "hints",
  ...CORE,
  "row",
  "memory",
  "program",
  "capture",
  "ops",
  "nn",
  "optim",
  "amp",
  "io",
  "data",
  "host",
  "wasm",
  "webgpu",
];
const TOP = [
  "methods",
  "moremethods",
  "read",
  "init",
  "index",
  "print",
  "text",
  "version",
  "calibrate",
  "lazy",
  "global",
];

/** What each room may import besides itself. */
const ALLOWED: Record<string, readonly string[]> = {
  // What a message says to write instead: it needs nothing.
  hints: [],
  "core leaf": ["hints"],
  "core door": ["core leaf"],
  row: ["core leaf", "core door"],
  memory: ["core leaf", "core door"],
  core: [...CORE, "row", "hints"],
  program: ["core leaf", "core door", "row"],
  // Compares recordings, and what hangs on modules: programs know no more of core than the device's door.
  capture: [...CORE, "hints", "program", "ops", "nn"],
  ops: [...CORE, "row", "hints"],
  nn: [...CORE, "ops"],
  optim: [...CORE, "row", "ops"],
  amp: [...CORE, "row", "ops"],
  io: [...CORE, "ops", "host"],
  data: [...CORE, "ops", "host"],
  wasm: ["core leaf", "core door", "row", "memory", "program", "host", "version"],
  webgpu: ["core leaf", "core door", "row", "memory", "program", "host"],
  host: [],
  version: [],
  // Entries: the whole package with the wasm files inside.
  inline: ["index", "wasm"],
  ...Object.fromEntries(TOP.filter((name) => name !== "version").map((name) => [name, [...ROOMS, ...TOP]])),
};

/** Single files with a right of their own. */
const EXTRA: Record<string, readonly string[]> = {
  "src/global.ts": ["inline"],
  // Brings its passes.
  "src/ops/pool.ts": ["program"],
  // Offers its other algorithms.
  "src/ops/conv.ts": ["program"],
  // Copies a model, and is one.
  "src/optim/swa.ts": ["nn"],
};
const HOST_MAY = "src/core/error.ts";

const files = sources("src").filter((path) => !path.endsWith(".d.ts"));
const importsOf = new Map<string, Import[]>(files.map((path) => [path, imports(read(path))]));

const core = files.filter((f) => CORE.includes(room(f)));

/** The file that a relative import means. */
const resolved = (from: string, specifier: string): string =>
  new URL(specifier, `file:///${from}`).pathname.slice(1).replace(/\.js$/, ".ts");

const inside = (from: string): string[] =>
  importsOf
    .get(from)!
    .filter((i) => i.specifier.startsWith("."))
    .map((i) => resolved(from, i.specifier));

test("the scan finds what is imported", () => {
  const text = `
// import a from "./no1.ts";
import { type A, b } from "./one.ts";
import type {
  C,
} from './two.ts';
import "./three.ts";
export * from "./four.ts";
export const d = 1; // from "./no2.ts"
const worker = \`
import { e } from "./no3.ts";
\${f("x")}
\`;
const m = await import("node:fs");
const r = s.replace(/["'\`]/g, "from './no4.ts'");
`;
  const found = imports(text).map((i) => i.specifier);
  assert.equal(found, ["./one.ts", "./two.ts", "./four.ts", "./three.ts", "node:fs"]);
  assert.is(codeLines(text), 13);
  assert.is(blanked(text).length, text.length);
  assert.ok(files.length > 50 && [...importsOf.values()].flat().length > 200);
});

test("every file keeps to the rules of its room", () => {
  const wrong: string[] = [];
  for (const from of files) {
    const own = room(from);
    assert.ok(own in ALLOWED, `${from}: the room ${own} is not in the rules`);
    for (const to of inside(from)) {
      assert.ok(files.includes(to), `${from} imports ${to}, which is not there`);
      const other = room(to);
      const allowed = other === own || ALLOWED[own]!.includes(other) || EXTRA[from]?.includes(other);
      if (allowed || (own === "host" && to === HOST_MAY)) continue;
      wrong.push(`${from} imports ${to}: ${own} may import ${ALLOWED[own]!.join(", ") || "nothing"}`);
    }
  }
  assert.equal(wrong, []);
});

test("wasm knows no op and core neither device nor program", () => {
  const reaches = (from: string, seen = new Set<string>()): Set<string> => {
    for (const to of inside(from)) {
      if (seen.has(to)) continue;
      seen.add(to);
      reaches(to, seen);
    }
    return seen;
  };
  const wasm = files.filter((f) => room(f) === "wasm").flatMap((f) => [...reaches(f)]);
  assert.equal(
    wasm.filter((f) => ["core", "ops", "nn", "optim"].includes(room(f))),
    [],
  );
  const reached = core.flatMap((f) => [...reaches(f)]);
  assert.equal([...new Set(reached.map(room))].sort(), ["core", "core door", "core leaf", "hints", "row"]);
});

test("rooms import one another in one direction", () => {
  const next = new Map<string, Set<string>>();
  for (const from of files) {
    for (const to of inside(from)) {
      if (room(from) === room(to)) continue;
      if (!next.has(room(from))) next.set(room(from), new Set());
      next.get(room(from))!.add(room(to));
    }
  }
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    assert.not(path.includes(name), `a cycle: ${[...path, name].join(" -> ")}`);
    if (done.has(name)) return;
    for (const other of next.get(name) ?? []) visit(other, [...path, name]);
    done.add(name);
  };
  for (const name of next.keys()) visit(name, []);
});

test("published code needs no package, and asks for a host's modules by name while it runs", () => {
  const wrong: string[] = [];
  for (const [path, list] of importsOf) {
    for (const { specifier } of list) {
      if (specifier.startsWith(".")) continue;
      // A file of dist/ as text: bundle.mjs puts it in.
      if (specifier.startsWith("wasm:") && room(path) === "inline") continue;
      wrong.push(`${path} imports ${specifier}`);
    }
  }
  assert.equal(wrong, []);
  const { dependencies = {}, devDependencies } = JSON.parse(read("package.json"));
  assert.equal(dependencies, {});
  for (const [name, range] of Object.entries(devDependencies as Record<string, string>)) {
    assert.match(range, /^\d+\.\d+\.\d+$/, `${name} ${range}: an exact version is expected`);
  }
});

const kernels = sources("assembly");

test("assembly imports nothing from outside, and its lib nothing from the families", () => {
  for (const path of kernels) {
    for (const { specifier } of imports(read(path))) {
      assert.match(specifier, /^\.{1,2}\/[\w/]+$/, `${path} imports ${specifier}`);
      const to = `${resolved(path, specifier)}.ts`;
      assert.ok(kernels.includes(to), `${path} imports ${specifier}`);
      if (path.startsWith("assembly/lib/")) assert.match(to, /^assembly\/lib\//, `${path} imports ${specifier}`);
    }
  }
});

/** Families whose kernels are those of others: they copy, or are composed. */
const COPYING = ["activation", "create", "inplace", "shape", "views"];

test("a family has the same name in every room", () => {
  const cases = sources("test/cases").map((path) => path.slice("test/cases/".length, -3));
  const families = cases.filter((name) => files.includes(`src/ops/${name}.ts`));
  assert.ok(families.length > 10);
  for (const name of families) {
    const own = new RegExp(`^assembly/(\\w+/)?${name}\\.ts$`);
    assert.is(
      kernels.some((path) => own.test(path)),
      !COPYING.includes(name),
      name,
    );
  }
});

test("no folder of assembly has more than 12 files", () => {
  const count = new Map<string, number>();
  for (const path of kernels) {
    const folder = path.slice(0, path.lastIndexOf("/"));
    count.set(folder, (count.get(folder) ?? 0) + 1);
  }
  assert.equal(
    [...count].filter(([, n]) => n > 12),
    [],
  );
});

const lengthOf = (path: string): number => read(path).split("\n").length - 1;

test("core is read in an hour: each file under 300 lines, all under 1,700, with comments", () => {
  assert.ok(core.length > 8);
  assert.equal(
    core.map((f) => [f, lengthOf(f)] as const).filter(([, lines]) => lines >= 300),
    [],
  );
  const total = core.reduce((sum, f) => sum + lengthOf(f), 0);
  assert.ok(total > 1000 && total < 1700, `core has ${total} lines`);
});

/** What a file needs when it runs: imports of types alone are gone by then. */
const valuesOf = (from: string): string[] =>
  imports(read(from), { types: false })
    .filter((i) => i.specifier.startsWith("."))
    .map((i) => resolved(from, i.specifier));

test("files import values of one another in one direction: no cycle anywhere in src", () => {
  assert.equal(
    imports('import type { A } from "./a.ts";\nexport type { B } from "./b.ts";\nimport { type C } from "./c.ts";', {
      types: false,
    }).map((i) => i.specifier),
    [],
  );
  assert.equal(
    imports('import { type A, b } from "./a.ts";\nexport * from "./b.ts";\nimport "./c.ts";', { types: false }).map(
      (i) => i.specifier,
    ),
    ["./a.ts", "./b.ts", "./c.ts"],
  );
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    assert.not(path.includes(file), `a cycle: ${[...path.slice(path.indexOf(file)), file].join(" -> ")}`);
    if (done.has(file)) return;
    for (const other of valuesOf(file)) visit(other, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test("nobody but capture asks whether a captured step is recorded: core's hooks do", () => {
  const outside = files.filter((f) => !core.includes(f) && room(f) !== "capture");
  const wrong = outside.flatMap((f) => {
    const found = [...blanked(read(f)).matchAll(/\bmode\b[\s!?]*\.\s*recording\b|\brecording\b[^=;]*\}\s*=\s*mode\b/g)];
    return found.length === 0 ? [] : [`${f}: ${found.length}`];
  });
  assert.equal(wrong, []);
});

/** Files that are longer than they should be, with the most lines that they may have. */
const LONG: Record<string, number> = { "src/wasm/device.ts": 485 };

test("no file is longer than 450 lines", () => {
  for (const path of [...files, ...kernels]) {
    const lines = read(path).split("\n").length - 1;
    assert.ok(lines <= (LONG[path] ?? 450), `${path} has ${lines} lines`);
    if (lines > 450) console.warn(`  ${path} has ${lines} lines`);
  }
});

test("what ops export is public or marked as the engine's own", () => {
  const index = read("src/ops/index.ts");
  const whole = new Set([...index.matchAll(/export \* from "\.\/(\w+)\.ts"/g)].map(([, file]) => `src/ops/${file}.ts`));
  const listed = new Set(`${index}\n${read("src/index.ts")}`.match(/\w+/g));
  const wrong: string[] = [];
  for (const path of sources("src/ops").filter((path) => path !== "src/ops/index.ts")) {
    const exported =
      /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?export (?:async )?(?:const|function|interface|type|class) (\w+)/g;
    const found = [...read(path).matchAll(exported)];
    const own = new Set(found.filter(([, comment]) => comment?.includes("@internal")).map(([, , name]) => name!));
    for (const name of new Set(found.map(([, , name]) => name!))) {
      if (whole.has(path) && own.has(name))
        wrong.push(`${path}: ${name} is the engine's own, in a file that is public whole`);
      if (!whole.has(path) && !own.has(name) && !listed.has(name)) {
        wrong.push(`${path}: ${name} is neither in src/ops/index.ts nor marked @internal`);
      }
    }
  }
  assert.equal(wrong, []);
  assert.ok(whole.size > 5);
});

test("the version is the package's", () => {
  const { version } = JSON.parse(read("package.json"));
  assert.match(read("src/version.ts"), new RegExp(`"${version.replaceAll(".", "\\.")}"`));
});

test.run();
