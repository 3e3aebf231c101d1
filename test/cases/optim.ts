// The optimizers' kernels: tables of segments, written in place. A case shows one of the tensors that a row writes.
// Extents: the number of segments and their lengths. Scalars that PyTorch has as doubles are two words each.

import { empty } from "../../src/core/make.ts";
import { launch } from "../../src/core/op.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { words64 } from "../../src/row/words.ts";
import { f, family, fixed, type Input, ints } from "./case.ts";

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

/** Which positions of `indices` name the same of so many rows. */
function ordered(indices: Tensor, rows: number, values: Tensor): Tensor {
  const n = indices.numel;
  const order = empty([n, 2], "int32", "order", indices.device);
  const table = empty([rows], "int32", "table", indices.device);
  launch("sparse_rows_i32", [order, table], [indices, values], [n, rows]);
  table.release("the case");
  return order;
}

// Rows of which some are named, once, several times, and all the time; the last three are shared by threads.
const NAMED: readonly [rows: number, n: number, width: number, indices?: Input["fill"]][] = [
  [1, 1, 1],
  [5, 4, 3, [2, 0, 4, 1]],
  [5, 7, 1, [3, 3, 0, 3, 4, 0, 3]],
  [3, 9, 4, [2]],
  [67, 5, 17],
  [9, 31, 16],
  [40, 131, 5],
  [3, 67, 131],
  [1000, 300, 67],
  [7, 8192, 3],
  [5, 3001, 17, [1, 4, 4, 2]],
];
for (const [rows, n, width, fill] of NAMED) {
  const named = ints([n], fill ?? { from: 0, to: rows });
  const text = `${n} of ${rows} rows`;
  add(`sparse rows ${text}`, [named, f([n])], (indices, values) => ordered(indices, rows, values), {
    tolerance: "exact",
  });
  // A sum of k terms in float32 has some roundings of its size; v has its square, which is of size k, with some ten times as many.
  const k = Math.ceil(n / rows);
  for (const [t, maximize] of [
    [1, 0],
    [1000, 1],
  ] as const) {
    for (const betas of [[0.9, 0.999], ...(width === 3 ? [[0, 0]] : [])] as [number, number][]) {
      for (const which of ["parameter", "m", "v"] as const) {
        add(
          `sparse adam ${text}, betas ${betas}, step ${t}, maximize ${maximize}: ${which}`,
          [f([rows, width]), f([rows, width]), f([rows, width], "positive"), f([n, width]), named, one(t), one(0.01)],
          (...all) => {
            const [p, m, v] = all as [Tensor, Tensor, Tensor];
            const [values, indices, step, lr] = all.slice(3) as [Tensor, Tensor, Tensor, Tensor];
            const order = ordered(indices, rows, values);
            launch(
              "sparse_adam_f32",
              [p, m, v],
              [lr, values, order, step],
              [n, width],
              [...doubles(...betas, 1e-8), maximize],
            );
            order.release("the case");
            return { parameter: p, m, v }[which];
          },
          { tolerance: { ulp: which === "v" && k > 8 ? 16 : 4, of: k > 8 ? 4 * k : 16 } },
        );
      }
    }
  }
}
