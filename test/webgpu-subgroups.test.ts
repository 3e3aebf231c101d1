// Reductions by subgroups of every size. A software adapter has one size (SwiftShader: 4), so here subgroups are played:
// the shaders of the device are rewritten so that shuffles go through workgroup memory, in subgroups of a given size
// whose threads are not neighbours. All else is the shader that a GPU gets.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Row } from "../src/core/device.ts";
import { WebGpuDevice } from "../src/webgpu/device.ts";
import { registry } from "../src/webgpu/kernels/index.ts";
import { type Case, special } from "./cases/case.ts";
import { cases } from "./cases/index.ts";
import { execute, reference } from "./harness.ts";
import { adapter, lack } from "./webgpu-adapter.ts";
import { checkCase } from "./webgpu-harness.ts";

const LIMITS = { bindings: 7, invocations: 256, subgroups: true };

/** Layouts with subgroups that the rows of a case take. */
function layoutsOf(c: Case): Set<string> {
  const found = new Set<string>();
  const launch = reference.launch.bind(reference);
  reference.launch = (kernel, buffers, outputs, extents, scalars, op) => {
    const row: Row = { kernel, buffers, outputs, extents, scalars, op };
    const variant = registry[kernel]?.variant?.(row, LIMITS) ?? "";
    if (variant.includes("subgroups")) found.add(variant);
    launch(kernel, buffers, outputs, extents, scalars, op);
  };
  try {
    execute(c, reference);
  } finally {
    reference.launch = launch;
  }
  return found;
}

/** The shader with subgroups of `size` threads, which are those whose local indices end in the same bits. */
function played(code: string, size: number): string {
  const types = new Set<string>();
  const shuffles = code.replace(/let q: (\S+) = subgroupShuffleXor\(p, (\w+)\)/g, (_, type: string, mask: string) => {
    types.add(type);
    return `let q: ${type} = shuffle_${type.replace(/\W/g, "")}(li, p, ${mask})`;
  });
  const functions = [...types].map((type) => {
    const name = `shuffle_${type.replace(/\W/g, "")}`;
    return `var<workgroup> ${name}_all: array<${type}, 256>;
fn ${name}(li: u32, v: ${type}, mask: u32) -> ${type} {
  workgroupBarrier();
  ${name}_all[li] = v;
  workgroupBarrier();
  return ${name}_all[li ^ mask];
}`;
  });
  const place = `let place = reverseBits(index) >> 24u; let team = ${size}u; let subgroup = place / team; let member = place % team;`;
  return `${functions.join("\n")}\n${shuffles
    .replace("enable subgroups;", "")
    .replace(/@builtin\(subgroup_id\).*\) \{/, `@builtin(local_invocation_index) index: u32) {\n  ${place}`)}`;
}

const all = suite("subgroups of every size");
if (lack !== null) {
  console.log(`skipped: reductions by subgroups: ${lack}`);
  all.skip("reductions by subgroups");
} else {
  const chosen = new Map<string, Case[]>();
  for (const c of cases.filter((c) => /softmax|reduce|norm|loss/.test(c.family))) {
    const layouts = layoutsOf(c);
    if (layouts.size > 0) {
      const kind = `${c.name.split(/[ [,]/)[0]}: ${[...layouts].sort()} ${special(c)}`;
      chosen.set(kind, [...(chosen.get(kind) ?? []), c]);
    }
  }
  const full = process.env.WEBGPU_CASES === "all";
  const list = [...chosen.values()].flatMap((kind) => (full ? kind : kind.slice(-1)));
  all("cases reach every layout that has subgroups", () => {
    const text = [...chosen.keys()].join();
    for (const name of ["narrow", "wide", "long"]) assert.ok(text.includes(`${name}, subgroups`), name);
  });
  for (const size of full ? [4, 8, 16, 32, 64, 128] : [8, 64]) {
    all(`${list.length} cases with subgroups of ${size}`, async () => {
      const found = await adapter();
      const gpu = await found.requestDevice({ requiredFeatures: ["subgroups"] });
      const create = gpu.createShaderModule.bind(gpu);
      let rewritten = 0;
      gpu.createShaderModule = (descriptor) => {
        const { code } = descriptor;
        if (!code.includes("enable subgroups;")) return create(descriptor);
        rewritten++;
        return create({ ...descriptor, code: played(code, size) });
      };
      const device = await WebGpuDevice.create({ gpu });
      try {
        for (const c of list) {
          await checkCase(c, device).catch((error) => {
            if (!special(c) || device.failed !== null) throw error;
            console.log(`deviation: ${error.message}`);
          });
        }
        assert.ok(rewritten >= 10, `${rewritten} shaders use subgroups`);
      } finally {
        await device.dispose();
      }
    });
  }
}
all.run();
