// Bytes of a safetensors file, opened: its header checked, its tensors decoded when asked for.
import { fail } from "../core/error.ts";
import { asBytes, describeKind } from "../host/kinds.ts";
import { decode, FORMATS, type HostTensor, LONGEST_HEADER } from "./formats.ts";
import { type Entry, type Header, readHeader, shown } from "./header.ts";

/** What a file is that does not begin as one of this format; "" where nobody knows. */
function guess(bytes: Uint8Array): string {
  if (bytes[8] === 0x7b) return "";
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    return 'gzip data: unpacked bytes are expected, as new DecompressionStream("gzip") gives them';
  if (bytes[0] === 0x50 && bytes[1] === 0x4b)
    return "a zip archive, such as torch.save writes: what safetensors.torch.save_file writes is expected";
  return "";
}

/** The end of a long name, for messages. */
const nameOf = (name: string): string => (name.length > 120 ? `...${name.slice(-117)}` : name);

/** Header and tensors of a file. `name` stands in messages. */
export function open(file: unknown, name: string): Header & { read(entry: Entry): HostTensor } {
  const subject = nameOf(name);
  const bytes =
    asBytes(file) ??
    fail(subject, `${describeKind(file)}: an ArrayBuffer or a view of one is expected, as await blob.arrayBuffer()`);
  if (bytes.length < 8)
    fail(subject, `${bytes.length} bytes: a safetensors file begins with the 8 bytes of its header's length`);
  const other = guess(bytes);
  if (other !== "") fail(subject, other);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(LONGEST_HEADER))
    fail(
      subject,
      `header length ${length}: at most ${LONGEST_HEADER} is allowed: this is no safetensors file, or damaged`,
    );
  const size = 8 + Number(length);
  if (size > bytes.length) fail(subject, `header length ${length}: the file has ${bytes.length - 8} bytes behind it`);
  const data = bytes.subarray(size);
  const header = readHeader(bytes.subarray(8, size), data.length, subject, FORMATS);
  cover(subject, header.entries, data.length);
  return { ...header, read: (e) => decode(subject, e, data.subarray(e.begin, e.end)) };
}

/** Throws unless the tensors take all of the data, each its own. */
function cover(subject: string, entries: readonly Entry[], length: number): void {
  let list = entries;
  // As they are written, most often: sorting takes longer than reading.
  if (entries.some((e, i) => i > 0 && e.begin < entries[i - 1]!.end)) {
    list = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  }
  let end = 0;
  for (const e of list) {
    if (e.begin !== end) {
      const places = `begins at ${e.begin}, the tensor before it ends at ${end}`;
      fail(subject, `${shown(e.key)} ${places}: no holes and no overlaps are allowed`);
    }
    end = e.end;
  }
  if (end !== length) fail(subject, `${length} bytes of data, the tensors take ${end}: all must belong to a tensor`);
}
