// Pipelines and bind groups, made once and kept: compiled in parallel, ahead of use.
import type { Row, Storage } from "../core/device.ts";
import { WasmgradError } from "../core/error.ts";
import { factsOf } from "../program/kernels/facts.ts";
import {
  type FaultUse,
  groupsOf,
  type Implementation,
  type Laid,
  type Limits,
  laid,
  type Registry,
  wgsl,
} from "./kernel.ts";
import { GpuPieces } from "./piece.ts";

/** A kernel compiled for one pattern of bindings. `pipeline` is null until it has been compiled. */
export interface Compiled {
  readonly name: string;
  readonly kernel: Laid;
  /** Binding of each buffer. */
  readonly map: readonly number[];
  readonly fault: FaultUse;
  readonly layout: Layout;
  pipeline: GPUComputePipeline | null;
  readonly ready: Promise<void>;
}

interface Layout {
  readonly id: number;
  readonly bindings: number;
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

/** Where a binding lies. */
export interface Range {
  readonly buffer: GPUBuffer;
  readonly id: number;
  readonly offset: number;
  readonly size: number;
}

/** Bytes of the uniform block of a row, and what it must begin at. */
export const BLOCK = 256;

/** Groups kept. Loops come back to a few; programs hold their own. */
const MOST_GROUPS = 1 << 14;

export class Pipelines {
  readonly limits: Limits;
  /** For tests: pipelines and bind groups made. */
  readonly made = { pipelines: 0, groups: 0 };
  private readonly gpu: GPUDevice;
  private readonly registry: Registry;
  /** Kernels made of chains. */
  readonly pieces: GpuPieces;
  private readonly own = new Map<string, Implementation>();
  private readonly lib: string;
  private readonly compiled = new Map<string, Compiled>();
  private readonly layouts = new Map<number, Layout>();
  private groups = new Map<string, GPUBindGroup>();
  /** Keys of the groups that name a buffer. */
  private readonly keys = new Map<number, Set<string>>();
  private readonly failed: (error: WasmgradError) => void;

  constructor(gpu: GPUDevice, registry: Registry, lib: string, limits: Limits, failed: (error: WasmgradError) => void) {
    this.gpu = gpu;
    this.registry = registry;
    this.lib = lib;
    this.limits = limits;
    this.pieces = new GpuPieces(registry, limits, BLOCK / 4, (name, made) => this.own.set(name, made));
    this.failed = failed;
  }

  /** When nothing is being compiled any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.compiled.values()].map((c) => c.ready));
  }

  has(name: string): boolean {
    return name in this.registry;
  }

  get names(): string[] {
    return Object.keys(this.registry);
  }

  /** The rows that stand for this one on this device. */
  expand(row: Row, make: (elements: number) => Storage): readonly Row[] {
    const entry = this.registry[row.kernel];
    if (entry === undefined) throw new WasmgradError(`${row.op}: the webgpu device has no kernel ${row.kernel}`);
    const rows = entry.expand?.(row, make, this.limits) ?? null;
    return rows === null ? [row] : rows.flatMap((r) => (r.kernel === row.kernel ? [r] : this.expand(r, make)));
  }

  /** The compiled kernel of a row; compiling begins at the first call. */
  of(row: Row, map: readonly number[], halves: readonly boolean[], guarded: boolean): Compiled {
    const entry = this.registry[row.kernel] ?? this.own.get(row.kernel)!;
    const variant = entry.variant?.(row, this.limits) ?? "";
    const k = laid(row.kernel, entry.kernels[variant]!);
    const fault: FaultUse =
      k.skips || factsOf(row.kernel).faults !== undefined ? "sets" : guarded && !k.barriers ? "guarded" : "none";
    const key = `${row.kernel}|${variant}|${map}|${fault}|${halves.map(Number)}`;
    let found = this.compiled.get(key);
    if (found === undefined) {
      const name = variant === "" ? row.kernel : `${row.kernel} (${variant})`;
      found = this.compile(name, k, map, halves, fault);
      this.compiled.set(key, found);
    }
    return found;
  }

  private compile(
    name: string,
    kernel: Laid,
    map: readonly number[],
    halves: readonly boolean[],
    fault: FaultUse,
  ): Compiled {
    const most = this.limits.bindings;
    const bindings = halves.length;
    if (bindings > most) {
      throw new WasmgradError(`${name}: ${bindings} storage buffers in a launch: this GPU device allows ${most}`);
    }
    const layout = this.layout(bindings + (fault === "none" ? 0 : 1));
    let resolve = (): void => {};
    const ready = new Promise<void>((r) => {
      resolve = r;
    });
    const c: Compiled = { name, kernel, map, fault, layout, pipeline: null, ready };
    this.made.pipelines++;
    const begin = async (): Promise<void> => {
      const code = wgsl(kernel, map, halves, fault, this.lib);
      const module = this.gpu.createShaderModule({ code, label: name });
      try {
        c.pipeline = await this.gpu.createComputePipelineAsync({
          label: name,
          layout: layout.pipeline,
          compute: { module, entryPoint: "main" },
        });
      } catch (error) {
        const { messages } = await module.getCompilationInfo();
        const lines = code.split("\n");
        const text = messages.map((m) => `${m.lineNum}: ${m.message} (${lines[m.lineNum - 1]?.trim() ?? ""})`);
        throw new Error([(error as Error).message, ...text].join("; "));
      }
    };
    this.gpu.pushErrorScope("validation");
    const compiling = begin();
    // The scope takes what the module says; the pipeline's error says it too.
    const scope = this.gpu.popErrorScope();
    scope.catch(() => {});
    compiling
      .catch((error) => this.failed(new WasmgradError(`kernel ${name} does not compile: ${(error as Error).message}`)))
      .finally(resolve);
    return c;
  }

  /** Binding 0 is the row's uniform block, found by a dynamic offset; then the storages; then the fault word. */
  private layout(bindings: number): Layout {
    let found = this.layouts.get(bindings);
    if (found === undefined) {
      const entries: GPUBindGroupLayoutEntry[] = [
        {
          binding: 0,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: 0 },
        },
      ];
      for (let b = 1; b <= bindings; b++) {
        entries.push({ binding: b, visibility: GPUShaderStage.COMPUTE, buffer: { type: "storage" } });
      }
      const group = this.gpu.createBindGroupLayout({ entries });
      const pipeline = this.gpu.createPipelineLayout({ bindGroupLayouts: [group] });
      found = { id: bindings, bindings, group, pipeline };
      this.layouts.set(bindings, found);
    }
    return found;
  }

  /** The bind group of these ranges behind a uniform buffer. */
  group(c: Compiled, uniforms: Range, ranges: readonly Range[]): GPUBindGroup {
    let key = `${c.layout.id}|${uniforms.id}`;
    for (const r of ranges) key += `|${r.id}+${r.offset}+${r.size}`;
    let group = this.groups.get(key);
    if (group === undefined) {
      const entries: GPUBindGroupEntry[] = [
        { binding: 0, resource: { buffer: uniforms.buffer, offset: 0, size: BLOCK } },
        ...ranges.map(({ buffer, offset, size }, i) => ({ binding: i + 1, resource: { buffer, offset, size } })),
      ];
      if (this.groups.size >= MOST_GROUPS) {
        this.groups.clear();
        this.keys.clear();
      }
      group = this.gpu.createBindGroup({ layout: c.layout.group, entries, label: c.name });
      this.made.groups++;
      this.groups.set(key, group);
      for (const { id } of [uniforms, ...ranges]) {
        let keys = this.keys.get(id);
        if (keys === undefined) {
          keys = new Set();
          this.keys.set(id, keys);
        }
        keys.add(key);
      }
    }
    return group;
  }

  /** A buffer is gone, and so are the groups that name it. */
  forget(id: number): void {
    for (const key of this.keys.get(id) ?? []) this.groups.delete(key);
    this.keys.delete(id);
  }

  /** Workgroups of a row, checked against the device's limit. */
  groupsOf(c: Compiled, row: Row): readonly [number, number, number] {
    const groups = groupsOf(c.kernel, row.extents, row.scalars);
    const most = this.gpu.limits.maxComputeWorkgroupsPerDimension;
    if (groups.some((g) => g > most)) {
      const shape = `[${row.extents.join(",")}]`;
      throw new WasmgradError(
        `${row.op}: ${c.name} over ${shape} would be ${groups.join(" x ")} workgroups: ` +
          `this GPU device allows ${most} in a dimension; use smaller batches`,
      );
    }
    return groups;
  }

  /** The row's uniform block at word `at`. */
  encode(c: Compiled, row: Row, offsets: readonly number[], number: number, words: Int32Array, at: number): void {
    const { buffers } = c.kernel.fields;
    let w = at;
    offsets.forEach((o, n) => {
      words[w++] = buffers[n]!.type === "vec4" ? o / 4 : o;
    });
    words[w++] = number;
    for (const e of row.extents) words[w++] = e;
    for (const s of c.kernel.encode?.(row.scalars) ?? row.scalars) words[w++] = s;
    if (w - at > BLOCK / 4) throw new WasmgradError(`${row.op}: ${c.name}: too many words for a uniform block`);
  }
}
