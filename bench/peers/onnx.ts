// Writes the small ONNX models that onnxruntime loads: protobuf by hand, since five messages are all that it takes.
// Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).

type Bytes = number[];

function varint(value: number): Bytes {
  const out: Bytes = [];
  let v = value;
  for (; v > 127; v = Math.floor(v / 128)) out.push((v % 128) | 128);
  out.push(v);
  return out;
}

const int = (field: number, value: number): Bytes => [...varint(field * 8), ...varint(value)];
const raw = (field: number, bytes: Uint8Array | Bytes): Uint8Array[] => [
  Uint8Array.from([...varint(field * 8 + 2), ...varint(bytes.length)]),
  bytes instanceof Uint8Array ? bytes : Uint8Array.from(bytes),
];
const text = (field: number, value: string): Uint8Array[] => raw(field, new TextEncoder().encode(value));
const message = (field: number, parts: Uint8Array[]): Uint8Array[] => raw(field, join(parts));

function join(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

export interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** An integer or a list of them. */
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

const INT = 2;
const INTS = 7;
const FLOAT = 1;

function node(n: Node): Uint8Array[] {
  const attributes = Object.entries(n.attributes ?? {}).flatMap(([name, value]) => {
    const values = typeof value === "number" ? int(3, value) : value.flatMap((v) => int(8, v));
    const type = int(20, typeof value === "number" ? INT : INTS);
    return message(5, [...text(1, name), Uint8Array.from([...values, ...type])]);
  });
  return message(1, [...n.inputs.flatMap((i) => text(1, i)), ...text(2, n.output), ...text(4, n.op), ...attributes]);
}

/** A tensor's name and shape, as an input (field 11) or output (12). */
function value(field: number, name: string, shape: readonly number[]): Uint8Array[] {
  const dims = shape.flatMap((d) => message(1, [Uint8Array.from(int(1, d))]));
  const type = message(1, [Uint8Array.from(int(1, FLOAT)), ...message(2, dims)]);
  return message(field, [...text(1, name), ...message(2, type)]);
}

export interface Constant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A model of opset 17 with the output `y`. */
export function onnx(
  nodes: readonly Node[],
  inputs: Readonly<Record<string, readonly number[]>>,
  output: readonly number[],
  constants: readonly Constant[] = [],
): Uint8Array {
  const graph = [
    ...nodes.flatMap(node),
    ...text(2, "bench"),
    ...constants.flatMap(({ name, shape, data }) =>
      message(5, [
        Uint8Array.from([...shape.flatMap((d) => int(1, d)), ...int(2, FLOAT)]),
        ...text(8, name),
        ...raw(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      ]),
    ),
    ...Object.entries(inputs).flatMap(([name, shape]) => value(11, name, shape)),
    ...value(12, "y", output),
  ];
  const opset = message(8, [...text(1, ""), Uint8Array.from(int(2, 17))]);
  return join([Uint8Array.from(int(1, 8)), ...message(7, graph), ...opset]);
}
