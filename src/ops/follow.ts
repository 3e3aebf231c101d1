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

/** Who follows a tensor: `most` says at how many those that are gone are looked for. */
interface Followers {
  refs: WeakRef<Tensor>[];
  readonly known: WeakSet<Tensor>;
  most: number;
}

/** Optimizer state goes where its parameter goes, for as long as the optimizer lives. */
const followers = new WeakMap<Tensor, Followers>();

/** From now on `x` moves when `leader` does. @internal */
export function follow(leader: Tensor, x: Tensor): void {
  let own = followers.get(leader);
  if (own === undefined) {
    own = { refs: [], known: new WeakSet(), most: 16 };
    followers.set(leader, own);
  }
  if (own.known.has(x)) return;
  // Looking at one keeps it alive for a while: seldom, for optimizers that are made by the thousand.
  if (own.refs.length >= own.most) {
    own.refs = own.refs.filter((ref) => living(ref) !== null);
    own.most = Math.max(16, 2 * own.refs.length);
  }
  own.known.add(x);
  own.refs.push(new WeakRef(x));
}

const living = (ref: WeakRef<Tensor>): Tensor | null => {
  const x = ref.deref();
  return x === undefined || x.gone !== null ? null : x;
};

/** @internal */
export function followersOf(leader: Tensor): Tensor[] {
  return (followers.get(leader)?.refs ?? []).map(living).filter((x) => x !== null);
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
