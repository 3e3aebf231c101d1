// Builds everything that is run from dist/: the three wasm builds and, unless --test, the published bundles and their types.
// A wasm file that is newer than every source is kept. `--fast`: two builds as asc leaves them, for `npm run mutate`.
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bundle } from "./bundle.mjs";
import { types } from "./types.mjs";

const root = fileURLToPath(new URL(".", import.meta.url));
process.chdir(root);
const test = process.argv.includes("--test");
const wasmOnly = process.argv.includes("--wasm");
const fast = process.argv.includes("--fast");

const newest = (dir) =>
  Math.max(
    ...readdirSync(dir, { withFileTypes: true, recursive: true }).map(
      (f) => statSync(join(f.parentPath ?? f.path, f.name)).mtimeMs,
    ),
  );
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const settings = ["asconfig.json", "package.json", "package-lock.json", "build.mjs"].map((f) => statSync(f).mtimeMs);
const sources = Math.max(newest("assembly"), ...settings);

/**
 * Locals that are never alive together share a name: a sixth less to download (bench/lab, 211). What else wasm-opt has
 * costs speed (64).
 */
const PASSES = ["--coalesce-locals", "--vacuum", "--reorder-locals"];

/** What the builds use: with all features on, wasm-opt writes a module that Node 20 refuses. */
const FEATURES = [
  "simd",
  "relaxed-simd",
  "threads",
  "bulk-memory",
  "mutable-globals",
  "sign-ext",
  "nontrapping-float-to-int",
].map((name) => `--enable-${name}`);

/** A custom section behind the code: the version and the name of the build, which src/wasm/source.ts reads. */
function said(target) {
  const build = { wide: "256" }[target] ?? target.replace("-test", "");
  const name = Buffer.from("wasmgrad");
  const content = Buffer.concat([Buffer.from([name.length]), name, Buffer.from(JSON.stringify({ version, build }))]);
  if (content.length > 127) throw new Error("the section is longer than a byte of LEB128 can say");
  return Buffer.concat([Buffer.from([0, content.length]), content]);
}

const entryOf = (target) => (target.endsWith("-test") ? "assembly/test.ts" : "assembly/index.ts");

function compile(target, out) {
  if (existsSync(out) && statSync(out).mtimeMs > sources) return;
  const part = `${out}.part`;
  const asc = ["node_modules/assemblyscript/bin/asc.js", entryOf(target), "--target", target, "--outFile", part];
  execFileSync(process.execPath, asc, { stdio: "inherit" });
  execFileSync(process.execPath, ["node_modules/binaryen/bin/wasm-opt", part, ...PASSES, ...FEATURES, "-o", part]);
  writeFileSync(part, Buffer.concat([readFileSync(part), said(target)]));
  renameSync(part, out);
  console.log(`${out}  ${statSync(out).size} bytes`);
}

/** A build without wasm-opt: what it computes is the same. */
async function rough(target) {
  const out = target.endsWith("-test") ? `dist/test/${target.slice(0, -5)}.wasm` : `dist/${target}.wasm`;
  const asc = ["node_modules/assemblyscript/bin/asc.js", entryOf(target), "--target", target, "--outFile", out];
  await promisify(execFile)(process.execPath, asc);
  writeFileSync(out, Buffer.concat([readFileSync(out), said(target)]));
  utimesSync(out, 0, 0); // the next build makes it anew
}

/** Vite makes data: URLs of files below 4096 bytes, which a policy of `worker-src 'self'` refuses: so this one is longer. */
const WORKER_HEAD = `// A thread of wasmgrad, for pages that start no worker from a string. Longer than it must be: vite would make a data: URL of
// a file of less than 4096 bytes, and the policies that this file is for refuse one.
//${"-".repeat(4096)}
`;

mkdirSync("dist/test", { recursive: true });
if (fast) {
  await Promise.all([...["simd", "relaxed"], ...(test ? ["simd-test", "relaxed-test"] : [])].map(rough));
  process.exit();
}
compile("simd", "dist/simd.wasm");
compile("relaxed", "dist/relaxed.wasm");
compile("wide", "dist/wide.wasm");
if (test) {
  compile("simd-test", "dist/test/simd.wasm");
  compile("relaxed-test", "dist/test/relaxed.wasm");
} else if (!wasmOnly) {
  await publish();
}

/**
 * Lets an entry export namespaces as modules. The bundle makes objects of them, of which a user's bundler can drop no member: a page with
 * one layer and SGD would load all layers, optimizers and schedules (7 kB, gzip; schedules alone 6).
 */
function asModules(file, names) {
  let code = readFileSync(file, "utf8");
  for (const name of names) {
    // In the list of exports: a name that an import is given may be the same.
    const found = new RegExp(`(export \\{[^}]*?)[\\w$]+ as ${name}(, | )`);
    if (!found.test(code)) throw new Error(`${file} does not export ${name}`);
    code = code.replace(found, (_, before, end) => before + (end === " " ? " " : ""));
    code = code.replace(
      /(\n\/\/# sourceMappingURL=.*)?\n?$/,
      (end) => `\nexport * as ${name} from "./${name}.js";${end}`,
    );
  }
  writeFileSync(file, code);
}

/** The bundles as modules and as CommonJS, one classic script with everything inside, the worker's file, types, digests. */
async function publish() {
  for (const file of readdirSync("dist")) if (/\.(js|cjs|map|json)$/.test(file)) rmSync(`dist/${file}`);
  const entries = {
    index: "src/index.ts",
    data: "src/data/index.ts",
    amp: "src/amp/index.ts",
    methods: "src/moremethods.ts",
    io: "src/io/safetensors.ts",
    inline: "src/inline/index.ts",
    "inline-simd": "src/inline/simd.ts",
  };
  const common = { dir: "dist", minify: true, sourcemap: true };
  const namespaces = { nn: "src/nn/index.ts", optim: "src/optim/index.ts" };
  const ofNn = { init: "src/nn/init.ts", utils: "src/nn/utils.ts" };
  const ofOptim = { lrScheduler: "src/optim/lr/index.ts", swaUtils: "src/optim/swa.ts" };
  await bundle({ ...entries, ...namespaces, ...ofNn, ...ofOptim }, common);
  for (const entry of ["index", "inline", "inline-simd"]) asModules(`dist/${entry}.js`, Object.keys(namespaces));
  asModules("dist/nn.js", Object.keys(ofNn));
  asModules("dist/optim.js", Object.keys(ofOptim));
  await bundle(entries, { ...common, format: "cjs", extension: "cjs" });
  await bundle({ wasmgrad: "src/global.ts" }, { ...common, format: "iife", extension: "min.js" });

  const [worker] = await bundle({ worker: "src/wasm/worker.ts" });
  const { WORKER } = await import(`data:text/javascript,${encodeURIComponent(worker.code)}`);
  writeFileSync("dist/wasmgrad-worker.js", `${WORKER_HEAD}${WORKER}export {};\n`);

  rmSync("dist/types-cjs", { recursive: true, force: true });
  types("dist/types");
  // The same declarations in a folder that calls itself CommonJS, for those who `require`.
  cpSync("dist/types", "dist/types-cjs", { recursive: true });
  writeFileSync("dist/types-cjs/package.json", '{ "type": "commonjs" }\n');

  const digest = (file) => `sha384-${createHash("sha384").update(readFileSync(file)).digest("base64")}`;
  const digests = Object.fromEntries(
    ["simd", "relaxed", "wide"].map((name) => [`${name}.wasm`, digest(`dist/${name}.wasm`)]),
  );
  writeFileSync("dist/integrity.json", `${JSON.stringify(digests, null, 2)}\n`);
}
