// Chains on this device: elementwise rows over as many elements become one kernel, in which each thread takes an element through all of
// them. Its WGSL is put together from the bodies of their kernels.
import type { Row, Storage } from "../core/device.ts";
import type { Kernels, Whole } from "../program/passes/chain.ts";
import { type Implementation, type Kernel, type Laid, type Limits, laid, type Registry } from "./kernel.ts";

const TYPES = ["f32", "i32", "u32"];
const real = (s: Storage): Storage => s.alias ?? s;

/** The kernel as a step, whose body reads and writes element `i` of its buffers and knows nothing else; null for another. */
function stepOf(registry: Registry, name: string): Laid | null {
  const entry = registry[name];
  const own = entry?.kernels[""];
  if (own === undefined || entry!.expand !== undefined) return null;
  const k = laid(name, own);
  const { buffers, extents } = k.fields;
  const known = k.groups === undefined && k.size === undefined && !k.barriers && !k.skips && k.encode === undefined;
  if (!known || extents.length !== 1 || extents[0]!.name !== "n" || buffers.some(({ type }) => !TYPES.includes(type)))
    return null;
  if (/\breturn\b|\b(li|lid|wg|group|n)\b/.test(k.body) || /var</.test(k.head ?? "")) return null;
  const elements = k.body.match(/(?<![\w.])\w+\[[^\]]*\]/g) ?? [];
  const [out, ...inputs] = buffers.map(({ name }) => `${name}[i]`);
  const writes = k.body.split(`${out} = `).length - 1;
  const fits = writes === 1 && elements.every((e) => e === out || inputs.includes(e));
  return fits && elements.filter((e) => e === out).length === 1 ? k : null;
}

/** `to` in the place of a word. */
const put = (code: string, word: string, to: string): string => code.replace(new RegExp(`(?<![\\w.])${word}`, "g"), to);

/** A value of one type as the same bits of another. */
const as = (to: string, from: string, value: string): string => (to === from ? value : `bitcast<${to}>(${value})`);

/**
 * A value as its bits, through an exclusive or with a word that is 0, which the compiler cannot know. It would put a product and a sum of two
 * rows together, or leave x where there was x / y * y, NaN or not.
 */
const apart = (type: string, value: string): string => as(type, "u32", `(${as("u32", type, value)} ^ zero_)`);

/** A chain with what its kernel is made of. */
interface Plan {
  readonly whole: Whole;
  readonly steps: readonly Laid[];
  /** Cells that are stored, and cells that are loaded: the row's buffers. */
  readonly stored: readonly number[];
  readonly read: readonly number[];
  /** Of each step, the cell of what it makes where that outlasts the program; else -1. */
  readonly lasting: readonly number[];
  typeOf(cell: number): string;
}

/**
 * The kernel: a thread loads element i of a cell (or the first, of one that stays) when it is first read. What outlasts the program stays
 * as it was behind a fault, for the steps behind it too. Null where two heads have one name for two functions.
 */
function kernelOf({ whole, steps, stored, read, lasting, typeOf }: Plan): Kernel | null {
  const functions = new Map<string, string>();
  const [code, scalars]: [string[], string[]] = [[], []];
  for (const [i, { reads, store }] of whole.steps.entries()) {
    const { head, body, fields } = steps[i]!;
    for (const text of (head ?? "").split(/\n(?=fn |const )/).map((t) => t.trim())) {
      const name = /^(?:fn|const) (\w+)/.exec(text)?.[1] ?? text;
      if ((functions.get(name) ?? text) !== text) return null;
      functions.set(name, text);
    }
    const [out, ...inputs] = fields.buffers;
    const value = `value${i}_`;
    let step = put(body, `${out!.name}\\[i\\]`, value);
    for (const { name, type } of fields.scalars) {
      scalars.push(`s${i}_${name}:${type}`);
      step = put(step, `${name}\\b`, `s${i}_${name}`);
    }
    for (const [j, { name, type }] of inputs.entries()) {
      const cell = reads[j]!;
      const [from, there] =
        cell < 0 ? [steps[~cell]!.fields.buffers[0]!.type, `value${~cell}_`] : [typeOf(cell), `load${cell}_`];
      if (cell >= 0 && !code.some((line) => line.startsWith(`let ${there} `)))
        code.push(`let ${there} = cell${cell}[${whole.buffers[cell] ? "i" : "0"}];`);
      step = put(step, `${name}\\[i\\]`, as(type, from, there));
    }
    code.push(`var ${value}: ${out!.type};`, `{ ${step} }`, `${value} = ${apart(out!.type, value)};`);
    const keep = store < 0 ? "" : `out${store}[i] = ${as(typeOf(store), out!.type, value)};`;
    const cell = lasting[i]!;
    if (cell < 0) code.push(keep);
    else code.push(`if (skip_) { ${value} = ${as(out!.type, typeOf(cell), `out${cell}[i]`)}; } else { ${keep} }`);
  }
  const named = (kind: string, cells: readonly number[]): string[] => cells.map((c) => `${kind}${c}:${typeOf(c)}`);
  return {
    buffers: [...named("out", stored), ...named("cell", read)].join(" "),
    extents: "n",
    scalars: [...scalars, "zero_:u32"].join(" "),
    head: [...functions.values()].join("\n"),
    body: code.filter((line) => line !== "").join("\n  "),
    skipsSteps: true,
  };
}

/** Makes them, once for each kind. */
export class GpuPieces implements Kernels {
  readonly #registry: Registry;
  readonly #limits: Limits;
  /** Words of a row's uniform block. */
  readonly #words: number;
  readonly #define: (name: string, made: Implementation) => void;
  readonly #steps = new Map<string, Laid | null>();
  readonly #made = new Map<string, string | null>();

  constructor(registry: Registry, limits: Limits, words: number, define: (name: string, made: Implementation) => void) {
    this.#registry = registry;
    this.#limits = limits;
    this.#words = words;
    this.#define = define;
  }

  #step(name: string): Laid | null {
    if (!this.#steps.has(name)) this.#steps.set(name, stepOf(this.#registry, name));
    return this.#steps.get(name)!;
  }

  fits(kernel: string): boolean {
    return this.#step(kernel) !== null;
  }

  row(whole: Whole): Row | null {
    const { steps, outs, cells, n, scalars } = whole;
    const distinct = (list: readonly number[]): number[] => [...new Set(list.filter((c) => c >= 0))];
    const [stored, read] = [distinct(steps.map((s) => s.store)), distinct(steps.flatMap((s) => s.reads))];
    const storages = cells.map(({ storage }) => real(storage));
    const buffers = [...stored, ...read].map((c) => cells[c]!);
    // Offsets, the fault's word, n, the scalars and the 0.
    const words = buffers.length + 3 + scalars.length;
    if (new Set(storages).size > this.#limits.bindings || words > this.#words) return null;
    const laid = steps.map(({ kernel }) => this.#step(kernel)!);
    // One type for all cells of a storage, which are one binding: that of the first who reads or writes it.
    const types = new Map<Storage, string>();
    for (const [i, { reads, store }] of steps.entries()) {
      const { buffers } = laid[i]!.fields;
      for (const [j, cell] of [store, ...reads].entries())
        if (cell >= 0 && !types.has(storages[cell]!)) types.set(storages[cell]!, buffers[j]!.type);
    }
    const typeOf = (cell: number): string => types.get(storages[cell]!)!;
    const lasting = outs.map(({ storage, offset }, i) => {
      if (real(storage).virtual) return -1;
      const { store } = steps[i]!;
      return store >= 0 ? store : stored.find((c) => storages[c] === real(storage) && cells[c]!.offset === offset)!;
    });
    const key = JSON.stringify([whole.buffers, steps, cells.map((_, c) => typeOf(c)), lasting]);
    let name = this.#made.get(key);
    if (name === undefined) {
      const kernel = kernelOf({ whole, steps: laid, stored, read, lasting, typeOf });
      name = kernel && `chain ${this.#made.size}: ${steps.map((s) => s.kernel).join(" ")}`;
      if (kernel !== null) this.#define(name!, { kernels: { "": kernel } });
      this.#made.set(key, name);
    }
    if (name === null) return null;
    return { kernel: name, buffers, outputs: stored.length, extents: [n], scalars: [...scalars, 0], op: "chain" };
  }
}
