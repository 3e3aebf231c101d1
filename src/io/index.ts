// Tensors to files and back. Files and their format are loaded when they are first needed.

import type { Device } from "../core/device.ts";
import { noMore } from "../core/error.ts";
import { contiguous } from "../core/op.ts";
import { refuseInCapture } from "../core/recording.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { part } from "../host/part.ts";
import { noGrad } from "../ops/modes.ts";
import type { HostTensor } from "./formats.ts";

const parts = (op: string) => part(op, () => import("./parts.ts"));

/**
 * The bytes of a safetensors file with these tensors by name, as they are when this is called, and text of your own as metadata.
 * Errors: a released tensor, a name, shape, value or metadata that the format does not allow.
 */
export async function saveSafetensors(
  tensors: Readonly<Record<string, Tensor | HostTensor>>,
  metadata: Readonly<Record<string, string>> = {},
  ...none: []
): Promise<Uint8Array> {
  noMore("saveSafetensors", none);
  return encoded("saveSafetensors", tensors, metadata);
}

async function encoded(op: string, tensors: object, metadata: unknown): Promise<Uint8Array> {
  const reads = Object.entries(tensors ?? {}).map(async ([name, x]): Promise<[string, unknown]> => {
    return [name, x instanceof Tensor ? await fetched(op, name, x) : x];
  });
  const values = Object.fromEntries(await Promise.all(reads));
  return (await parts(op)).encoded(op, tensors, values, metadata);
}

async function fetched(op: string, name: string, x: Tensor): Promise<HostTensor> {
  alive(`${op} (${name.slice(0, 60)})`, x);
  refuseInCapture(op, "reads values: save outside the captured function");
  const dense = noGrad(() => contiguous(x));
  const reading = x.device.read(dense, x.numel, x.dtype);
  if (dense !== x) dense.release(op);
  const data = await reading;
  return { dtype: x.dtype, shape: x.shape, data: data instanceof Float64Array ? Float32Array.from(data) : data };
}

/**
 * Writes tensors by name, such as a state dict, to a safetensors file, whole or not at all; PyTorch reads it with
 * `safetensors.torch.load_file`. `file` is a path or a `file:` URL; a file that is there keeps its mode and owner, a symbolic link stays
 * one. In pages, which have no files, see `saveSafetensors`.
 * https://pytorch.org/docs/stable/generated/torch.save.html
 */
export async function save(
  file:
    | string
    | {
        /** An address that begins with `file:`. */
        readonly href: string;
      },
  tensors: Readonly<Record<string, Tensor | HostTensor>>,
  metadata: Readonly<Record<string, string>> = {},
  ...none: []
): Promise<void> {
  noMore("save", none);
  const values = encoded("save", tensors, metadata);
  values.catch(() => {}); // told below, behind what is said of the file
  const { pathFor, writeFile } = await parts("save");
  const path = await pathFor("save", file);
  await writeFile(path, await values);
}

/**
 * The tensors of a safetensors file by name, for `loadStateDict`: of a path, a URL, bytes (an ArrayBuffer or a view of one), a Blob or
 * an answer of `fetch`. F64, F16 and BF16 become float32, or all floats float16 where `dtype` asks for it; I64, I16, I8 and unsigned integers
 * int32 where every value fits.
 * https://pytorch.org/docs/stable/generated/torch.load.html
 */
export async function load(
  file:
    | string
    | ArrayBufferLike
    | ArrayBufferView
    | {
        /** The address of a file or on a server. */
        readonly href: string;
      }
    | {
        /** The bytes, as a Blob and an answer of `fetch` give them. */
        arrayBuffer(): Promise<ArrayBuffer>;
      },
  options: {
    /** Where the tensors go; the default device by default. */
    device?: Device;
    /** Type of the floats: float32 by default, float16 where the device stores it. Integers and bools stay what they are. */
    dtype?: "float32" | "float16";
  } = {},
  ...none: []
): Promise<Record<string, Tensor>> {
  noMore("load", none);
  return (await parts("load")).loaded(file, options);
}
