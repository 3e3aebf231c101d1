// Rows read and made by the names of the table, for passes. Families are parsed when first needed: a page without capture never
// does. Types are left out: the whole grammar is in table.ts.
import type { Buffer, Row } from "../../core/device.ts";
import { names } from "./names.ts";

/** Buffers, extents and scalars (as words) by name. */
export type Values = Record<string, Buffer | number | undefined>;

type All<N extends readonly string[], T> = { readonly [K in keyof N]: T };

export interface Reader {
  /** From now on it knows the rows of another family too. */
  know(family: string): void;
  /** True where rows of the kernel are known, and have a scalar of that name. */
  has(kernel: string, scalar: string): boolean;
  /** The kernel whose name has `to` where this one's has `from`; null where there is none. */
  twin(kernel: string, from: string | RegExp, to: string): string | null;
  /** The buffers of these names. */
  buffers<const N extends readonly string[]>(row: Row, ...names: N): All<N, Buffer>;
  /** The extents and scalars of these names. */
  numbers<const N extends readonly string[]>(row: Row, ...names: N): All<N, number>;
  /** A row of these values. */
  row(kernel: string, op: string, values: Values): Row;
  /** The row with other values, or a row of another kernel with what the two have in common. */
  changed(row: Row, values: Values, kernel?: string): Row;
}

/** Names of the outputs, inputs, extents and scalars; `bias?` may be missing. */
type Parts = readonly [outputs: string[], inputs: string[], extents: string[], scalars: string[]];

/** Knows the kernels of these families, by their `rows`. */
export function reader(...families: readonly string[]): Reader {
  let text = families.join("");
  let found: Map<string, Parts> | null = null;

  const partsOf = (kernel: string): Parts | undefined => {
    if (found === null) {
      found = new Map();
      for (const [, pattern, row] of text.matchAll(/^(.+?): (.*)$/gm)) {
        const parts = row!.split("|", 4).map((part) => part.match(/(?<!:)\b\w+\??/g) ?? []) as unknown as Parts;
        for (const name of names(pattern!)) found.set(name, parts);
      }
    }
    return found.get(kernel);
  };

  const valuesOf = (row: Row): Values => {
    const [outputs, inputs, ...numbers] = partsOf(row.kernel) ?? unknown(row.kernel, "kernel");
    const lists = [
      [[...outputs, ...inputs], row.buffers],
      [numbers[0], row.extents],
      [numbers[1], row.scalars],
    ] as const;
    const values: Values = {};
    for (const [names, list] of lists) for (const [i, name] of names.entries()) values[name.replace("?", "")] = list[i];
    return values;
  };

  const take = (row: Row, ...names: readonly string[]): never => {
    const values = valuesOf(row);
    return names.map((name) => values[name] ?? unknown(row.kernel, name)) as never;
  };

  const make = (kernel: string, op: string, values: Values): Row => {
    const [outputs, inputs, extents, scalars] = (partsOf(kernel) ?? unknown(kernel, "kernel")).map((part) =>
      part.flatMap((name) => values[name.replace("?", "")] ?? (name.endsWith("?") ? [] : unknown(kernel, name))),
    ) as [Buffer[], Buffer[], number[], number[]];
    return { kernel, buffers: [...outputs, ...inputs], outputs: outputs.length, extents, scalars, op };
  };

  return {
    know(family) {
      if (text.includes(family)) return;
      text += family;
      found = null;
    },
    has: (kernel, scalar) => partsOf(kernel)?.[3].includes(scalar) ?? false,
    twin(kernel, from, to) {
      const other = kernel.replace(from, to);
      return other !== kernel && partsOf(other) !== undefined ? other : null;
    },
    buffers: take,
    numbers: take,
    row: make,
    changed: (row, values, kernel = row.kernel) => make(kernel, row.op, { ...valuesOf(row), ...values }),
  };
}

function unknown(kernel: string, name: string): never {
  throw new Error(`${kernel}: no ${name} in the table`);
}
