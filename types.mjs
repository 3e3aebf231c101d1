// The published types: declarations of what the entries reach. What is marked @internal is not in them, so files that no
// entry reaches may name what is not there; they are not published.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));

/** The declarations of the entries, as package.json names them, from `dist/types` on. */
export function entries() {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const named = JSON.stringify(exports).matchAll(/"types":"\.\/dist\/types\/([^"]+)"/g);
  return [...new Set([...named].map(([, file]) => file))];
}

/** The declarations that a file names: `./core/tensor.ts` is `core/tensor.d.ts`. */
function named(folder, file) {
  const text = readFileSync(join(folder, file), "utf8");
  const specifiers = [...text.matchAll(/(?:from|import|module|import\()\s*"(\.[^"]+)\.ts"/g)];
  return specifiers.map(([, path]) => join(dirname(file), `${path}.d.ts`));
}

/** Writes the declarations into `folder`, which is emptied. */
export function types(folder) {
  rmSync(folder, { recursive: true, force: true });
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const options = ["-p", join(root, "tsconfig.build.json"), "--outDir", folder];
  execFileSync(process.execPath, [tsc, ...options], { stdio: ["ignore", "inherit", "inherit"] });
  const reached = new Set();
  const visit = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const other of named(folder, file)) visit(other);
  };
  for (const entry of entries()) visit(entry);
  prune(folder, (path) => reached.has(relative(folder, path)));
}

/** Removes the files that are not to stay, and folders without any. True when nothing is left. */
function prune(folder, stays) {
  let empty = true;
  for (const f of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, f.name);
    if (f.isDirectory() ? prune(path, stays) : !stays(path)) rmSync(path, { recursive: true });
    else empty = false;
  }
  return empty;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) types(resolve(process.argv[2] ?? join(root, "dist/types")));
