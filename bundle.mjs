// Bundles. What is imported on demand becomes a file of its own, except in a classic script (iife). What the entry named
// `index` needs at once stands in one file, core.js, instead of one for each set of entries that share it: compression
// sees no further than a file.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { parseSync } from "rolldown/utils";

const path = (file) => fileURLToPath(new URL(file, import.meta.url));

/**
 * The names of classes stay, which users see, and so do lines, since Node prints the line of an uncaught error: but for the classic
 * script, which is for pages alone. Both cost little once compressed, and nothing behind a bundler that minifies.
 */
const MINIFY = {
  compress: { keepNames: { function: false, class: true } },
  mangle: { keepNames: { function: false, class: true } },
};

/** The package's files lie beside the bundle: src/wasm/address.ts says where they lie as seen from the sources. */
const addresses = {
  name: "addresses",
  transform: {
    filter: { id: /[\\/]src[\\/]wasm[\\/]address\.ts$/ },
    handler: (code) => ({ code: code.replaceAll('"../../dist/', '"./'), map: null }),
  },
};

/**
 * Layouts of kernels' rows that few pages read, which import nothing: apart, so that a page's bundler leaves them with those who do.
 */
const ROWS = /[\\/]src[\\/]program[\\/]kernels[\\/](?!(?:facts|index|matmul|names|reader|table)\.ts$)/;

/**
 * Modules lie in the order in which they are first imported. What comes to lie within 32 kB, as far as gzip looks back, decides over
 * 1 % of a page and 2 % of the whole library: these first is the best of some ten thousand orders (bench/lab/260-order.ts searches them).
 */
const FIRST = [
  ...["row/words", "wasm/create", "wasm/runner", "memory/arenas"],
  ...["program/passes/chains", "program/plan", "optim/wolfe", "program/compare", "program/winograd"],
  ...["program/passes/turned", "wasm/device", "program/passes/pool", "capture", "core/tape"],
  ...["nn/parameter", "ops/tensor", "optim/numbers", "ops/matmul", "ops/flat"],
  ...["ops/random", "ops/extremes", "ops/written", "nn/init"],
];
const order = {
  name: "order",
  transform: {
    filter: { id: /[\\/]src[\\/]index\.ts$/ },
    handler: (code) => ({ code: FIRST.map((file) => `import "./${file}.ts";`).join("") + code, map: null }),
  },
};

/**
 * Fields without a value go, which constructors set: what JavaScript does with their names, first make them undefined, is 0.2 kB of a
 * page. Blanks stand in their place, so that lines and columns stay.
 */
const fields = {
  name: "fields",
  transform: {
    filter: { id: /\.ts$/ },
    handler(code, id) {
      const parts = code.split("");
      const visit = (node) => {
        if (node === null || typeof node !== "object") return;
        const { type, value, key, start, end } = node;
        if (type === "PropertyDefinition" && value === null && !node.static && key.type === "Identifier")
          for (let i = start; i < end; i++) if (parts[i] !== "\n") parts[i] = " ";
        for (const part of Object.values(node)) visit(part);
      };
      visit(parseSync(id, code).program);
      return { code: parts.join(""), map: null };
    },
  },
};

/** `import text from "wasm:simd.wasm"`: the file in dist/, gzip in base64, which is a third of the bare bytes in base64. */
const carried = {
  name: "carried",
  resolveId: (id) => (id.startsWith("wasm:") ? `\0${id}` : null),
  load(id) {
    if (!id.startsWith("\0wasm:")) return null;
    const packed = gzipSync(readFileSync(path(`dist/${id.slice(6)}`)), { level: 9 });
    return `export default "${packed.toString("base64")}"`;
  },
};

/**
 * The files of these entries, paths from the project's root by name: written to `dir`, or returned only.
 * @param {Readonly<Record<string, string>>} entries
 * @param {{ dir?: string, minify?: boolean, sourcemap?: boolean, format?: "esm" | "cjs" | "iife", extension?: string }} options
 * @returns {Promise<{ fileName: string, code: string, imports: string[] }[]>}
 */
export async function bundle(entries, options = {}) {
  const { dir, minify = false, sourcemap = false, format = "esm", extension = "js" } = options;
  const input = Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, path(file)]));
  const build = await rolldown({
    input,
    platform: "neutral",
    resolve: { mainFields: ["module", "main"] },
    external: [/^node:/],
    transform: { define: { COMMONJS_FILE: format === "cjs" ? "__filename" : "undefined" } },
    plugins: [fields, addresses, carried, order],
    onLog(level, log) {
      // What is no module has no import.meta: src/wasm/address.ts knows what to do.
      if (log.code === "EMPTY_IMPORT_META" && format !== "esm") return;
      throw new Error(`bundle: ${level}: ${log.message}`);
    },
  });
  const core = new Set();
  const name = (id, graph) => {
    if (id.startsWith("\0wasm:")) return `carried-${id.slice(6, -5)}`;
    const visit = (module) => {
      if (core.has(module)) return;
      core.add(module);
      graph.getModuleInfo(module)?.importedIds.forEach(visit);
    };
    visit(input.index);
    return core.has(id) ? "core" : null;
  };
  const splitting = {
    groups: [
      { name: "rows", test: ROWS, priority: 1 },
      { name, debugName: "core" },
    ],
  };
  try {
    const { output } = await build[dir === undefined ? "generate" : "write"]({
      ...{
        dir,
        minify: minify && { ...MINIFY, codegen: { removeWhitespace: format === "iife" } },
        sourcemap,
        format,
        name: format === "iife" ? "wasmgrad" : undefined,
      },
      ...{ entryFileNames: `[name].${extension}`, chunkFileNames: `[name].${extension}` },
      comments: { legal: true, annotation: true, jsdoc: !minify },
      codeSplitting: input.index === undefined || format === "iife" ? false : splitting,
    });
    return output.filter((file) => file.type === "chunk");
  } finally {
    await build.close();
  }
}
