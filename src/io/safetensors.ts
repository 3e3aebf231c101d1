// The safetensors format (https://huggingface.co/docs/safetensors): an 8-byte length, a JSON header that gives each tensor's
// dtype, shape and place, and the bytes. Reading checks every length and offset before anything is used.
import { given } from "../core/error.ts";
import { encode } from "./encode.ts";
import type { HostTensor } from "./formats.ts";
import { open } from "./parse.ts";

export type { HostTensor } from "./formats.ts";

/** What a safetensors file holds. */
export interface Safetensors {
  /** Tensors by name. */
  tensors: Record<string, HostTensor>;
  /** Text of its own by name; `{}` where there is none. */
  metadata: Record<string, string>;
}

/**
 * The bytes of a safetensors file with these tensors by name, and text of your own as metadata. Errors: a name, shape, value or
 * text that the format does not allow.
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, HostTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  return encode("saveSafetensors", tensors, metadata);
}

/**
 * Tensors and metadata of a safetensors file. F32, I32 and BOOL are as they are; F64 (rounded, as PyTorch's `float()`), F16 and
 * BF16 become float32; I64, I16, I8, U64, U32, U16 and U8 int32, where every value fits. `name` stands in messages. Errors: a length,
 * offset, dtype or header that breaks the format, an integer that does not fit.
 */
export function parseSafetensors(bytes: ArrayBufferLike | ArrayBufferView, name = "safetensors"): Safetensors {
  const file = open(bytes, typeof name === "string" ? name : given(name));
  const tensors = file.entries.map((e): [string, HostTensor] => [e.key, file.read(e)]);
  return { tensors: Object.fromEntries(tensors), metadata: file.metadata };
}
