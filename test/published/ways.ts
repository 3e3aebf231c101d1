// The ways in which a page comes by the package: what each builds out of `app/`, by the tools of `test/published`.
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Headers, type Site, serveFolder } from "./pages.ts";

const app = fileURLToPath(new URL("app/", import.meta.url));

export type Place = "page" | "worker";

/** A folder with the app's sources and the package, as a user's project has them. */
export interface Project {
  readonly folder: string;
  /** What the page loads, and where the app's Worker trains also that. */
  readonly entries: readonly string[];
  /** What bundlers warned of. */
  readonly warnings: string[];
}

export interface Way {
  readonly name: string;
  /** What differs in a file of the app; `other` is another origin's address, which ends with a slash. */
  readonly edit?: (text: string, other: string) => string;
  open(project: Project): Promise<Site>;
}

/** The tools are installed apart from the project, so they have no types here. */
// biome-ignore lint/suspicious/noExplicitAny: see above
const tool = (name: string): Promise<any> => import(name);

const html = (script: string, head = ""): string =>
  `<!doctype html><meta charset="utf-8"><title>wasmgrad</title>${head}<body>${script}</body>\n`;
const module = (src: string): string => `<script type="module" src="./${src}"></script>`;
const classic = (src: string): string => `<script src="${src}"></script>`;

/** What the app imports. */
const from =
  (address: string) =>
  (text: string): string =>
    text.replace('from "wasmgrad"', `from ${JSON.stringify(address)}`);
/** Where the page's script is no module. */
const noMeta = (text: string): string => text.replace("import.meta.url", "document.baseURI");
/** Imports when it runs: a Worker that does not load says nothing of why. */
const late = (text: string): string =>
  text.replace('import { train } from "./train.js"', 'const train = () => import("./train.js").then((m) => m.train())');

/** The app's sources, with the package beside them. */
export async function project(packed: string, way: Way, place: Place, other: string): Promise<Project> {
  const folder = join(packed, `${way.name}, ${place}`.replaceAll(/\W+/g, "-"));
  await mkdir(folder);
  await cp(join(packed, "node_modules"), join(folder, "node_modules"), { recursive: true });
  await cp(join(packed, "package.json"), join(folder, "package.json"));
  const entries = place === "page" ? ["page.js"] : ["host.js", "trainer.js"];
  for (const name of [...entries, "train.js"]) {
    const text = await readFile(join(app, name), "utf8");
    await writeFile(join(folder, name), way.edit?.(text, other) ?? text);
  }
  await writeFile(join(folder, "index.html"), html(module(entries[0]!)));
  return { folder, entries, warnings: [] };
}

/** What an app's build copies when its bundler does not: README's recipe. */
async function copyBeside({ folder }: Project): Promise<void> {
  const dist = join(folder, "node_modules/wasmgrad/dist");
  for (const name of await readdir(dist)) {
    if (/\.wasm$|^wasmgrad-worker\.js$/.test(name)) await cp(join(dist, name), join(folder, "out", name));
  }
}

/** Serves what was built. */
async function serveOut({ folder, entries }: Project, script: (src: string) => string): Promise<Site> {
  await writeFile(join(folder, "out/index.html"), html(script(entries[0]!)));
  return serveFolder(join(folder, "out"));
}

async function esbuild(project: Project, format: "esm" | "iife"): Promise<void> {
  const { build } = await tool("esbuild");
  const { warnings } = await build({
    absWorkingDir: project.folder,
    entryPoints: project.entries.map((name) => `./${name}`),
    ...{ bundle: true, format, outdir: "out", logLevel: "silent" },
  });
  for (const { text } of warnings) project.warnings.push(text);
}

async function rollup(project: Project): Promise<void> {
  const [{ rollup }, { nodeResolve }] = await Promise.all([tool("rollup"), tool("@rollup/plugin-node-resolve")]);
  const build = await rollup({
    input: project.entries.map((name) => join(project.folder, name)),
    plugins: [nodeResolve()],
    onLog: (_level: string, { message }: { message: string }) => project.warnings.push(message),
  });
  await build.write({ dir: join(project.folder, "out"), format: "es" });
  await build.close();
}

async function webpack(project: Project): Promise<void> {
  const { default: webpack } = await tool("webpack");
  const { folder, entries } = project;
  const compiler = webpack({
    mode: "production",
    context: folder,
    entry: { [entries[0]!.replace(/\.js$/, "")]: `./${entries[0]}` },
    // Trusted Types: webpack's own policy, by which it loads chunks.
    output: { path: join(folder, "out"), trustedTypes: true },
  });
  // biome-ignore lint/suspicious/noExplicitAny: see above
  const stats = await new Promise<any>((resolve, reject) =>
    compiler.run((error: Error | null, result: unknown) => (error === null ? resolve(result) : reject(error))),
  );
  await new Promise((resolve) => compiler.close(resolve));
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
  if (errors.length > 0) throw new Error(errors.map((e: Error) => e.message).join(" | "));
  project.warnings.push(...warnings.map((w: Error) => w.message));
}

/** Vite's own servers: the headers are set before anything else answers. */
function viteConfig({ folder, warnings }: Project, site: { headers: Headers }): object {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  const configure = (server: any): void => {
    // biome-ignore lint/suspicious/noExplicitAny: see above
    server.middlewares.use((_request: unknown, response: any, next: () => void) => {
      for (const [name, value] of Object.entries(site.headers)) response.setHeader(name, value);
      next();
    });
  };
  const warn = (message: string): void => void warnings.push(message);
  return {
    root: folder,
    configFile: false,
    logLevel: "warn",
    // Vite makes classic scripts of Workers otherwise, which cannot load the parts that the package imports on demand.
    worker: { format: "es" },
    customLogger: { info() {}, warn, warnOnce: warn, error: warn, clearScreen() {}, hasErrorLogged: () => false },
    server: { host: "127.0.0.1", port: 0 },
    preview: { host: "127.0.0.1", port: 0 },
    plugins: [{ name: "headers", configureServer: configure, configurePreviewServer: configure }],
  };
}

async function viteDev(project: Project): Promise<Site> {
  const { createServer } = await tool("vite");
  const state: { headers: Headers } = { headers: {} };
  const server = await createServer(viteConfig(project, state));
  await server.listen();
  return Object.assign(state, { url: server.resolvedUrls.local[0] as string, close: () => server.close() });
}

async function viteBuild(project: Project): Promise<Site> {
  const { build, preview } = await tool("vite");
  const state: { headers: Headers } = { headers: {} };
  const config = viteConfig(project, state);
  await build(config);
  const server = await preview(config);
  return Object.assign(state, { url: server.resolvedUrls.local[0] as string, close: () => server.close() });
}

const beside =
  (build: (project: Project) => Promise<void>, script = module) =>
  async (project: Project): Promise<Site> => {
    await build(project);
    await copyBeside(project);
    return serveOut(project, script);
  };

const MAP = '<script type="importmap">{"imports": {"wasmgrad": "./node_modules/wasmgrad/dist/index.js"}}</script>';

/** The classic script makes a global; a Worker takes it by importScripts, for which Trusted Types want a policy. */
const SCRIPT = "./node_modules/wasmgrad/dist/wasmgrad.min.js";
const IMPORT_SCRIPT = `const policy = globalThis.trustedTypes?.createPolicy("app", { createScriptURL: (address) => address });
importScripts(policy?.createScriptURL("${SCRIPT}") ?? "${SCRIPT}");
`;
const global = (text: string): string =>
  text
    .replace(/import (\{[^}]*\}) from "wasmgrad";/, "const $1 = globalThis.wasmgrad;")
    .replace(', { type: "module" }', "")
    .replace(/^(?=.*\bpostMessage,)/s, IMPORT_SCRIPT);

async function inline(project: Project): Promise<Site> {
  await esbuild(project, "iife");
  return serveOut(project, classic);
}

export const WAYS: readonly Way[] = [
  { name: "vite dev", open: viteDev },
  { name: "vite build", open: viteBuild },
  {
    name: "webpack",
    open: async (project) => {
      await webpack(project);
      return serveOut(project, classic);
    },
  },
  { name: "rollup", open: beside(rollup) },
  { name: "esbuild esm", open: beside((project) => esbuild(project, "esm")) },
  { name: "esbuild iife", edit: noMeta, open: beside((project) => esbuild(project, "iife"), classic) },
  {
    name: "module script",
    edit: from("./node_modules/wasmgrad/dist/index.js"),
    open: ({ folder }) => serveFolder(folder),
  },
  {
    name: "classic script",
    edit: (text) => late(global(text)),
    open: async ({ folder, entries }) => {
      await writeFile(join(folder, "index.html"), html(classic(SCRIPT) + module(entries[0]!)));
      return serveFolder(folder);
    },
  },
  {
    name: "import map",
    edit: late,
    open: async ({ folder, entries }) => {
      await writeFile(join(folder, "index.html"), html(module(entries[0]!), MAP));
      return serveFolder(folder);
    },
  },
  {
    name: "other origin",
    edit: (text, other) => late(from(`${other}node_modules/wasmgrad/dist/index.js`)(text)),
    open: ({ folder }) => serveFolder(folder),
  },
  // One file for the page, one for its Worker, and nothing copied.
  { name: "inline", edit: (text) => noMeta(from("wasmgrad/inline")(text)), open: inline },
  {
    name: "inline, worker given",
    edit: (text) => noMeta(from("wasmgrad/inline")(text)).replace("train()", 'train({ worker: "/engine-worker.js" })'),
    open: async (project) => {
      const site = await inline(project);
      const file = join(project.folder, "node_modules/wasmgrad/dist/wasmgrad-worker.js");
      await cp(file, join(project.folder, "out/engine-worker.js"));
      return site;
    },
  },
];
