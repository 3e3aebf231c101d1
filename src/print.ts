// Tensors as PyTorch prints them: torch/_tensor_str.py with its default options.
import { type DType, isFloat, TYPES } from "./core/dtype.ts";
import { numel, type Shape } from "./core/shape.ts";

const PRECISION = 4;
/** Tensors of more elements are summarised to EDGE items at both ends of each dim. */
const THRESHOLD = 1000;
const EDGE = 3;
const LINE = 80;
const PREFIX = "tensor(";

export interface PrintOptions {
  /** Name of the op that recorded it. */
  gradFn?: string | null;
  requiresGrad?: boolean;
  /** Named where it is not the default device. */
  device?: string | null;
}

/**
 * `tensor([[0.5900, 1.2000]], requiresGrad=true)`: float32 with 4 digits in one width, in scientific form where the
 * values span more than three decades; more than 1000 elements are summarised. int32 stands for PyTorch's int64.
 * https://pytorch.org/docs/stable/generated/torch.set_printoptions.html
 */
export function formatTensor(shape: Shape, dtype: DType, data: ArrayLike<number>, options: PrintOptions = {}): string {
  const n = numel(shape);
  const suffixes: string[] = [];
  if (options.device) suffixes.push(`device='${options.device}'`);
  let body = "[]";
  if (n === 0) {
    if (shape.length !== 1) suffixes.push(`size=(${shape.join(", ")})`);
    if (dtype !== "float32") suffixes.push(`dtype=${dtype}`);
  } else {
    // As PyTorch, which names all but its usual types.
    if (TYPES[dtype].bytes < 4) suffixes.push(`dtype=${dtype}`);
    const short = n > THRESHOLD;
    const shown: number[] = [];
    collect(shape, 0, 0, short, data, shown);
    const format = formatter(dtype, shown);
    body = nested(shape, 0, 0, PREFIX.length, short, data, format);
  }
  if (options.gradFn) suffixes.push(`gradFn=<${options.gradFn}>`);
  else if (options.requiresGrad) suffixes.push("requiresGrad=true");
  return withSuffixes(PREFIX + body, suffixes);
}

interface Format {
  readonly width: number;
  readonly text: (value: number) => string;
}

/** Indices of a dim that are shown; -1 stands for the ellipsis. */
function shownIndices(size: number, short: boolean): number[] {
  if (!short || size <= 2 * EDGE) return Array.from({ length: size }, (_, i) => i);
  return [0, 1, 2, -1, size - 3, size - 2, size - 1];
}

/** The values that will be shown: they alone decide the format. */
function collect(
  shape: Shape,
  dim: number,
  offset: number,
  short: boolean,
  data: ArrayLike<number>,
  out: number[],
): void {
  if (dim === shape.length) {
    out.push(data[offset]!);
    return;
  }
  const stride = numel(shape.slice(dim + 1));
  for (const i of shownIndices(shape[dim]!, short)) {
    if (i >= 0) collect(shape, dim + 1, offset + i * stride, short, data, out);
  }
}

function nested(
  shape: Shape,
  dim: number,
  offset: number,
  indent: number,
  short: boolean,
  data: ArrayLike<number>,
  format: Format,
): string {
  const rank = shape.length - dim;
  if (rank === 0) return padded(format, data[offset]!);
  if (rank === 1) {
    const items = shownIndices(shape[dim]!, short).map((i) => (i < 0 ? " ..." : padded(format, data[offset + i]!)));
    const perLine = Math.max(1, Math.floor((LINE - indent) / (format.width + 2)));
    const lines: string[] = [];
    for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(", "));
    return `[${lines.join(`,\n${" ".repeat(indent + 1)}`)}]`;
  }
  const stride = numel(shape.slice(dim + 1));
  const parts = shownIndices(shape[dim]!, short).map((i) =>
    i < 0 ? "..." : nested(shape, dim + 1, offset + i * stride, indent + 1, short, data, format),
  );
  return `[${parts.join(`,${"\n".repeat(rank - 1)}${" ".repeat(indent + 1)}`)}]`;
}

const padded = (format: Format, value: number): string => format.text(value).padStart(format.width);

function formatter(dtype: DType, values: readonly number[]): Format {
  if (!isFloat(dtype)) {
    const text = dtype === "bool" ? (v: number) => (v ? "True" : "False") : (v: number) => String(v);
    return { text, width: longest(values, text) };
  }
  const counted = values.filter((v) => Number.isFinite(v) && v !== 0);
  const whole = counted.every(Number.isInteger);
  const sizes = counted.map(Math.abs);
  const least = sizes.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = sizes.reduce((a, b) => Math.max(a, b), 0);
  const scientific = counted.length > 0 && (most / least > 1000 || most > 1e8 || (!whole && least < 1e-4));
  const finite = scientific
    ? exponential
    : whole
      ? (v: number) => `${fixed(v, 0)}.`
      : (v: number) => fixed(v, PRECISION);
  const text = (v: number) => (Number.isFinite(v) ? finite(v) : Number.isNaN(v) ? "nan" : v > 0 ? "inf" : "-inf");
  return { text, width: longest(counted, text) };
}

const longest = (values: readonly number[], text: (value: number) => string): number =>
  values.reduce((width, v) => Math.max(width, text(v).length), 1);

const sign = (value: number): string => (value < 0 || Object.is(value, -0) ? "-" : "");

/** As Python's %.<digits>f: an exact tie goes to the even digit, where toFixed rounds up. */
function fixed(value: number, digits: number): string {
  const x = Math.abs(value);
  const scaled = x * 10 ** digits;
  const floor = Math.floor(scaled);
  const tie = scaled < 2 ** 50 && scaled - floor === 0.5 && scaled / 10 ** digits === x;
  return sign(value) + (tie ? (floor + (floor % 2)) / 10 ** digits : x).toFixed(digits);
}

/** As Python's %.4e: ties to even, an exponent of at least two digits. */
function exponential(value: number): string {
  const x = Math.abs(value);
  let text = x.toExponential(PRECISION);
  const [exact] = x.toExponential(60).split("e");
  const rest = exact!.slice(2 + PRECISION);
  if (/^50*$/.test(rest) && Number(exact![1 + PRECISION]) % 2 === 0) {
    text = `${exact!.slice(0, 2 + PRECISION)}e${x.toExponential(60).split("e")[1]}`;
  }
  const [digits, exponent] = text.split("e") as [string, string];
  return `${sign(value)}${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

function withSuffixes(text: string, suffixes: readonly string[]): string {
  let out = text;
  let last = text.length - text.lastIndexOf("\n") + 1;
  for (const suffix of suffixes) {
    if (last + suffix.length + 2 > LINE) {
      out += `,\n${" ".repeat(PREFIX.length)}${suffix}`;
      last = PREFIX.length + suffix.length;
    } else {
      out += `, ${suffix}`;
      last += suffix.length + 2;
    }
  }
  return `${out})`;
}
