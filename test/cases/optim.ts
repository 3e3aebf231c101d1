// The optimizers' kernels: tables of segments, written in place. A case shows one of the tensors that a row writes.
// Extents: the number of segments and their lengths. Scalars that PyTorch has as doubles are two words each.

import { empty } from "../../src/core/make.ts";
import { launch } from "../../src/core/op.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { words64 } from "../../src/row/words.ts";
import { f, family, fixed } from "./case.ts";

// Terms of size up to about 4 cancel: a few roundings of them.
export const { cases, add } = family("optim", { tolerance: { ulp: 4, of: 4 }, order: 0 });

const one = (value: number) => fixed([1], [value]);
const doubles = (...values: number[]): number[] => values.flatMap(words64);

for (const betas of [
  [0.9, 0.999],
  [0.5, 0.25],
  [0, 0],
  [0.999999, 0.9999],
]) {
  for (const t of [1, 2, 3, 6, 7, 31, 498, 1001, 100003]) {
    add(
      `corrections, betas ${betas}, step ${t}`,
      [one(t), f([3])],
      (step, g) => {
        const y = empty([4], "float32", "corrections", step.device);
        launch("corrections_f32", [y], [step, g], [1], doubles(...betas));
        return y;
      },
      { tolerance: { ulp: 4 } },
    );
  }
}

/** Lengths of the segments of a row. */
const TABLES = [[1], [17], [4, 0, 67], [5, 16, 1, 131], [20011], [12007, 3, 9001]];
for (const lengths of TABLES) {
  const S = lengths.length;
  const text = lengths.join("+");
  const extents = [S, ...lengths];
  const params = lengths.map((n) => f([n]));
  const grads = lengths.map((n) => f([n]));
  const positive = lengths.map((n) => f([n], "positive"));
  const steps = (t: number) => lengths.map(() => one(t));
  const show = lengths.indexOf(Math.max(...lengths));
  /** Interleaves lists: a0 b0 a1 b1 ... */
  const zip = (...lists: Tensor[][]): Tensor[] => lengths.flatMap((_, i) => lists.map((l) => l[i]!));
  /** Cuts the inputs into lists of S. */
  const cut = (all: Tensor[]): Tensor[][] =>
    Array.from({ length: Math.floor(all.length / S) }, (_, i) => all.slice(i * S, (i + 1) * S));

  add(
    `tick ${text}`,
    steps(3),
    (...all) => {
      launch("tick_f32", all, [], [S]);
      return all[S - 1]!;
    },
    { tolerance: "exact" },
  );
  for (const [decay, maximize] of [
    [0, 0],
    [0.1, 1],
  ] as const) {
    add(`sgd ${text}, decay ${decay}, maximize ${maximize}`, [...params, ...grads, one(0.1)], (...all) => {
      const [p, g] = cut(all) as [Tensor[], Tensor[]];
      launch("sgd_f32", p, [all[all.length - 1]!, ...g], extents, [...doubles(decay), maximize]);
      return p[show]!;
    });
    for (const [step, nesterov, dampening] of [
      [1, 0, 0.3],
      [2, 0, 0.3],
      [2, 1, 0],
    ] as const) {
      const inputs = [...params, ...lengths.map((n) => f([n])), ...grads, ...steps(step), one(0.1)];
      for (const which of ["parameter", "buffer"] as const) {
        add(`sgd momentum ${text}, decay ${decay}, step ${step}, nesterov ${nesterov}: ${which}`, inputs, (...all) => {
          const [p, b, g, t] = cut(all) as [Tensor[], Tensor[], Tensor[], Tensor[]];
          const scalars = [...doubles(decay, 0.9, dampening), nesterov, maximize];
          launch("sgd_momentum_f32", zip(p, b), [all[all.length - 1]!, ...zip(g, t)], extents, scalars);
          return (which === "parameter" ? p : b)[show]!;
        });
      }
    }
    for (const decoupled of [0, 1]) {
      for (const step of [1, 1000]) {
        const inputs = [
          ...[...params, ...lengths.map((n) => f([n])), ...positive, ...positive, ...grads, ...steps(step)],
          one(0.01),
        ];
        for (const amsgrad of [false, true]) {
          for (const which of ["parameter", "m", "v"] as const) {
            const name = `adam${amsgrad ? " amsgrad" : ""} ${text}, decay ${decay}, decoupled ${decoupled}, step ${step}: ${which}`;
            add(name, inputs, (...all) => {
              const [p, m, v, vmax, g, t] = cut(all) as [Tensor[], Tensor[], Tensor[], Tensor[], Tensor[], Tensor[]];
              const outputs = amsgrad ? zip(p, m, v, vmax) : zip(p, m, v);
              const scalars = [...doubles(0.9, 0.999, 1e-8, decay), maximize, decoupled];
              const kernel = amsgrad ? "adam_amsgrad_f32" : "adam_f32";
              launch(kernel, outputs, [all[all.length - 1]!, ...zip(g, t)], extents, scalars);
              return { parameter: p, m, v }[which][show]!;
            });
          }
        }
      }
    }
  }
}
