// Moving tensors that must stay the same objects to another device: parameters, buffers, gradients, and what follows them.

import { type Device, elementsOf, type Storage } from "../core/device.ts";
import { fail } from "../core/error.ts";
import { count, withRoom } from "../core/lifetime.ts";
import { lasting, storageFor } from "../core/make.ts";
import { valuesOf } from "../core/op.ts";
import { alive, type Tensor } from "../core/tensor.ts";
import { deviceOf, followersOf } from "./follow.ts";

/** Changes the storage, as `to(device)` does with a parameter: the tensor stays the same object. @internal */
export function moveTo(x: Tensor, storage: Storage): void {
  if (x.offset !== 0 || x.strides !== null) fail("to", `${x.describe()} is a view: move its base`);
  storage.holders++;
  count.tensors++;
  x.release("to(device)");
  x.storage = storage;
  x.gone = null;
  x.toNet();
}

/**
 * Moves tensors with their gradients and followers. Everything is read, and has its place on the other device, before the
 * first one moves: when that fails, nothing has changed.
 * @internal
 */
export async function moveTensors(op: string, leaders: readonly Tensor[], target: Device | string): Promise<void> {
  const device = await deviceOf(target);
  const all = new Set(leaders.flatMap((x) => [x, ...followersOf(x)]));
  const tensors = [...all].filter((x) => x.device !== device);
  for (const x of tensors) {
    alive(op, x);
    x.own?.sparse?.refuse(op, "zeroGrad() drops it before a move");
    if (x.offset !== 0 || x.strides !== null || x.numel !== elementsOf(x.storage)) {
      fail(op, `${x.describe()} is a view: move its base`);
    }
  }
  const read = await Promise.all(
    tensors.map(async (x) => {
      const g = x.ownGrad;
      const dense = g === null || g.strides === null ? g : valuesOf(g);
      const reading = dense === null ? null : dense.device.read(dense, dense.numel, dense.dtype);
      if (dense !== g) dense!.release(op);
      const [data, gradient] = await Promise.all([x.device.read(x, x.numel, x.dtype), reading]);
      return { x, data, gradient };
    }),
  );
  const place = (data: ArrayLike<number>, { dtype }: Tensor, label: string) => {
    const storage = storageFor(data.length, dtype, label, device);
    device.write({ storage, offset: 0 }, data, dtype);
    return storage;
  };
  const placed = await withRoom(device, () => {
    const made: { storage: ReturnType<typeof place>; gradient: ReturnType<typeof place> | null }[] = [];
    try {
      for (const { x, data, gradient } of read) {
        const storage = place(data, x, x.storage.label);
        made.push({ storage, gradient: null });
        if (gradient !== null) made[made.length - 1]!.gradient = place(gradient, x, "gradient");
      }
      return made;
    } catch (error) {
      for (const { storage, gradient } of made) {
        device.free(storage);
        if (gradient !== null) device.free(gradient);
      }
      throw error;
    }
  });
  read.forEach(({ x }, i) => {
    const { storage, gradient } = placed[i]!;
    moveTo(x, storage);
    x.setGrad(gradient === null ? null : lasting(gradient, x));
    x.leaf.home = null;
  });
  await device.upkeep();
}
