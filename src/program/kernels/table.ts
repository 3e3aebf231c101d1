// How a row of each kernel is laid out, and what is known of the kernel besides: one table for passes, devices, messages and
// tests. This file reads it.
//
//   rows    a string a family, a file each, a line a kernel: `names: outputs | inputs | extents | scalars | tags`
//             {add,sub}_f32: y | a b | n | | each
//           Names in braces are alternatives. A buffer is of f32, a scalar a u32, unless `:type` says otherwise (an f64 takes two
//           words; u32 buffers are moved as they are); `s*6` are s0 to s5, `p..` is one for each segment of a row over a table of
//           segments, `bias?` may be missing.
//   facts   a record for each kernel that differs from the rest (facts.ts)
//
// Tags: `each` elementwise, output i from inputs i; `lines` a line of outputs is made of that line of the inputs; `indexed` the value
// depends on the element's number; `scratch` uses the thread's scratch memory; `broadcast` has a dense twin, the name without
// `_broadcast`; `passes` and `choices` alone launch it, no op does.
import { names } from "./names.ts";

/** A name in a row and the type of what lies there. */
export interface Field {
  readonly name: string;
  readonly type: string;
  /** One for each segment. */
  readonly each: boolean;
  readonly optional: boolean;
}

/** A row's layout. */
export interface Layout {
  readonly outputs: readonly Field[];
  readonly inputs: readonly Field[];
  readonly extents: readonly Field[];
  readonly scalars: readonly Field[];
  readonly tags: readonly string[];
}

/** A list of names with their types. */
export function fields(text: string, usual: string): Field[] {
  return text
    .split(" ")
    .filter((word) => word !== "")
    .flatMap((word) => {
      const [name, type = usual] = word.split(":") as [string, string?];
      const [, stem, mark, count = ""] = /^(\w+)(\.\.|\?|\*(\d+))?$/.exec(name) as unknown as [
        string,
        string,
        string?,
        string?,
      ];
      const field = (name: string): Field => ({ name, type, each: mark === "..", optional: mark === "?" });
      return count === "" ? [field(stem)] : Array.from({ length: Number(count) }, (_, i) => field(stem + i));
    });
}

/** The layouts in a family's text, by kernel. */
export function layouts(text: string): Map<string, Layout> {
  const found = new Map<string, Layout>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const at = line.indexOf(":");
    const [outputs, inputs, extents, scalars, tags = ""] = line.slice(at + 1).split("|") as [
      string,
      string,
      string,
      string,
      string?,
    ];
    const layout: Layout = {
      outputs: fields(outputs, "f32"),
      inputs: fields(inputs, "f32"),
      extents: fields(extents, "u32"),
      scalars: fields(scalars, "u32"),
      tags: tags.split(" ").filter((tag) => tag !== ""),
    };
    for (const name of names(line.slice(0, at))) found.set(name, layout);
  }
  return found;
}
