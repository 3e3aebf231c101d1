// Rows read and made by the names of the table, for passes. Families are parsed when first needed: a page without capture never
// does. Types are left out: the whole grammar is in table.ts.
import type { Buffer, Row } from "../../core/device.ts";
import { names } from "./names.ts";

/** Buffers, extents and scalars (as words) by name. */
export type Values = Record<string, Buffer | number | undefined>;

type All<N extends readonly string[], T> = { readonly [K in keyof N]: T };

/** Names of the outputs, inputs, extents and scalars; `bias?` may be missing. */
type Parts = readonly [outputs: string[], inputs: string[], extents: string[], scalars: string[]];

export class Reader {
  private text: string;
  private found: Map<string, Parts> | null = null;

  /** Knows the kernels of these families, by their `rows`. */
  constructor(...families: readonly string[]) {
    this.text = families.join("");
  }

  /** From now on it knows those of another family too. */
  know(family: string): void {
    if (this.text.includes(family)) return;
    this.text += family;
    this.found = null;
  }

  private parts(kernel: string): Parts | undefined {
    if (this.found === null) {
      this.found = new Map();
      for (const [, pattern, row] of this.text.matchAll(/^(.+?): (.*)$/gm)) {
        const parts = row!.split("|", 4).map((part) => part.match(/(?<!:)\b\w+\??/g) ?? []) as unknown as Parts;
        for (const name of names(pattern!)) this.found.set(name, parts);
      }
    }
    return this.found.get(kernel);
  }

  /** True where rows of the kernel can be read, and have a scalar of that name. */
  has(kernel: string, scalar: string): boolean {
    return this.parts(kernel)?.[3].includes(scalar) ?? false;
  }

  /** Everything in a row by name. */
  private values(row: Row): Values {
    const [outputs, inputs, extents, scalars] = this.parts(row.kernel) ?? unknown(row.kernel, "kernel");
    const found: Values = {};
    const put = (names: readonly string[], list: readonly (Buffer | number)[]): void =>
      names.forEach((name, i) => {
        found[name.replace("?", "")] = list[i];
      });
    put([...outputs, ...inputs], row.buffers);
    put(extents, row.extents);
    put(scalars, row.scalars);
    return found;
  }

  /** The buffers of these names. */
  buffers<const N extends readonly string[]>(row: Row, ...names: N): All<N, Buffer> {
    const values = this.values(row);
    return names.map((name) => values[name] ?? unknown(row.kernel, name)) as unknown as All<N, Buffer>;
  }

  /** The extents and scalars of these names. */
  numbers<const N extends readonly string[]>(row: Row, ...names: N): All<N, number> {
    return this.buffers(row, ...names) as unknown as All<N, number>;
  }

  /** A row of these values. */
  row(kernel: string, op: string, values: Values): Row {
    const parts = this.parts(kernel) ?? unknown(kernel, "kernel");
    const [outputs, inputs, extents, scalars] = parts.map((part) =>
      part.flatMap((name) => values[name.replace("?", "")] ?? (name.endsWith("?") ? [] : unknown(kernel, name))),
    ) as [Buffer[], Buffer[], number[], number[]];
    return { kernel, buffers: [...outputs, ...inputs], outputs: outputs.length, extents, scalars, op };
  }

  /** The row with other values, or a row of another kernel with what the two have in common. */
  changed(row: Row, values: Values, kernel = row.kernel): Row {
    return this.row(kernel, row.op, { ...this.values(row), ...values });
  }
}

function unknown(kernel: string, name: string): never {
  throw new Error(`${kernel}: no ${name} in the table`);
}
