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

/** Where a row keeps what has a name. */
type Place = readonly [list: "buffers" | "extents" | "scalars", index: number];

/** Names of the outputs, inputs, extents and scalars, of which `bias?` may be missing, and the place of each. */
interface Parts {
  readonly lists: readonly [outputs: string[], inputs: string[], extents: string[], scalars: string[]];
  readonly places: ReadonlyMap<string, Place>;
}

function partsFrom(row: string): Parts {
  const lists = row.split("|", 4).map((part) => part.match(/(?<!:)\b\w+\??/g) ?? []) as unknown as Parts["lists"];
  const [outputs, inputs, extents, scalars] = lists;
  const places = new Map<string, Place>();
  for (const [list, names] of [
    ["buffers", [...outputs, ...inputs]],
    ["extents", extents],
    ["scalars", scalars],
  ] as const)
    for (const [i, name] of names.entries()) places.set(name.replace("?", ""), [list, i]);
  return { lists, places };
}

/** Knows the kernels of these families, by their `rows`. */
export function reader(...families: readonly string[]): Reader {
  let text = families.join("");
  let found: Map<string, Parts> | null = null;

  const partsOf = (kernel: string): Parts | undefined => {
    if (found === null) {
      found = new Map();
      for (const [, pattern, row] of text.matchAll(/^(.+?): (.*)$/gm)) {
        const parts = partsFrom(row!);
        for (const name of names(pattern!)) found.set(name, parts);
      }
    }
    return found.get(kernel);
  };

  const known = (kernel: string): Parts => partsOf(kernel) ?? unknown(kernel, "kernel");

  // An eager convolution asks for thirty numbers at each launch: each is one look into the map.
  const take = (row: Row, ...names: readonly string[]): never => {
    const { places } = known(row.kernel);
    return names.map((name) => {
      const place = places.get(name);
      return (place && row[place[0]][place[1]]) ?? unknown(row.kernel, name);
    }) as never;
  };

  const valuesOf = (row: Row): Values => {
    const values: Values = {};
    for (const [name, [list, i]] of known(row.kernel).places) values[name] = row[list][i];
    return values;
  };

  const make = (kernel: string, op: string, values: Values): Row => {
    const [outputs, inputs, extents, scalars] = known(kernel).lists.map((part) =>
      part.flatMap((name) => values[name.replace("?", "")] ?? (name.endsWith("?") ? [] : unknown(kernel, name))),
    ) as [Buffer[], Buffer[], number[], number[]];
    return { kernel, buffers: [...outputs, ...inputs], outputs: outputs.length, extents, scalars, op };
  };

  /** The row with other values in their places. */
  const replaced = (row: Row, values: Values): Row => {
    const { places } = known(row.kernel);
    const { kernel, buffers, outputs, extents, scalars, op } = row;
    const copy = { kernel, buffers: [...buffers], outputs, extents: [...extents], scalars: [...scalars], op };
    for (const name in values) {
      const [list, i] = places.get(name) ?? unknown(row.kernel, name);
      (copy[list] as unknown[])[i] = values[name];
    }
    return copy;
  };

  return {
    know(family) {
      if (text.includes(family)) return;
      text += family;
      found = null;
    },
    has: (kernel, scalar) => partsOf(kernel)?.places.get(scalar)?.[0] === "scalars",
    twin(kernel, from, to) {
      const other = kernel.replace(from, to);
      return other !== kernel && partsOf(other) !== undefined ? other : null;
    },
    buffers: take,
    numbers: take,
    row: make,
    changed: (row, values, kernel = row.kernel) =>
      kernel === row.kernel ? replaced(row, values) : make(kernel, row.op, { ...valuesOf(row), ...values }),
  };
}

function unknown(kernel: string, name: string): never {
  throw new Error(`${kernel}: no ${name} in the table`);
}
