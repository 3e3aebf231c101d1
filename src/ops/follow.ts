// Where tensors go when a module moves: how a device is found, and who follows whom. What moves them (move.ts) is loaded when first asked for.
import { type Device, expectDevice } from "../core/device.ts";
import { refuseInCapture } from "../core/recording.ts";
import type { Tensor } from "../core/tensor.ts";
import type { moveTensors } from "./move.ts";

let find!: (name: string) => Promise<Device>;

/** How a device is found, or made, by its name. @internal */
export function setFinder(f: typeof find): void {
  find = f;
}

/** The device itself, or the one of that name: "wasm", "webgpu". @internal */
export async function deviceOf(d: Device | string): Promise<Device> {
  if (typeof d === "string") return find(d);
  expectDevice("to", d);
  return d;
}

/** Optimizer state goes where its parameter goes, for as long as the optimizer lives. */
const followers = new WeakMap<Tensor, WeakRef<Tensor>[]>();

/** From now on `x` moves when `leader` does. @internal */
export function follow(leader: Tensor, x: Tensor): void {
  followers.set(
    leader,
    [...followersOf(leader).filter((t) => t !== x), x].map((t) => new WeakRef(t)),
  );
}

/** @internal */
export function followersOf(leader: Tensor): Tensor[] {
  const found = (followers.get(leader) ?? []).map((r) => r.deref());
  return found.filter((t): t is Tensor => t !== undefined && t.gone === null);
}

let load!: () => Promise<{ moveTensors: typeof moveTensors }>;

/** How move.ts is loaded. @internal */
export function setMover(f: typeof load): void {
  load = f;
}

/** As `moveTensors`. @internal */
export async function moveAll(...args: Parameters<typeof moveTensors>): Promise<void> {
  refuseInCapture(args[0], "reads values: move outside the captured function");
  await (await load()).moveTensors(...args);
}
