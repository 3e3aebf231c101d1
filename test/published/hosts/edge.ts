// Cells of workerd: training, and a model that goes on training from request to request in memory that does not grow.
import { existsSync, readFileSync } from "node:fs";
import { type Cell, inFolder, type Trained } from "./cell.ts";
import { ask, esbuild, type ServeOptions, serve, workerd } from "./workerd.ts";

interface Xor {
  readonly loss: number;
  readonly info: Trained["info"];
  readonly memory: { readonly reservedBytes: number };
}

/** Requests of 300 steps: until V8 has collected for the first time, and once more. */
const REQUESTS = 800;
/** MB by which process and wasm may grow from one look to the next: nothing is kept, V8's heaps breathe. */
const GROWTH = { process: 32, wasm: 4 };

/** Steps of one long request, and MB by which it may leave the process larger: an isolate has 128 in all at Cloudflare. */
const LONG = { steps: 500_000, growth: 64 };

/** Resident memory in MB; null where the system does not tell. */
function resident(pid: number): number | null {
  const file = `/proc/${pid}/status`;
  return existsSync(file) ? Number(/VmRSS:\s+(\d+)/.exec(readFileSync(file, "utf8"))![1]) / 1024 : null;
}

async function learns(url: string, pid: number): Promise<void> {
  const first = await ask<Xor>(`${url}/xor`);
  const looks: (Xor & { readonly mb: number | null })[] = [];
  for (let look = 0; look < 3; look++) {
    for (let i = 1; i < REQUESTS; i++) await ask(`${url}/xor`);
    looks.push({ ...(await ask<Xor>(`${url}/xor`)), mb: resident(pid) });
  }
  // V8's young space doubles somewhere in the first 1,600 requests, by 80 MB: what comes behind counts.
  const [before, after] = [looks[1]!, looks[2]!];
  const text = JSON.stringify({ first, before, after });
  if (first.info.build !== "relaxed" || first.info.threads !== 1) throw new Error(`build or threads: ${text}`);
  if (!(first.loss < 0.2 && after.loss < first.loss / 10)) throw new Error(`the loss does not fall: ${text}`);
  const wasm = (after.memory.reservedBytes - before.memory.reservedBytes) / 2 ** 20;
  if (wasm > GROWTH.wasm) throw new Error(`wasm memory grew by ${wasm} MB: ${text}`);
  if (before.mb === null) return;
  if (after.mb! > before.mb + GROWTH.process) throw new Error(`the process grew: ${text}`);
  // No turn of the event loop between requests helps here.
  await ask(`${url}/xor?steps=${LONG.steps}`);
  const mb = resident(pid)!;
  if (mb > after.mb! + LONG.growth) throw new Error(`the process grew by ${mb - after.mb!} MB in one long request`);
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
