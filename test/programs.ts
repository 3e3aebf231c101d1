// What the tests of meaning share: the devices that they run on, numbers that every float can hold, comparison with
// numbers computed elsewhere.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { variable } from "./place.ts";
import { ReferenceDevice } from "./reference.ts";
import { gradients, type Matrix, matrix, numbers } from "./scalar.ts";

/** Checks a tensor against numbers, with the device's tolerance. */
export type Same = (
  actual: w.Tensor | number | null,
  expected: number | readonly number[],
  what: string,
) => Promise<void>;

const DEVICES: Record<string, { make: () => Promise<w.Device>; tolerance: number }> = {
  wasm: { make: () => w.init(), tolerance: 2e-5 },
  reference: { make: () => w.init({ device: new ReferenceDevice() }), tolerance: 1e-9 },
  webgpu: { make: () => w.init({ device: "webgpu" }), tolerance: 2e-5 },
};
/** Which of them: webgpu-programs.test.ts asks for the last. */
const wanted = variable("PROGRAM_DEVICES")?.split(",") ?? ["wasm", "reference"];

/** A test of a program on every device; what it made is gone afterwards. */
export function program(name: string, f: (same: Same) => Promise<void>): void {
  for (const type of wanted) {
    const { make, tolerance } = DEVICES[type]!;
    test(`${name} (${type})`, async () => {
      const device = await make();
      try {
        await f(async (actual, expected, what) => {
          assert.ok(actual !== null, `${what}: there is none`);
          const got = typeof actual === "number" ? [actual] : [...(await actual.data())];
          const want = typeof expected === "number" ? [expected] : expected;
          assert.is(got.length, want.length, `${what}: number of values`);
          for (let i = 0; i < want.length; i++) {
            const off = Math.abs(got[i]! - want[i]!);
            const ok = off <= tolerance * (1 + Math.abs(want[i]!));
            assert.ok(
              ok,
              `${what}: at ${i}: got ${got[i]}, expected ${want[i]} (all: ${got.slice(0, 8)} and ${want.slice(0, 8)})`,
            );
          }
        });
      } finally {
        await device.dispose();
      }
    });
  }
}

/** `n` multiples of 1/64 in [-1, 1), always the same for a seed: float32 and f64 hold them both. */
export function fixed(n: number, seed: number): number[] {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 25) / 64 - 1;
  });
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A tensor of fixed numbers. */
export const data = (shape: readonly number[], seed: number): w.Tensor => w.tensor(fixed(size(shape), seed), { shape });

/** A leaf of fixed numbers. */
export const leaf = (shape: readonly number[], seed: number): w.Tensor => data(shape, seed).requiresGrad_();

export const labels = (list: readonly number[]): w.Tensor => w.tensor(list as number[], { dtype: "int32" });

/** Puts fixed numbers into parameters, in order, and gives the same as matrices for the program by hand. */
export function seeded(parameters: readonly w.Tensor[], seed: number): Matrix[] {
  return parameters.map((p, i) => {
    const list = fixed(p.numel, seed * 100 + i);
    w.noGrad(() => w.copy_(p, w.tensor(list, { shape: p.shape })));
    return matrix(list, p.shape[p.ndim - 1] ?? 1);
  });
}

/** Parameters, and what a backward put into their gradients, against those by hand. */
export async function sameParameters(
  same: Same,
  tensors: readonly w.Tensor[],
  hand: readonly Matrix[],
  what: string,
): Promise<void> {
  for (let i = 0; i < tensors.length; i++) await same(tensors[i]!, numbers(hand[i]!), `${what}: parameter ${i}`);
}
export async function sameGradients(
  same: Same,
  tensors: readonly w.Tensor[],
  hand: readonly Matrix[],
  what: string,
): Promise<void> {
  for (let i = 0; i < tensors.length; i++)
    await same(tensors[i]!.grad, gradients(hand[i]!), `${what}: gradient of parameter ${i}`);
}

/** The message of what `f` throws; fails when it does not, or when it is not the project's error. */
export async function messageOf(f: () => unknown): Promise<string> {
  try {
    await f();
  } catch (error) {
    if (error instanceof w.WasmgradError) return error.message;
    throw error;
  }
  throw new Error("nothing was thrown");
}
