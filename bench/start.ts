// From the start of a process to the first 256x256 product in hand, beside a Node that does nothing.
import { spawnSync } from "node:child_process";
import { Bar, Presets } from "cli-progress";
import { type Grid, type Span, show, span } from "./timing.ts";

export interface StartRow {
  readonly name: string;
  readonly ms: Span;
  /** Over the bare Node of the same round. */
  readonly over: Span | null;
  /** The best of all rounds over the best bare Node. */
  readonly best: number | null;
}

const product = (threads: number): string => `
import { init, ones } from ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};
await init({ threads: ${threads} });
if (ones([256, 256]).matmul(ones([256, 256])).dataSync()[0] !== 256) throw new Error("wrong product");
process.exit(0);`;

export function startSection(threads: number, rounds: number): StartRow[] {
  const commands: [string, string[]][] = [
    ["bare node", ["-e", "0"]],
    ["1 thread", ["--input-type=module", "-e", product(1)]],
  ];
  if (threads > 1) commands.push([`${threads} threads`, ["--input-type=module", "-e", product(threads)]]);
  const ms = commands.map((): number[] => []);
  const bar = new Bar({ format: "start        {bar} {value}/{total}", hideCursor: true }, Presets.rect);
  bar.start(rounds + 1, 0);
  try {
    // The first round only fills the file cache.
    for (let r = -1; r < rounds; r++) {
      for (const [i, [name, args]] of commands.entries()) {
        const t0 = performance.now();
        const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
        if (status !== 0) throw new Error(`start, ${name}: ${stderr}`);
        if (r >= 0) ms[i]!.push(performance.now() - t0);
      }
      bar.increment();
    }
  } finally {
    bar.stop();
  }
  return commands.map(([name], i) => ({
    name,
    ms: span(ms[i]!),
    over: i === 0 ? null : span(ms[i]!.map((t, r) => t - ms[0]![r]!)),
    best: i === 0 ? null : Math.min(...ms[i]!) - Math.min(...ms[0]!),
  }));
}

export const startGrid = (rows: readonly StartRow[]): Grid => [
  ["import to first 256x256 product", "ms", "ms over bare node", "best of each"],
  rows.map((r) => [
    ...[r.name, show(r.ms), r.over === null ? "" : show(r.over)],
    r.best === null ? "" : `+${r.best.toFixed(0)}`,
  ]),
];
