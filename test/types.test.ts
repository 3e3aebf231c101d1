// The published types: every public name says in editors what it is, internals are not there, and a program compiles with
// the compilers and settings that users have. A few of those cells by default, all of them with `--all` behind `npm test --`
// or with TYPES_CELLS=all.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { entries, types } from "../types.mjs";
import { readDeclarations } from "./published/declared.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const tools = join(root, "test/published/node_modules");

interface Cell {
  readonly compiler: string;
  readonly resolution: "bundler" | "nodenext";
  readonly host: "DOM" | "Node 20" | "Node 26" | "none";
}

/** Folders of compilers; 7 is the one that checks this project. */
const COMPILERS: Record<string, string> = {
  "5.6": join(tools, "typescript-5.6"),
  "5.9": join(tools, "typescript-5.9"),
  "6": join(tools, "typescript-6"),
  "7": join(root, "node_modules/typescript"),
};
/** What a host declares besides the language: nothing else is there, no DOM beside Node. */
const HOSTS: Record<Cell["host"], object> = {
  DOM: { lib: ["ES2022", "DOM"], types: [] },
  "Node 20": { lib: ["ES2022"], types: ["node"], typeRoots: [join(root, "node_modules/@types")] },
  "Node 26": { lib: ["ES2022"], types: ["node"], typeRoots: [join(tools, "@types")] },
  none: { lib: ["ES2022"], types: [] },
};
const all = Object.keys(COMPILERS).flatMap((compiler) =>
  (["bundler", "nodenext"] as const).flatMap((resolution) =>
    (["DOM", "Node 20", "Node 26"] as const).map((host): Cell => ({ compiler, resolution, host })),
  ),
);
/** The oldest, the newest two, each resolution and host; 5.9 reads the declarations. */
const SAMPLE = ["5.6 nodenext DOM", "6 bundler Node 26", "7 nodenext Node 20", "7 bundler DOM"];
const nameOf = ({ compiler, resolution, host }: Cell): string => `${compiler} ${resolution} ${host}`;
const cells = process.env.TYPES_CELLS === "all" ? all : all.filter((cell) => SAMPLE.includes(nameOf(cell)));

/** Members that are for the engine alone. */
const INTERNALS: Record<string, readonly string[]> = {
  Tensor: [
    ...[
      "storage",
      "offset",
      "strides",
      "entry",
      "slot",
      "base",
      "rebases",
      "fixed",
      "gone",
      "kept",
      "readers",
      "releaseLater",
    ],
    ...["hold", "place", "own", "leaf", "ownGrad", "setGrad", "release", "releaseUnread", "toNet", "describe"],
  ],
  Device: ["alloc", "free", "launch", "write", "read", "readSync", "record", "suspend", "bind", "finish"],
  "nn.Module": ["bufferOptions", "namedNodes", "namedState"],
  "optim.Optimizer": ["name", "check", "update", "launch", "gradient", "stateOf", "fits", "take"],
  "optim.Group": ["rate"],
  "optim.lrScheduler.LRScheduler": ["saved", "restart", "rewind", "expectState", "takeState"],
  DataLoader: ["device", "batches"],
};

const published = suite("types");
let folder = "";
/** Where the declarations are. */
let emitted = "";

published.before(() => {
  folder = mkdtempSync(join(tmpdir(), "wasmgrad-types-"));
  const home = join(folder, "node_modules/wasmgrad");
  mkdirSync(home, { recursive: true });
  cpSync(join(root, "package.json"), join(home, "package.json"));
  emitted = join(home, "dist/types");
  types(emitted);
  cpSync(join(root, "test/published/consumer.ts"), join(folder, "consumer.ts"));
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
});
published.after(() => rmSync(folder, { recursive: true, force: true }));

/** What the compiler says of the program; "" when it has nothing to say. */
async function compile({ compiler, resolution, host }: Cell, file: string): Promise<string> {
  const compilerOptions = {
    ...{ target: "ES2022", module: resolution === "bundler" ? "ESNext" : "NodeNext", moduleResolution: resolution },
    ...{ strict: true, skipLibCheck: false, noEmit: true, ...HOSTS[host] },
  };
  const config = join(folder, `${compiler}-${resolution}-${host.replace(" ", "-")}-${file}.json`);
  writeFileSync(config, JSON.stringify({ compilerOptions, files: [file] }));
  const tsc = join(COMPILERS[compiler]!, "bin/tsc");
  return run(process.execPath, [tsc, "-p", config, "--pretty", "false"], { cwd: folder }).then(
    () => "",
    (error: { stdout?: string; message: string }) => error.stdout || error.message,
  );
}

if (existsSync(tools)) {
  const ts: unknown = createRequire(join(tools, "../package.json"))("typescript-5.9");
  let read: ReturnType<typeof readDeclarations> | undefined;
  const declarations = () => {
    read ??= readDeclarations(ts, emitted, entries());
    return read;
  };

  published("every public name, member and option says what it is", () => {
    const { declared, errors } = declarations();
    assert.equal(errors, []);
    assert.ok(declared.length > 600, `${declared.length} names were found`);
    const silent = declared.filter(({ documented }) => !documented);
    assert.equal(
      silent.map(({ name, where }) => `${name} (${where})`),
      [],
    );
  });

  published("internals are not declared, and files that no entry reaches are not published", () => {
    const { members } = declarations();
    for (const [name, internals] of Object.entries(INTERNALS)) {
      const declared = members.get(name);
      assert.ok(declared !== undefined, name);
      const found = internals.filter((member) => declared.includes(member));
      assert.equal(found, [], name);
    }
    for (const file of ["core/op.d.ts", "wasm/device.d.ts", "webgpu/device.d.ts"]) {
      assert.not(existsSync(join(emitted, file)), file);
    }
  });

  published("a name without a comment is found, in namespaces, members and options too", () => {
    const sample = join(folder, "sample");
    mkdirSync(sample);
    const text = `
      /** Said. */
      export declare function said(options?: {
        /** Said. */
        a?: number;
      }): void;
      export declare function said(x: number, options?: { b?: number }): void;
      declare class Base { c: number; private d; #e; }
      /** Said. */
      export declare class F extends Base {
        /** Said. */
        g(): void;
        get h(): number;
      }
      export declare const i: number;
      /** */
      export type J = string;
      export {};
    `;
    writeFileSync(join(sample, "inner.d.ts"), text);
    writeFileSync(join(sample, "index.d.ts"), 'export * as n from "./inner.ts";\n');
    const { declared, members } = readDeclarations(ts, sample, ["index.d.ts"]);
    const silent = declared.filter(({ documented }) => !documented).map(({ name }) => name);
    assert.equal(silent, ["n.said", "n.said.b", "n.F.h", "n.i", "n.J", "Base", "Base.c"]);
    assert.ok(["c", "g", "h"].every((name) => members.get("n.F")!.includes(name)));
  });

  for (const cell of cells) {
    published(`a program compiles: TypeScript ${nameOf(cell)}`, async () => {
      assert.is(await compile(cell, "consumer.ts"), "");
    });
  }

  published("the declarations need the language alone: neither the DOM's nor Node's", async () => {
    const lines = ["", "/data", "/amp", "/io", "/methods"].map((e, i) => `import * as m${i} from "wasmgrad${e}";`);
    const lib = `export const x = await m0.tensor([1]).data();\nexport const all = [m0, m1, m2, m3, m4];\n`;
    writeFileSync(join(folder, "bare.ts"), `${lines.join("\n")}\n${lib}`);
    assert.is(await compile({ compiler: "7", resolution: "nodenext", host: "none" }, "bare.ts"), "");
    assert.is(await compile({ compiler: "5.6", resolution: "bundler", host: "none" }, "bare.ts"), "");
  });

  published("a wrong program does not", async () => {
    writeFileSync(join(folder, "wrong.ts"), 'import { tensor } from "wasmgrad";\ntensor("a");\n');
    const cell = all.find((c) => nameOf(c) === "7 nodenext DOM")!;
    assert.match(await compile(cell, "wrong.ts"), /^wrong\.ts\(2,8\): error TS2345/);
  });
} else {
  console.log("skipped: types.test.ts: all: npm ci --prefix test/published");
  published.skip("all", () => {});
}
published.run();
