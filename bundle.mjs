// Bundles: modules of Node stay imports, and what is imported on demand becomes a file of its own. What the entry named
// `index` needs at once stands in one file, core.js, instead of one for each set of entries that share it: compression
// sees no further than a file.
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/**
 * The files of these entries, paths from the project's root by name: written to `dir`, or returned only.
 * @param {Readonly<Record<string, string>>} entries
 * @param {{ dir?: string, minify?: boolean }} options
 * @returns {Promise<{ fileName: string, code: string, imports: string[] }[]>}
 */
export async function bundle(entries, { dir, minify = false } = {}) {
  const paths = Object.entries(entries).map(([name, path]) => [name, fileURLToPath(new URL(path, import.meta.url))]);
  const input = Object.fromEntries(paths);
  const build = await rolldown({
    input,
    platform: "neutral",
    resolve: { mainFields: ["module", "main"] },
    external: [/^node:/],
    onLog(level, log) {
      throw new Error(`bundle: ${level}: ${log.message}`);
    },
  });
  const core = new Set();
  const name = (id, graph) => {
    const visit = (module) => {
      if (core.has(module)) return;
      core.add(module);
      graph.getModuleInfo(module)?.importedIds.forEach(visit);
    };
    visit(input.index);
    return core.has(id) ? "core" : null;
  };
  try {
    const { output } = await build[dir === undefined ? "generate" : "write"]({
      ...{ dir, minify, format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name].js" },
      codeSplitting: input.index === undefined ? false : { groups: [{ name, debugName: "core" }] },
    });
    return output;
  } finally {
    await build.close();
  }
}
