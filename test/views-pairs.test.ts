// Every ordered pair of the ops that give views inside a captured function: read, written through, differentiated twice, beside
// views in plain JavaScript (strided.ts). views.test.ts has the same pairs outside of captured functions.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { data, fixed, program, type Same } from "./programs.ts";
import { doubled, type Model, type Pair, pairs, VIEW_OPS } from "./strided.ts";

const PAIRS = pairs().filter((p) => p.shown !== null);
const CALLS = 4;

test("every op stands first and last with every other", () => {
  const seen = new Set(PAIRS.map((p) => `${p.a.name} ${p.b.name}`));
  // `view` of what it cannot show is refused on every base: views.test.ts has it.
  const missing = VIEW_OPS.flatMap((a) => VIEW_OPS.map((b) => `${a.name} ${b.name}`)).filter((k) => !seen.has(k));
  assert.ok(
    missing.every((k) => k.endsWith(" view")),
    missing.join(),
  );
});

/** What is written: all elements of the second view, or of the copy that stands for it; nothing where PyTorch refuses it. */
const written = (p: Pair): boolean => p.second === null || !(p.several || doubled(p.second));

/** y = 2 x; b a view of a view of y; b *= q; then Σ u y + Σ b², its gradients, and the gradient of the first one's sum. */
function step(p: Pair): (x: w.Tensor, q: w.Tensor, u: w.Tensor) => w.Tensor[] {
  return (x, q, u) => {
    const [leaf, factor] = [x.clone().requiresGrad_(), q.clone().requiresGrad_()];
    const y = leaf.mul(2);
    const a = p.a.ours(y);
    const b = p.b.ours(a);
    const read = b.add(1);
    if (written(p)) b.mul_(factor);
    const loss = y.mul(u).sum().add(b.mul(b).sum());
    const [gx, gq] = w.grad(loss, [leaf, factor], { createGraph: true });
    const [h] = gx!.requiresGrad ? w.grad(gx!.sum(), [leaf]) : [null];
    return [read, y.clone(), a.clone(), b.clone(), gx!, gq ?? w.zerosLike(factor), h ?? w.zerosLike(leaf)];
  };
}

const WHAT = [
  "the second view",
  "the base",
  "the first view",
  "the second, written",
  "gradient",
  "of the factor",
  "second",
];

/** The same in plain numbers. */
function expected(p: Pair, x: number[], q: number[], u: number[]): number[][] {
  const m: Model = p.shown!;
  const y = x.map((v) => 2 * v);
  const read = m.at.map((k) => y[k]! + 1);
  const by = m.at.map((_, i) => (written(p) ? q[i]! : 1));
  const b = m.at.map((k, i) => 2 * x[k]! * by[i]!);
  // A copy that is written leaves the base alone.
  const through = written(p) && p.second !== null;
  const gx = u.map((v) => 2 * v);
  const gq = m.at.map(() => 0);
  const h = x.map(() => 0);
  m.at.forEach((k, i) => {
    if (through) {
      y[k] = b[i]!;
      gx[k] = 2 * u[k]! * by[i]!;
    }
    gx[k]! += 8 * x[k]! * by[i]! ** 2;
    h[k]! += 8 * by[i]! ** 2;
    if (written(p)) gq[i] = (through ? 2 * u[k]! * x[k]! : 0) + 8 * x[k]! ** 2 * by[i]!;
  });
  return [read, y, p.first.at.map((k) => y[k]!), b, gx, gq, h];
}

async function captured(p: Pair, same: Same): Promise<void> {
  const f = w.capture(step(p));
  for (let call = 1; call <= CALLS; call++) {
    const [x, q, u] = [data(p.base, call), data(p.shown!.shape, 10 + call), data(p.base, 20 + call)];
    const found = await f(x, q, u);
    const numbers = expected(p, fixed(x.numel, call), fixed(q.numel, 10 + call), fixed(u.numel, 20 + call));
    for (const [i, list] of numbers.entries()) await same(found[i]!, list, `${p.name}, call ${call}: ${WHAT[i]}`);
  }
  assert.is(f.stats.replays, CALLS - 2);
  f.dispose();
}

for (const { name } of VIEW_OPS) {
  program(`captured: ${name}, then every other`, async (same) => {
    for (const p of PAIRS) if (p.a.name === name) await captured(p, same);
  });
}

test.run();
