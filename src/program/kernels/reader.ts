// Rows read and made by the names of the table, for passes. Parsed when first needed: a page without capture never does.
import type { Buffer, Row } from "../../core/device.ts";
import { type Layout, layouts } from "./table.ts";

/** Buffers, extents and scalars (as words) by name. */
export type Values = Readonly<Record<string, Buffer | number | undefined>>;

type All<N extends readonly string[], T> = { readonly [K in keyof N]: T };

export class Reader {
  private readonly texts: string[];
  private found: Map<string, Layout> | null = null;

  /** Knows the kernels of these families, by their `rows`. */
  constructor(...families: readonly string[]) {
    this.texts = [...families];
  }

  /** From now on it knows those of another family too. */
  know(family: string): void {
    if (this.texts.includes(family)) return;
    this.texts.push(family);
    this.found = null;
  }

  private layout(kernel: string): Layout {
    this.found ??= layouts(this.texts.join(""));
    return this.found.get(kernel) ?? unknown(kernel, "its family");
  }

  /** True for a kernel whose rows can be read. */
  knows(kernel: string): boolean {
    this.found ??= layouts(this.texts.join(""));
    return this.found.has(kernel);
  }

  /** True where the kernel's rows have a scalar of that name. */
  has(kernel: string, scalar: string): boolean {
    return this.knows(kernel) && this.layout(kernel).scalars.some(({ name }) => name === scalar);
  }

  /** Everything in a row by name. */
  values(row: Row): Record<string, Buffer | number | undefined> {
    const { outputs, inputs, extents, scalars } = this.layout(row.kernel);
    const found: Record<string, Buffer | number | undefined> = {};
    for (const [i, { name }] of [...outputs, ...inputs].entries()) found[name] = row.buffers[i];
    for (const [i, { name }] of extents.entries()) found[name] = row.extents[i];
    for (const [i, { name }] of scalars.entries()) found[name] = row.scalars[i];
    return found;
  }

  /** The buffers of these names. */
  buffers<const N extends readonly string[]>(row: Row, ...names: N): All<N, Buffer> {
    const values = this.values(row);
    return names.map((name) => values[name] ?? unknown(row.kernel, name)) as unknown as All<N, Buffer>;
  }

  /** The extents and scalars of these names. */
  numbers<const N extends readonly string[]>(row: Row, ...names: N): All<N, number> {
    const values = this.values(row);
    return names.map((name) => values[name] ?? unknown(row.kernel, name)) as unknown as All<N, number>;
  }

  /** A row of these values. */
  row(kernel: string, op: string, values: Values): Row {
    const { outputs, inputs, extents, scalars } = this.layout(kernel);
    const of = (list: Layout["inputs"]): (Buffer | number)[] =>
      list.flatMap(({ name, optional }) => values[name] ?? (optional ? [] : unknown(kernel, name)));
    return {
      kernel,
      buffers: [...of(outputs), ...of(inputs)] as Buffer[],
      outputs: outputs.length,
      extents: of(extents) as number[],
      scalars: of(scalars) as number[],
      op,
    };
  }

  /** The row with other values, or a row of another kernel with what the two have in common. */
  changed(row: Row, values: Values, kernel = row.kernel): Row {
    return this.row(kernel, row.op, { ...this.values(row), ...values });
  }
}

function unknown(kernel: string, name: string): never {
  throw new Error(`${kernel}: ${name} is not in the table of kernels`);
}
