// The table of kernels (src/program/kernels): it says of every kernel what the AssemblyScript, the WGSL, the reference and the
// launches say, and a record that is taken away is missed.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Facts, knownFacts } from "../src/program/kernels/facts.ts";
import { families, table } from "../src/program/kernels/index.ts";
import type { Layout } from "../src/program/kernels/table.ts";
import { walking } from "../src/row/nest.ts";
import { word } from "../src/row/words.ts";
import { laid } from "../src/webgpu/kernel.ts";
import { registry } from "../src/webgpu/kernels/index.ts";
import { ReferenceStorage, View } from "./reference/view.ts";
import { kernels as reference } from "./reference.ts";
import { blanked, read, sources } from "./source.ts";

interface Table {
  readonly layouts: ReadonlyMap<string, Layout>;
  readonly facts: ReadonlyMap<string, Facts>;
}
const whole: Table = { layouts: table(), facts: knownFacts() };

// ----------------------------------------------------------------------------------------------- what assembly/ says

interface Written {
  /** The layouts in the nearest comment above that has one: a loop's may stand for all that call it. */
  readonly lines: readonly string[];
  /** The code of the function, and with that of all that it calls. */
  readonly own: string;
  readonly code: string;
}

const COMMENT = /^\s*(\/\*\*|\*|\/\/)/;

/** `y | x | n | s`, once or more, of a line of a comment. */
function linesIn(comment: string): string[] {
  const text = comment.replace(/^\s*(\/\*\*|\*\/|\*|\/\/)\s?/, "").replace(/\s*\*\/\s*$/, "");
  return text.split(/ {4,}/).flatMap((piece) => {
    const found = /^([^|]+)\|([^|]*)\|([^|]*)\|((?: [\w:*.?]+?(?=:? |:?$))*)/.exec(piece);
    return found === null
      ? []
      : [
          found
            .slice(1)
            .map((part) => part.trim())
            .join(" | ")
            .replace(/ +/g, " ")
            .trim(),
        ];
  });
}

const functions = new Map<string, string>();
/** The file of a function's code. */
const home = new Map<string, string>();
const exported = new Map<string, string[]>();
for (const path of sources("assembly").filter((path) => path !== "assembly/test.ts")) {
  let lines: string[] = [];
  let block: string[] = [];
  const text = read(path);
  const code = blanked(text).split("\n");
  for (const [i, raw] of text.split("\n").entries()) {
    block = COMMENT.test(raw) ? [...block, ...linesIn(raw)] : [];
    if (block.length > 0) lines = block;
    const name = /^(?:export )?(?:function|class) (\w+)/.exec(code[i]!)?.[1];
    if (name === undefined) continue;
    let end = i;
    while (code[end] !== "}") end++;
    const body = code.slice(i, end + 1).join("\n");
    functions.set(`${path} ${name}`, body);
    if (code[i]!.startsWith("export")) functions.set(name, body);
    home.set(body, path);
    if (/^export function \w+\(args: usize, ith: u32/.test(code[i]!)) exported.set(name, lines);
  }
}

/** The code of a function and of what it names: functions of its file and exported ones. */
function reached(own: string, seen = new Set<string>()): string {
  if (seen.has(own)) return "";
  seen.add(own);
  const named = [...new Set(own.match(/\w+/g))].map(
    (word) => functions.get(`${home.get(own)} ${word}`) ?? functions.get(word),
  );
  return [own, ...named.map((code) => (code === undefined ? "" : reached(code, seen)))].join("\n");
}
const written = new Map<string, Written>(
  [...exported].map(([name, lines]) => [
    name,
    { lines, own: functions.get(name)!, code: reached(functions.get(name)!) },
  ]),
);
written.set("fill_i32", written.get("fill_f32")!); // the same function under another name
written.delete("walk_f32"); // makes rows of others
written.delete("chain_f32");

/** The layout as the line above a kernel has it. */
const lineOf = ({ outputs, inputs, extents, scalars }: Layout): string => {
  const say = (list: Layout["inputs"], usual: string): string =>
    list
      .map(
        ({ name, type, each, optional }) =>
          `${name}${each ? ".." : ""}${optional ? "?" : ""}${type === usual ? "" : `:${type}`}`,
      )
      .join(" ")
      .replace(/(\w)0(:\w+)? \w1\2? \w2\2? \w3\2? \w4\2? \w5(\2)?/g, (_, stem, type = "") => `${stem}*6${type}`);
  return [say(outputs, "f32"), say(inputs, "f32"), say(extents, "u32"), say(scalars, "u32")]
    .join(" | ")
    .replace(/ +/g, " ")
    .trim();
};

// --------------------------------------------------------------------------------------------- what the launches say

/** Kernels that optimizers and the scaler launch, by name. */
const lastingBySource = new Set(
  [...sources("src/optim"), ...sources("src/amp")].flatMap((path) =>
    [...read(path).matchAll(/"(\w+_(?:f32|i32|b32))"/g)].map((m) => m[1]!),
  ),
);
lastingBySource.delete("fill_f32"); // writes the learning rate, from a number of the host's
lastingBySource.delete("amp_skip_i32"); // sets the word that the others look at
lastingBySource.delete("where_f32"); // in place, so that its op ends in _
lastingBySource.delete("corrections_f32"); // makes a new tensor, for the step alone
lastingBySource.delete("sparse_rows_i32"); // so does this

/** What one device alone has: float16 and mixed precision are WebGPU's. */
const ONE_DEVICE = /_b16$|_f16|f16_|^amp_/;

/** A kernel's rows over n elements, run as they are and element by element. */
function alike(name: string, { outputs, inputs, scalars }: Layout): boolean {
  const n = 5;
  const device = {} as never;
  const view = (values: readonly number[], reads: boolean): View => {
    const storage = new ReferenceStorage(device, values.length * 4, "test", false);
    storage.data.set(values);
    return new View({ storage, offset: 0 }, reads);
  };
  const words = scalars.flatMap(({ type }, k) =>
    type === "f64" ? [0, 0] : [type === "f32" ? word(0.5 * (k + 1)) : 3 * (k + 1)],
  );
  const given = inputs.map((x, j) =>
    x.name === "slot"
      ? [1, 2, 3, 4]
      : Array.from({ length: n }, (_, i) => ((i * 7 + j * 3) % 5) / (name.endsWith("_i32") ? 1 : 5)),
  );
  if (name.startsWith("cast_f32_i32") || name.endsWith("_i32"))
    for (const list of given) for (const i of list.keys()) list[i] = 1 + ((i * 7) % 5); // no divisor of 0
  const run = (ins: readonly (readonly number[])[], count: number): number[][] => {
    const outs = outputs.map(() => view(new Array<number>(count).fill(0), false));
    reference[name]!(
      outs,
      ins.map((list) => view(list, true)),
      [count],
      words,
      "test",
    );
    return outs.map(({ storage }) => [...storage.data.slice(0, count)]);
  };
  const all = run(given, n);
  const slot = inputs.some((x) => x.name === "slot");
  const ones = Array.from({ length: n }, (_, i) =>
    run(
      given.map((list) => (slot ? list : [list[i]!])),
      1,
    ),
  );
  return all.every((list, o) => list.every((value, i) => Object.is(value, ones[i]![o]![0]!)));
}

// ------------------------------------------------------------------------------------------------------- the checks

/** What is wrong with a table. */
function complaints({ layouts, facts }: Table): string[] {
  const wrong: string[] = [];
  const hold = (ok: boolean, kernel: string, what: string): void => {
    if (!ok) wrong.push(`${kernel}: ${what}`);
  };
  const of = (kernel: string): Facts => facts.get(kernel) ?? {};
  for (const [name, { lines }] of written) {
    const layout = layouts.get(name);
    hold(layout !== undefined, name, "assembly exports it, the table has no line");
    if (layout !== undefined)
      hold(lines.includes(lineOf(layout)), name, `${lines} in assembly, ${lineOf(layout)} in the table`);
  }
  for (const name of facts.keys()) hold(layouts.has(name), name, "facts without a line");
  const shaders = Object.keys(registry).filter((name) => !name.startsWith("walk:"));
  for (const name of shaders) {
    const inner = /_parts_|^parts_|_chunk_|^matmul_strided_(nn|nt|tn|tt)_/.test(name);
    hold(layouts.has(name) || inner, name, "WGSL has it, the table has no line");
  }
  for (const [name, layout] of layouts) {
    const { outputs, inputs, extents, scalars, tags } = layout;
    const { faults, once, lasting, segments } = of(name);
    const assembly = written.get(name);
    const entry = registry[name];
    hold(assembly !== undefined || entry !== undefined, name, "a line, and no device has it");
    const all = [...outputs, ...inputs, ...extents, ...scalars].map((f) => f.name);
    const twice = all.filter((n, i) => all.indexOf(n) !== i);
    const repeated = [...outputs, ...inputs].some((f) => f.each);
    hold(twice.length === 0, name, `${twice} twice`);
    const tagged = (tag: string, is: boolean): void =>
      hold(tags.includes(tag) === is, name, `${tag} ${is ? "is missing" : "is said"}`);

    // WGSL
    const sizes: string[] = [];
    for (const variant of Object.keys(entry?.kernels ?? {})) {
      const k = laid(name, entry!.kernels[variant]!);
      const { fields } = k;
      sizes.push(String(k.size));
      hold(/\bfault\(/.test(k.body) === (faults !== undefined), name, `WGSL and a sentence for faults`);
      if (repeated) continue;
      hold(fields.buffers.length === outputs.length + inputs.length, name, `${fields.buffers.length} buffers in WGSL`);
      hold(fields.extents.length === extents.length, name, `${fields.extents.length} extents in WGSL`);
      hold(
        k.encode !== undefined || fields.scalars.length === scalars.length,
        name,
        `${fields.scalars.length} scalars in WGSL`,
      );
    }
    // The reference
    hold(
      name in reference || tags.includes("passes") || assembly === undefined,
      name,
      "the reference has no such kernel",
    );
    const optional = tags.includes("passes") || tags.includes("choices");
    hold(
      optional || (assembly !== undefined && entry !== undefined) || ONE_DEVICE.test(name),
      name,
      "one device lacks it",
    );

    // Facts, each by where it comes from
    if (assembly !== undefined) {
      hold(
        /\bfault\(/.test(assembly.own) === (faults !== undefined),
        name,
        "a sentence for faults, and a call of fault",
      );
      tagged("scratch", /\bscratch\(/.test(assembly.code));
    }
    const single =
      /if \(ith > 0\) return;/.test(assembly?.own ?? "") || (sizes.length > 0 && sizes.every((s) => s === "1,1,1"));
    hold(single === (once === true), name, `once is ${once}`);
    hold(extents.some((f) => f.each) === (segments === true), name, `segments is ${segments}`);
    hold(
      (lastingBySource.has(name) || outputs.some((f) => f.name === "state")) === (lasting === true),
      name,
      `lasting is ${lasting}`,
    );
    hold(
      faults === undefined || faults.startsWith(`${extents.map((f) => f.name).join(" ")}: `),
      name,
      "the sentence begins with other names than its extents'",
    );
    // Tags
    if (name in reference && extents.map((f) => f.name).join() === "n" && !outputs.some((f) => f.name === "state")) {
      const same = alike(name, layout);
      tagged("each", same);
      tagged("indexed", !same);
    }
    tagged(
      "lines",
      /^(outer n inner|rows n|rows classes)$/.test(extents.map((f) => f.name).join(" ")) && !all.includes("chunk"),
    );
    tagged("passes", /_skipping_|^matmul.*_relu_vjp_|^conv2d_pool_/.test(name));
    tagged("choices", /winograd/.test(name));
    tagged("broadcast", name.includes("_broadcast_") && layouts.has(name.replace("_broadcast", "")));
  }
  return wrong;
}

test("every kernel has a line, and all who know it say the same", () => {
  assert.ok(written.size > 140 && whole.layouts.size >= written.size);
  assert.equal(complaints(whole), []);
});

test("a record, a fact or a tag that is taken away is missed", () => {
  const unnoticed: string[] = [];
  const tried = (what: string, changed: Table): void => {
    if (complaints(changed).length === 0) unnoticed.push(what);
  };
  const without = <T>(map: ReadonlyMap<string, T>, name: string): Map<string, T> =>
    new Map([...map].filter(([key]) => key !== name));
  for (const [name, layout] of whole.layouts) {
    tried(name, { ...whole, layouts: without(whole.layouts, name) });
    for (const tag of layout.tags) {
      const less = { ...layout, tags: layout.tags.filter((t) => t !== tag) };
      tried(`${name}: ${tag}`, { ...whole, layouts: new Map(whole.layouts).set(name, less) });
    }
  }
  for (const [name, facts] of whole.facts) {
    for (const key of Object.keys(facts)) {
      const less = { ...facts, [key]: undefined };
      tried(`${name}: ${key}`, { ...whole, facts: new Map(whole.facts).set(name, less) });
    }
  }
  assert.equal(unnoticed, []);
});

test("a family is a file in the rooms that have its kernels", () => {
  for (const family of Object.keys(families)) {
    const rooms = [
      "src/webgpu/kernels",
      "assembly",
      "assembly/elementwise",
      "assembly/reduce",
      "assembly/matmul",
      "assembly/conv",
    ];
    const found = rooms.filter((room) => sources(room).includes(`${room}/${family}.ts`));
    assert.ok(found.length > 0, family);
  }
});

test("rows over views have the layout of the dense kernel with the nest in front", async () => {
  const { layoutOf } = await import("../src/program/kernels/index.ts");
  const { extents, scalars, inputs } = layoutOf(walking("add_scalar_f32"))!;
  assert.equal(
    inputs.map((f) => f.name),
    ["x"],
  );
  assert.equal(
    extents.map((f) => f.name),
    ["d0", "d1", "d2", "d3", "d4", "d5"],
  );
  assert.equal(
    scalars.map((f) => `${f.name}:${f.type}`),
    [...[0, 1, 2, 3, 4, 5].map((d) => `x_${d}:i32`), "s:f32"],
  );
});

test.run();
