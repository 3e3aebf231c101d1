// Digits that a program draws, for machines without MNIST: strokes, distorted at random, on the same 28x28 grid. They are
// not MNIST, are easier or harder in their own ways, and say so by name.
//
// A glyph is a list of strokes in a box about 1 high, y downwards; one of several ways of writing a digit is picked,
// its points jittered, the strokes bent, slanted, turned, scaled and shifted, then drawn with a round pen: a pixel's
// value is how far the pen's edge lies beyond it, from the distance to the nearest segment.
import { checkNumber, expectOptions } from "../core/error.ts";
import type { Images } from "./mnist.ts";
import { Random } from "./random.ts";

/** Options of `drawDigits`. */
export interface DigitsOptions {
  /** Images to train on (default) or to test with: never the same ones. */
  train?: boolean;
  /** 12,000 to train, 2,000 to test by default. A smaller count gives the first of the same images. */
  count?: number;
  /** The same seed draws the same images. 0 by default. */
  seed?: number;
}

const NAME = "drawDigits";
const SIDE = 28;

/** x, y, x, y, ... of a polyline. */
type Stroke = readonly number[];

/** A polyline on an ellipse; angles in degrees, 0 to the right, 90 downwards. */
function arc(cx: number, cy: number, rx: number, ry: number, from: number, to: number): Stroke {
  const steps = Math.max(3, Math.ceil(Math.abs(to - from) / 24));
  const points: number[] = [];
  for (let i = 0; i <= steps; i++) {
    const angle = ((from + ((to - from) * i) / steps) * Math.PI) / 180;
    points.push(cx + rx * Math.cos(angle), cy + ry * Math.sin(angle));
  }
  return points;
}

const line = (...points: number[]): Stroke => points;
const join = (...strokes: Stroke[]): Stroke => strokes.flat();

/** The ways of writing each digit. */
const GLYPHS: readonly (readonly (readonly Stroke[])[])[] = [
  [[arc(0.5, 0.5, 0.3, 0.5, -90, 270)], [arc(0.5, 0.5, 0.36, 0.46, -70, 300)], [arc(0.5, 0.5, 0.24, 0.48, -110, 235)]],
  [
    [line(0.5, 0, 0.5, 1)],
    [line(0.3, 0.22, 0.52, 0, 0.52, 1)],
    [line(0.3, 0.2, 0.5, 0, 0.5, 1), line(0.26, 1, 0.74, 1)],
  ],
  [
    [join(arc(0.5, 0.28, 0.3, 0.28, -170, 25), line(0.18, 1, 0.84, 1))],
    [
      join(
        arc(0.48, 0.28, 0.3, 0.28, -150, 40),
        line(0.34, 0.8),
        arc(0.3, 0.88, 0.13, 0.1, -60, -330),
        line(0.6, 0.96, 0.86, 0.92),
      ),
    ],
    [join(line(0.22, 0.1), arc(0.48, 0.3, 0.3, 0.28, -110, 50), line(0.16, 0.98, 0.5, 0.94, 0.84, 1))],
  ],
  [
    [join(arc(0.46, 0.26, 0.28, 0.25, -150, 90), arc(0.46, 0.75, 0.32, 0.25, -90, 150))],
    [join(line(0.2, 0.02, 0.76, 0.02, 0.46, 0.4), arc(0.45, 0.7, 0.31, 0.29, -80, 150))],
    [join(arc(0.44, 0.24, 0.27, 0.23, -160, 60), line(0.42, 0.48), arc(0.44, 0.74, 0.32, 0.25, -70, 165))],
  ],
  [
    [line(0.3, 0, 0.16, 0.56, 0.86, 0.56), line(0.68, 0.06, 0.64, 1)],
    [line(0.66, 1, 0.66, 0, 0.14, 0.66, 0.9, 0.66)],
    [join(arc(0.42, 0.1, 0.26, 0.42, 180, 90), line(0.74, 0.5)), line(0.78, 0.02, 0.7, 1)],
  ],
  [
    [join(line(0.78, 0, 0.28, 0, 0.24, 0.44), arc(0.46, 0.69, 0.33, 0.31, -130, 150))],
    [join(line(0.3, 0.04, 0.26, 0.42), arc(0.44, 0.7, 0.33, 0.29, -115, 140)), line(0.3, 0.03, 0.82, 0)],
    [join(line(0.74, 0.04, 0.4, 0.06, 0.34, 0.4), arc(0.48, 0.68, 0.25, 0.3, -100, 165))],
  ],
  [
    [join(line(0.66, 0, 0.4, 0.24), arc(0.48, 0.7, 0.28, 0.3, 200, -160))],
    [join(arc(0.76, 0.6, 0.54, 0.6, -95, -180), arc(0.5, 0.72, 0.28, 0.27, 170, -170))],
    [join(line(0.46, 0, 0.28, 0.5), arc(0.46, 0.76, 0.2, 0.23, 190, -150))],
  ],
  [
    [line(0.16, 0.02, 0.84, 0.02, 0.4, 1)],
    [line(0.16, 0.04, 0.82, 0.02, 0.6, 0.44, 0.46, 1), line(0.34, 0.52, 0.78, 0.48)],
    [join(line(0.18, 0.18, 0.2, 0.04, 0.62, 0.05, 0.82, 0), arc(0.94, 0.96, 0.46, 0.9, -108, -175))],
  ],
  [
    [arc(0.5, 0.25, 0.24, 0.25, -90, 270), arc(0.5, 0.75, 0.3, 0.25, -90, 270)],
    [join(arc(0.52, 0.24, 0.25, 0.24, -30, -260), arc(0.48, 0.75, 0.27, 0.25, -70, 215), line(0.74, 0.16))],
    [arc(0.5, 0.22, 0.2, 0.22, -80, 275), arc(0.49, 0.72, 0.25, 0.28, -95, 260)],
  ],
  [
    [arc(0.48, 0.29, 0.28, 0.29, 0, 360), line(0.76, 0.24, 0.7, 1)],
    [join(arc(0.5, 0.27, 0.26, 0.26, -20, -350), line(0.76, 0.5), arc(0.44, 0.68, 0.32, 0.32, 0, 130))],
    [join(arc(0.46, 0.28, 0.25, 0.27, -40, -375), line(0.6, 0.66, 0.46, 1))],
  ],
];

/** Labelled 28x28 images of digits that the program draws, as bytes, for machines without MNIST. */
export function drawDigits(options: DigitsOptions = {}, ...none: []): Images {
  expectOptions(NAME, options, "train? count seed", none);
  const { train = true, seed = 0 } = options;
  const { count = train ? 12_000 : 2_000 } = options;
  checkNumber(NAME, "count", count, [(v) => Number.isSafeInteger(v) && v > 0, "a positive integer"]);
  checkNumber(NAME, "seed", seed, [(v) => Number.isSafeInteger(v) && v >= 0, "an integer of at least 0"]);
  const random = new Random(seed, train ? 1 : 2);
  const images = new Uint8Array(count * SIDE * SIDE);
  const labels = new Uint8Array(count);
  const ink = new Float32Array(SIDE * SIDE);
  for (let i = 0; i < count; i++) {
    labels[i] = random.below(10);
    ink.fill(0);
    draw(labels[i]!, random, ink);
    expose(ink, random, images.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE));
  }
  const name = `drawn digits (synthetic), ${train ? "training" : "test"} images`;
  const source = `drawn by this program, seed ${seed}`;
  return { name, source, synthetic: true, images, labels, count, rows: SIDE, cols: SIDE, classes: 10 };
}

/** Draws one digit: ink is 0 to 1. */
function draw(digit: number, random: Random, ink: Float32Array): void {
  const ways = GLYPHS[digit]!;
  const glyph = ways[random.below(ways.length)]!;
  // Box to pixels: slant, stretch, turn, shift. Turns stay well below what makes another digit.
  const turn = random.bell() * 0.13;
  const slant = random.bell() * 0.16 - 0.1;
  const height = random.uniform(15, 21);
  const width = height * random.uniform(0.62, 1.05);
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const dx = SIDE / 2 + clamp(random.bell(), -2, 2) * 1.3;
  const dy = SIDE / 2 + clamp(random.bell(), -2, 2) * 1.1;
  // A slow wave bends the strokes; its length is about the digit's.
  const bend = random.uniform(0, 0.05);
  const [px, py] = [random.uniform(0, 6.28), random.uniform(0, 6.28)];
  const pen = random.uniform(0.75, 1.75);
  const fade = random.uniform(0, 0.5);
  for (const stroke of glyph) {
    const driftX = random.bell() * 0.018;
    const driftY = random.bell() * 0.018;
    let x0 = 0;
    let y0 = 0;
    for (let i = 0; i < stroke.length; i += 2) {
      let x = stroke[i]! - 0.5 + driftX + random.bell() * 0.014;
      let y = stroke[i + 1]! - 0.5 + driftY + random.bell() * 0.014;
      x += bend * Math.sin(5 * y + px);
      y += bend * Math.sin(5 * x + py);
      x = (x - slant * y) * width;
      y *= height;
      const x1 = dx + cos * x - sin * y;
      const y1 = dy + sin * x + cos * y;
      if (i > 0) segment(x0, y0, x1, y1, pen * (1 - fade * random.uniform(0, 0.6)), ink);
      x0 = x1;
      y0 = y1;
    }
  }
}

/** Inks the pixels within `radius` of the segment; the edge is one pixel soft. */
function segment(x0: number, y0: number, x1: number, y1: number, radius: number, ink: Float32Array): void {
  const reach = radius + 0.5;
  const left = Math.max(0, Math.ceil(Math.min(x0, x1) - reach));
  const right = Math.min(SIDE - 1, Math.floor(Math.max(x0, x1) + reach));
  const top = Math.max(0, Math.ceil(Math.min(y0, y1) - reach));
  const bottom = Math.min(SIDE - 1, Math.floor(Math.max(y0, y1) + reach));
  const ex = x1 - x0;
  const ey = y1 - y0;
  const inverse = 1 / Math.max(1e-9, ex * ex + ey * ey);
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const t = clamp(((x - x0) * ex + (y - y0) * ey) * inverse, 0, 1);
      const ax = x - x0 - t * ex;
      const ay = y - y0 - t * ey;
      const cover = reach - Math.sqrt(ax * ax + ay * ay);
      const at = y * SIDE + x;
      if (cover > ink[at]!) ink[at] = Math.min(cover, 1);
    }
  }
}

/** Ink to bytes: uneven ink, grain, and now and then a stray speck. */
function expose(ink: Float32Array, random: Random, out: Uint8Array): void {
  const dark = random.uniform(190, 255);
  const grain = random.uniform(0, 26);
  for (let i = 0; i < out.length; i++) {
    const word = random.word();
    // triangular noise; what falls below zero is background
    const noise = ((word & 0xffff) + (word >>> 16) - 65535) / 65535;
    out[i] = clamp(ink[i]! * dark + noise * grain * 2 - grain * 0.5, 0, 255);
  }
  for (let n = random.below(4); n > 0; n--) out[random.below(out.length)] = random.below(200);
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
