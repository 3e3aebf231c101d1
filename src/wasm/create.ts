// What a device is made of: threads, the module, its memory and two scripts, as the options and the host allow.
import type { DeviceInfo } from "../core/device.ts";
import { given } from "../core/error.ts";
import { part } from "../host/part.ts";
import { reason } from "../host/reason.ts";
import { canCompile } from "./compile.ts";
import { MAX_THREADS, PIECES_BASE, PIECES_BYTES, SCRATCH_BASE, SCRATCH_BYTES } from "./control.ts";
import { type Exports, instantiateOn, kernelNames, load } from "./load.ts";
import { chooseMaximum, Memory } from "./memory.ts";
import { PiecesOnDemand } from "./ondemand.ts";
import type { WasmOptions } from "./options.ts";
import type { MadePieces } from "./piece.ts";
import type { PoolEvents } from "./pool.ts";
import { Script } from "./script.ts";
import { wrong } from "./source.ts";
import { ALONE, chooseThreads, type Threads } from "./threads.ts";

const SCRIPT_BYTES = 1 << 18;
const HEAP_BASE = PIECES_BASE + PIECES_BYTES;

export interface Parts {
  readonly exports: Exports;
  readonly memory: Memory;
  /** Of the module's kernels, in its order. */
  readonly names: readonly string[];
  readonly pool: Threads;
  readonly info: DeviceInfo;
  readonly scripts: [Script, Script];
  readonly pieces: PiecesOnDemand;
  /** Starts the workers, which end when nobody holds the device any more. */
  start(device: object): Promise<void>;
}

/** The parts, for a device that hears of its workers by `events`. */
export async function makeParts(options: WasmOptions, events: PoolEvents): Promise<Parts> {
  const { threads: wanted } = options;
  if (wanted !== undefined && (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_THREADS))
    return wrong("noThreads", `threads ${given(wanted)}`);
  const asked = options.maximumMemory;
  if (asked !== undefined && !(typeof asked === "number" && asked > 0))
    return wrong("noMaximum", `maximumMemory ${given(asked)}`);
  const most = chooseMaximum(asked);
  const { threads, why: whyThreads } = await chooseThreads(wanted);
  const many = threads > 1 ? part("init", () => import("./pool.ts")) : null;
  const { module, build, why } = await load(options);
  let memory: Memory;
  try {
    memory = new Memory(HEAP_BASE, most.bytes);
  } catch (error) {
    return wrong("noMemory", "memory", reason(error));
  }
  const names = kernelNames(module);
  const { exports, table } = instantiateOn(module, memory.memory, names);
  const needed = 2 * SCRIPT_BYTES + threads * SCRATCH_BYTES;
  if (needed + HEAP_BASE > memory.maximum)
    return wrong("tooLittle", `${memory.maximum} bytes of memory`, threads, needed + HEAP_BASE);
  const place = (bytes: number): number => (memory.allocate(bytes) ?? memory.exhausted("init", bytes)).address;
  const scripts: [Script, Script] = [new Script(), new Script()];
  for (const s of scripts) s.place(place(SCRIPT_BYTES), SCRIPT_BYTES);
  memory.i32[SCRATCH_BASE >> 2] = place(threads * SCRATCH_BYTES);
  const pools = await many;
  const workers = pools === null ? null : new pools.Pool(memory.i32, threads, events);
  const whyMemory =
    memory.maximum < most.bytes ? `memory: the host reserves no more than ${memory.maximum} bytes` : most.why;
  const whys = [`build: ${why}`, `threads: ${whyThreads}`, ...(whyMemory === null ? [] : [whyMemory])];
  const info = { device: "wasm", build, threads, maximumMemory: memory.maximum, why: whys.join("; ") };
  const pool = workers ?? ALONE;
  const make = async (): Promise<MadePieces> =>
    new (await import("./piece.ts")).MadePieces(memory, table, pool, build !== "simd");
  return {
    ...{ exports, memory, names, pool, info, scripts },
    pieces: new PiecesOnDemand(canCompile() ? make : null),
    async start(device) {
      if (workers === null) return;
      pools!.unheld.register(device, workers);
      await workers.start(module, memory.memory, names, options.worker);
    },
  };
}
