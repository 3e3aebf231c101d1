// The child's side of a comparison: requests come as lines of JSON on stdin, answers go to stdout, one each.
//   { do: "load", case, mode } -> { work } or { error }     { do: "round", work, budget } -> { ms }
//   { do: "drop", work } -> {}
// A round is timed here, by the same rules for everyone; run.mjs lets the children take turns.
import { createInterface } from "node:readline";
import type { Case, Mode } from "../cases.ts";
import { round, type Work, warm } from "../timing.ts";

/** A peer whose call takes longer is left out of a case; a first call, which may compile, may take the second. */
const LONGEST_MS = 3000;
const LONGEST_FIRST_MS = 10000;

export type Prepare = (c: Case, mode: Mode | "peak") => Work | Promise<Work>;

type Request =
  | { do: "load"; case: Case; mode: Mode | "peak" }
  | { do: "round"; work: number; budget: number }
  | { do: "drop"; work: number };

/** Answers until stdin ends. `versions` is what the results name. */
export async function serve(versions: Record<string, string>, prepare: Prepare): Promise<void> {
  const say = (answer: object): void => {
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  };
  console.log = console.error;
  const works: ({ work: Work; calls: number } | null)[] = [];
  const answer = async (request: Request): Promise<object> => {
    if (request.do === "load") {
      const work = await prepare(request.case, request.mode);
      for (const [call, longest] of [
        ["the first call", LONGEST_FIRST_MS],
        ["a call", LONGEST_MS],
      ] as const) {
        const t0 = performance.now();
        await work.run(1);
        const took = performance.now() - t0;
        if (took <= longest) continue;
        work.dispose?.();
        throw new Error(`left out: ${call} takes ${(took / 1000).toFixed(1)} s`);
      }
      works.push({ work, calls: await warm(work) });
      return { work: works.length - 1 };
    }
    const { work, calls } = works[request.work]!;
    if (request.do === "round") return { ms: await round(work, calls, request.budget) };
    work.dispose?.();
    works[request.work] = null;
    return {};
  };
  say({ versions });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await answer(JSON.parse(line) as Request));
    } catch (error) {
      say({ error: String((error as Error).message ?? error).split("\n")[0] });
    }
  }
  process.exit(0);
}

/** One array of `n` numbers from -1 to 1. */
export const random = (n: number): Float32Array => Float32Array.from({ length: n }, () => Math.random() * 2 - 1);
export const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
/** Steps cycle through so many batches, as ours do. */
export const BATCHES = 8;
