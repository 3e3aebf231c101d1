// What a GPU reaches on kernels that do one thing, through the same WebGPU device as the library: bytes a second of a copy
// and float32 operations a second of fused multiply-adds in registers. From them follows the floor of any work.
import { round, type Work, warm } from "./timing.ts";

export interface GpuRates {
  /** Bytes read and written per second. */
  readonly bytes: number;
  /** Operations per second; a fused multiply-add is two. */
  readonly flops: number;
}

const GROUP = 256;
/** vec4 chains of a thread, more than an addition's latency asks for, and turns of a loop over all of them. */
const CHAINS = 8;
const TURNS = 256;

const COPY = `
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@compute @workgroup_size(${GROUP})
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) li: u32) {
  let i = (wg.y * nwg.x + wg.x) * ${GROUP}u + li;
  if (i < arrayLength(&x)) { y[i] = x[i]; }
}`;

const chains = (f: (c: number) => string): string => Array.from({ length: CHAINS }, (_, c) => f(c)).join(" ");
// Factor and addend come from memory, so that nothing is known before the kernel runs, and all chains are stored.
const FMA = `
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@compute @workgroup_size(${GROUP})
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) li: u32) {
  let i = (wg.y * nwg.x + wg.x) * ${GROUP}u + li;
  let a = x[i % arrayLength(&x)];
  let b = x[(i + 1u) % arrayLength(&x)];
  ${chains((c) => `var v${c} = a + f32(${c});`)}
  for (var t = 0u; t < ${TURNS}u; t++) { ${chains((c) => `v${c} = fma(v${c}, a, b);`)} }
  y[i % arrayLength(&y)] = ${Array.from({ length: CHAINS }, (_, c) => `v${c}`).join(" + ")};
}`;

/**
 * Both rates, the best of some rounds: a floor is what nothing beats. `bytes` of each of two buffers; threads of the
 * arithmetic.
 */
export async function gpuRates(gpu: GPUDevice, bytes: number, threads: number, rounds: number): Promise<GpuRates> {
  const usage = GPUBufferUsage.STORAGE;
  const [x, y] = [gpu.createBuffer({ size: bytes, usage }), gpu.createBuffer({ size: bytes, usage })];
  const best = async (code: string, groups: number): Promise<number> => {
    const module = gpu.createShaderModule({ code });
    const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
    const entries = [x, y].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const across = Math.min(groups, 32768);
    const work: Work = {
      unit: 1,
      async run(times) {
        const encoder = gpu.createCommandEncoder();
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        for (let i = 0; i < times; i++) pass.dispatchWorkgroups(across, Math.ceil(groups / across));
        pass.end();
        gpu.queue.submit([encoder.finish()]);
        await gpu.queue.onSubmittedWorkDone();
      },
    };
    const calls = 8 * (await warm(work)); // one wait for many
    let ms = Number.POSITIVE_INFINITY;
    for (let r = 0; r < rounds; r++) ms = Math.min(ms, await round(work, calls, 20));
    return ms / 1000;
  };
  try {
    const copied = await best(COPY, Math.ceil(bytes / 16 / GROUP));
    const groups = Math.ceil(threads / GROUP);
    const computed = await best(FMA, groups);
    return { bytes: (2 * bytes) / copied, flops: (groups * GROUP * CHAINS * TURNS * 4 * 2) / computed };
  } finally {
    x.destroy();
    y.destroy();
  }
}

/** Milliseconds that so many operations and bytes take at least. */
export const floor = (rates: GpuRates, flops: number, bytes: number): number =>
  1000 * Math.max(flops / rates.flops, bytes / rates.bytes);
