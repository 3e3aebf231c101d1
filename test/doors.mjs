// The published file of each entry of the sources, for tests that run on what is published.

const DOORS = {
  "src/index.ts": "dist/index.js",
  "src/data/index.ts": "dist/data.js",
  "src/amp/index.ts": "dist/amp.js",
  "src/io/safetensors.ts": "dist/io.js",
};

/**
 * The published file for one of the sources, both from the project's root.
 * @param {string} path
 * @param {string} importer
 * @returns {string}
 */
export function doors(path, importer) {
  const file = DOORS[path];
  if (file === undefined)
    throw new Error(`${importer} imports ${path}, which is not published: a test on dist/ cannot`);
  return file;
}
