// One sitting of `npm run bench -- versions`: a process that loads two builds of the library, in the order that it is told,
// and measures a workload on both in turns, beside the peak. Prints the times of each round as JSON.
import { pathToFileURL } from "node:url";
import type * as wasmgrad from "../src/index.ts";
import { cases } from "./cases.ts";
import { floatsOf, interleave } from "./measure.ts";
import { type Build, Peaks } from "./peaks.ts";
import { type Library, prepare, ready } from "./work.ts";

/** What the process is told, as JSON in its one argument. */
export interface Sitting {
  /** The modules of the two, in the order in which they are loaded and take their turns. */
  readonly modules: readonly [string, string];
  readonly build: Build;
  /** Names of cases. */
  readonly names: readonly string[];
  readonly rounds: number;
  readonly budget: number;
}

/** Milliseconds of each round: of the two, and the rate of the peak in units of 10^6 a ms. */
export interface Sat {
  readonly name: string;
  readonly mode: string;
  readonly ms: readonly [number[], number[]];
  readonly peak: number[];
}

const told = JSON.parse(process.argv[2]!) as Sitting;
const { build, rounds, budget } = told;
const libraries: { w: Library; device: wasmgrad.Device }[] = [];
for (const module of told.modules) {
  const w = (await import(pathToFileURL(module).href)) as Library;
  const device = await w.init({ simd: build, threads: 1 });
  await ready(device);
  libraries.push({ w, device });
}
const found: Sat[] = [];
for (const c of cases.filter((c) => told.names.includes(c.name))) {
  const floats = floatsOf(c);
  for (const mode of c.modes) {
    const works = libraries.map(({ w, device }) => prepare(w, device, c, mode));
    if (works.includes(null)) continue;
    const peaks = new Peaks(build, 1, Math.max(floats, 1024));
    const peak = peaks.work(c.peak, floats);
    try {
      const [a, b, p] = await interleave("", [works[0]!, works[1]!, peak], rounds, budget);
      const rate = p!.map((t) => peaks.amount(c.peak, floats) / t);
      found.push({ name: c.name, mode, ms: [a!, b!], peak: rate });
    } finally {
      for (const work of [...works, peak]) work?.dispose?.();
      await peaks.dispose();
    }
  }
}
console.log(JSON.stringify(found));
process.exit(0);
