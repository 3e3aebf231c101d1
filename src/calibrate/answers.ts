// What calibrate found, and where it is kept: in memory, and in the user's cache folder or localStorage.
import type { Device } from "../core/device.ts";
import { show } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { recall, remember } from "../host/store.ts";
import type { AnyModule } from "../nn/module.ts";
import { version } from "../version.ts";

/** A device by name. */
export type Choice = "wasm" | "webgpu";

/** Milliseconds that a step takes at a batch size. */
export interface BatchTime {
  /** The batch size. */
  readonly batch: number;
  /** Milliseconds on wasm; null where it was not measured. */
  readonly wasm: number | null;
  /** Milliseconds on WebGPU; null where it was not measured. */
  readonly webgpu: number | null;
}

/** @internal */
export const NAMES: readonly Choice[] = ["wasm", "webgpu"];

/** What `calibrate` found and did. */
export interface Calibration {
  /** The faster device for the batch size asked for. */
  readonly choice: Choice;
  /** The chosen device: the model is there, and it is the default one. */
  readonly device: Device;
  /** Batch size from which on WebGPU is faster: 1 if it always is, null if it never is within the sizes measured. */
  readonly crossover: number | null;
  /** What was measured, by rising batch size. */
  readonly times: readonly BatchTime[];
  /** What was chosen and why, in a sentence with the figures. */
  readonly why: string;
  /** Taken from an earlier call instead of measured. */
  readonly cached: boolean;
}

/** @internal */
export type Answer = Pick<Calibration, "choice" | "crossover" | "times" | "why">;

const FILE = "calibrate.json";
const MOST_ANSWERS = 100;
/** Found in this process. @internal */
export const memory = new Map<string, Answer>();

/** All that the answer depends on, as text. @internal */
export function keyOf(
  model: AnyModule,
  inputs: readonly Tensor[],
  { batch, batches, loss }: { readonly batch: number; readonly batches: readonly number[]; readonly loss?: unknown },
  devices: readonly Device[],
): string {
  const parameters = model.namedParameters().map(([name, p]) => `${name} ${show(p.shape)} ${p.requiresGrad}`);
  const samples = inputs.map((x) => `${show(x.shape.slice(1))} ${x.dtype}`);
  const infos = devices.map((d) => d.info);
  return JSON.stringify([version, String(model), parameters, samples, batch, batches, String(loss), infos]);
}

const isNumber = (x: unknown): boolean => typeof x === "number" && x > 0;

function isAnswer(x: unknown): x is Answer {
  const { choice, crossover, times, why } = (x ?? {}) as Partial<Record<keyof Answer, unknown>>;
  const isTime = (t: unknown): boolean => {
    const { batch, wasm, webgpu } = (t ?? {}) as Partial<BatchTime>;
    return isNumber(batch) && [wasm, webgpu].every((v) => v === null || isNumber(v));
  };
  return (
    NAMES.includes(choice as Choice) &&
    (crossover === null || isNumber(crossover)) &&
    typeof why === "string" &&
    Array.isArray(times) &&
    times.every(isTime)
  );
}

/** What the file holds, by key; nothing of what cannot be read or is not ours. */
async function stored(): Promise<[string, Answer][]> {
  try {
    const found = JSON.parse((await recall(FILE)) ?? "{}") as { answers?: Record<string, unknown> };
    return Object.entries(found.answers ?? {}).filter((entry): entry is [string, Answer] => isAnswer(entry[1]));
  } catch {
    return [];
  }
}

/** The answer for a key that an earlier call found, or null. @internal */
export async function earlier(key: string): Promise<Answer | null> {
  return memory.get(key) ?? (await stored()).find(([k]) => k === key)?.[1] ?? null;
}

/** Keeps an answer; the oldest go. @internal */
export async function keep(key: string, answer: Answer): Promise<void> {
  memory.set(key, answer);
  const others = (await stored()).filter(([k]) => k !== key);
  const answers = Object.fromEntries([...others, [key, answer] as const].slice(-MOST_ANSWERS));
  await remember(FILE, JSON.stringify({ answers }));
}
