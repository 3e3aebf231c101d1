// A small generator for the host's side of data: order of samples, drawn digits. sfc32 (Chris Doty-Humphrey, PractRand),
// seeded by hashing words, so that neighbouring seeds and epochs have nothing in common.

/** @internal */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** The same numbers give the same sequence. */
  constructor(...seed: number[]) {
    let h = 0x9e3779b9;
    // splitmix's finaliser over both halves of each number
    const mix = (word: number): number => {
      h = (h ^ word) | 0;
      h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
      h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
      h = ((h ^ (h >>> 15)) + 0x9e3779b9) | 0;
      return h;
    };
    for (const n of seed) {
      mix(n | 0);
      mix(Math.floor(n / 2 ** 32) | 0);
    }
    this.a = mix(1);
    this.b = mix(2);
    this.c = mix(3);
    for (let i = 0; i < 12; i++) this.word();
  }

  /** 32 random bits, signed. */
  word(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    return t;
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (this.word() >>> 0) * 2 ** -32 * (high - low);
  }

  /** An integer from 0 to n - 1. */
  below(n: number): number {
    return Math.floor((this.word() >>> 0) * 2 ** -32 * n);
  }

  /** Roughly normal with standard deviation 1, within ±3: the sum of four 16-bit uniforms (variance 1/12 each), scaled. */
  bell(): number {
    const x = this.word();
    const y = this.word();
    const sum = (x & 0xffff) + (x >>> 16) + (y & 0xffff) + (y >>> 16);
    return (sum / 65535 - 2) * Math.sqrt(3);
  }

  /** Puts the items into random order (Fisher and Yates). */
  shuffle(items: Int32Array | Uint32Array): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const t = items[i]!;
      items[i] = items[j]!;
      items[j] = t;
    }
  }
}
