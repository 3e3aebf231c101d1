// WebAssembly's binary form, as far as pieces need it: https://webassembly.github.io/spec/core/binary/

/** Bytes of a function, appended one by one: a piece is made while a step waits for it. */
export class Code {
  readonly bytes: number[] = [];

  /** Opcodes and what stands behind them as it is. */
  raw(...bytes: readonly number[]): this {
    for (let i = 0; i < bytes.length; i++) this.bytes.push(bytes[i]!);
    return this;
  }

  /** Unsigned LEB128. */
  unsigned(n: number): this {
    let left = n;
    for (; left > 127; left >>>= 7) this.bytes.push((left & 127) | 128);
    this.bytes.push(left);
    return this;
  }

  simd(code: number): this {
    this.bytes.push(0xfd);
    return this.unsigned(code);
  }

  get(local: number): this {
    this.bytes.push(0x20);
    return this.unsigned(local);
  }

  set(local: number): this {
    this.bytes.push(0x21);
    return this.unsigned(local);
  }

  tee(local: number): this {
    this.bytes.push(0x22);
    return this.unsigned(local);
  }

  constant(n: number): this {
    this.bytes.push(0x41);
    let left = n;
    for (; left < -64 || left > 63; left >>= 7) this.bytes.push((left & 127) | 128);
    this.bytes.push(left & 127);
    return this;
  }

  /** The same float in all lanes. */
  splat(value: number): this {
    const word = new Uint8Array(Float32Array.of(value).buffer);
    this.simd(0x0c);
    for (let i = 0; i < 4; i++) this.raw(...word);
    return this;
  }
}

const unsigned = (n: number): number[] => new Code().unsigned(n).bytes;
const vector = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
export const list = (parts: readonly (readonly number[])[]): number[] => [...unsigned(parts.length), ...parts.flat()];
export const section = (id: number, bytes: readonly number[]): number[] => [id, ...vector(bytes)];
export const text = (s: string): number[] => vector([...s].map((c) => c.charCodeAt(0)));
/** A function: so many i32 locals behind its arguments, so many vectors, and what it does. */
export const body = (words: number, vectors: number, code: readonly number[]): number[] =>
  vector([
    ...list([
      [...unsigned(words), I32],
      [...unsigned(vectors), V128],
    ]),
    ...code,
  ]);
/** Pages of a memory that may be of any size. */
export const ANY = unsigned(65536);

export const [ADD, SUB] = [0x6a, 0x6b];
export const SHL = 0x74;
export const AND = 0x71;
export const [LESS_U, GE_S] = [0x49, 0x4e];
export const EQZ = 0x45;
export const SELECT = 0x1b;
export const [BLOCK, LOOP, BR_IF, END, NOTHING] = [0x02, 0x03, 0x0d, 0x0b, 0x40];
export const I32 = 0x7f;
const V128 = 0x7b;
