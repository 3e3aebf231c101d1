// Tensors to files and back. The format itself is loaded when it is first needed.

import { type Device, defaultDevice } from "../core/device.ts";
import { fail } from "../core/error.ts";
import { withRoom } from "../core/lifetime.ts";
import { contiguous } from "../core/op.ts";
import { refuseInCapture } from "../core/recording.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { part } from "../host/part.ts";
import { fromData } from "../ops/data.ts";
import { noGrad } from "../ops/modes.ts";
import type { HostTensor } from "./safetensors.ts";

const format = () => part("safetensors", () => import("./safetensors.ts"));
const files = (op: string) => part(op, () => import("./disk.ts"));

/**
 * The bytes of a safetensors file with these tensors by name, as they are when this is called, and text of your own as metadata.
 * Errors: a released tensor, a name or metadata that the format does not allow.
 */
export async function saveSafetensors(
  tensors: Readonly<Record<string, Tensor | HostTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const reads = Object.entries(tensors).map(async ([name, x]): Promise<[string, HostTensor]> => {
    if (!(x instanceof Tensor) && !(typeof x === "object" && x !== null && "dtype" in x))
      fail(`saveSafetensors (${name})`, `a value of type ${typeof x}: a tensor is expected, as in model.stateDict()`);
    return [name, x instanceof Tensor ? await fetched(name, x) : x];
  });
  const values = Object.fromEntries(await Promise.all(reads));
  return (await format()).encodeSafetensors(values, metadata);
}

async function fetched(name: string, x: Tensor): Promise<HostTensor> {
  alive(`saveSafetensors (${name})`, x);
  refuseInCapture("saveSafetensors", "reads values: save outside the captured function");
  const dense = noGrad(() => contiguous(x));
  const reading = x.device.read(dense, x.numel, x.dtype);
  if (dense !== x) dense.release("saveSafetensors");
  const data = await reading;
  return { dtype: x.dtype, shape: x.shape, data: data instanceof Float64Array ? Float32Array.from(data) : data };
}

/**
 * Writes tensors by name, such as a state dict, to a safetensors file, whole or not at all; PyTorch reads it with
 * `safetensors.torch.load_file`. In pages, which have no files, see `saveSafetensors`.
 * https://pytorch.org/docs/stable/generated/torch.save.html
 */
export async function save(
  file: string,
  tensors: Readonly<Record<string, Tensor | HostTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const bytes = await saveSafetensors(tensors, metadata);
  await (await files("save")).writeFile(file, bytes);
}

/**
 * The tensors of a safetensors file, or of its bytes (in a page, those of a `fetch`), by name, for `loadStateDict`: float16 and
 * bfloat16 as float32, int64 as int32 where every value fits.
 * https://pytorch.org/docs/stable/generated/torch.load.html
 */
export async function load(
  file: string | Uint8Array,
  options: {
    /** Where the tensors go; the default device by default. */
    device?: Device;
  } = {},
): Promise<Record<string, Tensor>> {
  const { parseSafetensors } = await format();
  const { tensors } =
    typeof file === "string"
      ? parseSafetensors(await (await files("load")).readFile(file), file)
      : parseSafetensors(file);
  const { device = defaultDevice() } = options;
  const made: Record<string, Tensor> = {};
  for (const [key, { data, shape, dtype }] of Object.entries(tensors))
    made[key] = await withRoom(device, () => fromData(data, shape, dtype, { device, label: key }));
  await device.upkeep();
  return made;
}
