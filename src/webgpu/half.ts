// float16 on its way to and from the host, which has no such numbers: kernels convert, by way of floats.
import type { Buffer, TypedData } from "../core/device.ts";
import type { WebGpuDevice } from "./device.ts";

function throughFloats<R>(device: WebGpuDevice, count: number, f: (floats: Buffer) => R): R {
  const storage = device.lasting(count * 4, "float16");
  try {
    return f({ storage, offset: 0 });
  } finally {
    device.free(storage); // for rows behind what `f` has appended
  }
}

export function readHalf(device: WebGpuDevice, from: Buffer, count: number): Promise<TypedData> {
  return throughFloats(device, count, (floats) => {
    device.launch("cast_f32_f16", [floats, from], 1, [count], [], "float16");
    return device.read(floats, count, "float32");
  });
}

export function writeHalf(device: WebGpuDevice, to: Buffer, data: ArrayLike<number>): void {
  to.storage.version++;
  throughFloats(device, data.length, (floats) => {
    device.write(floats, data, "float32");
    device.launch("cast_f16_f32", [to, floats], 1, [data.length], [], "float16");
  });
}
