// WebAssembly's binary form, as far as pieces need it: https://webassembly.github.io/spec/core/binary/

/** Unsigned and signed LEB128. */
export function unsigned(n: number): number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >>> 7)];
}
export function signed(n: number): number[] {
  return n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, ...signed(n >> 7)];
}
export const simd = (code: number): number[] => [0xfd, ...unsigned(code)];
export const [GET, SET] = [0x20, 0x21];
export const get = (local: number): number[] => [GET, ...unsigned(local)];
export const set = (local: number): number[] => [SET, ...unsigned(local)];
export const constant = (n: number): number[] => [0x41, ...signed(n)];
export const vector = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
export const list = (parts: readonly (readonly number[])[]): number[] => [...unsigned(parts.length), ...parts.flat()];
export const section = (id: number, bytes: readonly number[]): number[] => [id, ...vector(bytes)];
export const text = (s: string): number[] => vector([...s].map((c) => c.charCodeAt(0)));

export const [ADD, SUB] = [0x6a, 0x6b];
export const SHL = 0x74;
export const AND = 0x71;
export const [LESS_U, GE_S] = [0x49, 0x4e];
export const EQZ = 0x45;
export const SELECT = 0x1b;
export const TEE = 0x22;
export const [BLOCK, LOOP, BR_IF, END, NOTHING] = [0x02, 0x03, 0x0d, 0x0b, 0x40];
export const I32 = 0x7f;
export const V128 = 0x7b;

/** The same word in all lanes. */
export function splat(value: number): number[] {
  const word = [...new Uint8Array(Float32Array.of(value).buffer)];
  return [...simd(0x0c), ...word, ...word, ...word, ...word];
}
