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
  /** What the app imports; a function of another origin's address, which ends with a slash. */
  readonly from?: string | ((other: string) => string);
  /** Options of `init`. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Where the page's script is no module: `import.meta` is not there. */
  readonly classic?: boolean;
  /** Where the Worker may not be able to import: it does so when it runs, since a Worker that does not load says nothing. */
  readonly late?: boolean;
  open(project: Project): Promise<Site>;
}

/** The tools are installed apart from the project, so they have no types here. */
// biome-ignore lint/suspicious/noExplicitAny: see above
const tool = (name: string): Promise<any> => import(name);

const html = (script: string, head = ""): string =>
  `<!doctype html><meta charset="utf-8"><title>wasmgrad</title>${head}<body>${script}</body>\n`;
const module = (src: string): string => `<script type="module" src="./${src}"></script>`;
const classic = (src: string): string => `<script src="./${src}"></script>`;

const LATE = 'const train = () => import("./train.js").then((m) => m.train())';

/** The app's sources, with the package beside them. */
export async function project(packed: string, way: Way, place: Place, other: string): Promise<Project> {
  const folder = join(packed, `${way.name}, ${place}`.replaceAll(/\W+/g, "-"));
  await mkdir(folder);
  await cp(join(packed, "node_modules"), join(folder, "node_modules"), { recursive: true });
  await cp(join(packed, "package.json"), join(folder, "package.json"));
  const from = typeof way.from === "function" ? way.from(other) : (way.from ?? "wasmgrad");
  const entries = place === "page" ? ["page.js"] : ["host.js", "trainer.js"];
  for (const name of [...entries, "train.js"]) {
    let text = await readFile(join(app, name), "utf8");
    text = text.replace('from "wasmgrad"', `from ${JSON.stringify(from)}`);
    if (way.options !== undefined) text = text.replace("train()", `train(${JSON.stringify(way.options)})`);
    if (way.late) text = text.replace('import { train } from "./train.js"', LATE);
    if (way.classic) text = text.replace("import.meta.url", "document.baseURI");
    await writeFile(join(folder, name), text);
  }
  await writeFile(join(folder, "index.html"), html(module(entries[0]!)));
  return { folder, entries, warnings: [] };
}

/** What an app's build copies when its bundler does not: README's recipe. */
async function copyBeside({ folder }: Project): Promise<void> {
  const dist = join(folder, "node_modules/wasmgrad/dist");
  for (const name of await readdir(dist)) {
    if (/\.wasm$|^worker\.js$/.test(name)) await cp(join(dist, name), join(folder, "out", name));
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
  { name: "esbuild iife", classic: true, open: beside((project) => esbuild(project, "iife"), classic) },
  {
    name: "module script",
    from: "./node_modules/wasmgrad/dist/index.js",
    open: ({ folder }) => serveFolder(folder),
  },
  {
    name: "import map",
    late: true,
    open: async ({ folder, entries }) => {
      await writeFile(join(folder, "index.html"), html(module(entries[0]!), MAP));
      return serveFolder(folder);
    },
  },
  {
    name: "other origin",
    late: true,
    from: (other) => `${other}node_modules/wasmgrad/dist/index.js`,
    open: ({ folder }) => serveFolder(folder),
  },
  {
    // One file for the page, one for its Worker, and nothing copied.
    name: "inline",
    from: "wasmgrad/inline",
    classic: true,
    open: async (project) => {
      await esbuild(project, "iife");
      return serveOut(project, classic);
    },
  },
  {
    name: "inline, worker given",
    from: "wasmgrad/inline",
    options: { worker: "/engine-worker.js" },
    classic: true,
    open: async (project) => {
      await esbuild(project, "iife");
      const { folder } = project;
      await cp(join(folder, "node_modules/wasmgrad/dist/worker.js"), join(folder, "out/engine-worker.js"));
      return serveOut(project, classic);
    },
  },
];
