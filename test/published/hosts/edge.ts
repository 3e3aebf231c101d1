// Cells of workerd: training, and a model that goes on training from request to request in memory that does not grow.
import { existsSync, readFileSync } from "node:fs";
import { type Cell, inFolder, type Trained } from "./cell.ts";
import { ask, esbuild, type ServeOptions, serve, workerd } from "./workerd.ts";

interface Xor {
  readonly loss: number;
  readonly info: Trained["info"];
  readonly memory: unknown;
}

/** Requests of 300 steps before the memory is looked at, and after. */
const [BEFORE, AFTER] = [10, 40];
/** MB by which the process may grow in `AFTER` requests: nothing is kept, V8's heaps breathe. */
const GROWTH = 16;

/** Resident memory in MB; null where the system does not tell. */
function resident(pid: number): number | null {
  const file = `/proc/${pid}/status`;
  return existsSync(file) ? Number(/VmRSS:\s+(\d+)/.exec(readFileSync(file, "utf8"))![1]) / 1024 : null;
}

async function learns(url: string, pid: number): Promise<void> {
  const first = await ask<Xor>(`${url}/xor`);
  for (let i = 1; i < BEFORE; i++) await ask(`${url}/xor`);
  const before = { ...(await ask<Xor>(`${url}/xor`)), mb: resident(pid) };
  for (let i = 0; i < AFTER; i++) await ask(`${url}/xor`);
  const after = { ...(await ask<Xor>(`${url}/xor`)), mb: resident(pid) };
  const text = JSON.stringify({ first, before, after });
  if (first.info.build !== "relaxed" || first.info.threads !== 1) throw new Error(`build or threads: ${text}`);
  if (!(first.loss < 0.2 && after.loss < first.loss / 10)) throw new Error(`the loss does not fall: ${text}`);
  if (JSON.stringify(before.memory) !== JSON.stringify(after.memory)) throw new Error(`wasm memory grew: ${text}`);
  if (before.mb !== null && after.mb! > before.mb + GROWTH) throw new Error(`the process grew: ${text}`);
}

const cell = (name: string, options: Omit<ServeOptions, "entry">): Cell => ({
  name,
  needs: options.bundled ? [workerd, esbuild] : [workerd],
  threads: 1,
  run: (published) =>
    inFolder(published, async (folder) => {
      const { url, pid, close } = await serve(folder, { entry: "workerd.mjs", ...options });
      try {
        const trained = await ask<Trained>(`${url}/train`);
        await learns(url, pid);
        return trained;
      } finally {
        await close();
      }
    }),
});

export const cells: Cell[] = [
  cell("workerd", {}),
  cell("workerd, nodejs_compat", { flags: ["nodejs_compat"] }),
  cell("workerd, bundled as wrangler does", { bundled: true }),
];
