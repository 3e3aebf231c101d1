// Functions that JavaScript's Math lacks, in f64, from their definitions: series where these are short, else continued fractions
// and recurrences (https://dlmf.nist.gov, chapters 5 and 7).

/** Error function: Taylor's series of erf, e^(-x^2) times a series without cancellation. */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
/** 1 - erf x for x > 0, by the continued fraction. */
function erfcFraction(x: number): number {
  let f = 0;
  for (let n = 120; n > 0; n--) f = n / 2 / (x + f);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
}
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) < 2) return x === 0 ? x : erfSeries(x);
  return Math.sign(x) * (1 - erfc(Math.abs(x)));
}
export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x === Number.POSITIVE_INFINITY) return 0;
  if (x < 0) return 1 + erf(-x);
  return x < 2 ? 1 - erf(x) : erfcFraction(x);
}

/** By Newton's steps on erf, or on erfc near the ends. */
export function erfinv(y: number): number {
  if (!(Math.abs(y) < 1)) return Math.abs(y) === 1 ? y * Number.POSITIVE_INFINITY : Number.NaN;
  const a = Math.abs(y);
  let x = Math.sqrt(-Math.log((1 - a) * (1 + a)));
  if (a < 0.5) x = (a * Math.sqrt(Math.PI)) / 2;
  for (let k = 0; k < 60; k++) {
    const error = a < 0.9 ? erf(x) - a : 1 - a - erfc(x);
    const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);
    const step = error / slope;
    x -= step / (1 + x * step); // Halley's
    if (Math.abs(step) < 1e-16 * x) break;
  }
  return y < 0 ? -x : y === 0 ? y : x;
}

/** Terms of the asymptotic series: Bernoulli's numbers B2k. */
const BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798];

/** log |Gamma(x)| */
export function lgamma(x: number): number {
  if (Number.isNaN(x)) return x;
  if (!Number.isFinite(x) || (x <= 0 && Number.isInteger(x))) return Number.POSITIVE_INFINITY;
  if (x < 0.5) return Math.log(Math.PI / Math.abs(sinPi(x))) - lgamma(1 - x);
  let shift = 1;
  let near = 0; // near the zeros at 1 and 2: log1p of what they are
  if (Math.abs(x - 1) < 0.2 || Math.abs(x - 2) < 0.2) {
    const from = Math.abs(x - 1) < 0.2 ? 1 : 2;
    // log Gamma(1 + e) = -gamma e + sum of zeta(k) (-e)^k / k
    const e = x - from;
    if (e === 0) return 0;
    near = -0.5772156649015329 * e;
    for (let k = 2; k < 60; k++) near += (zeta(k) * (-e) ** k) / k;
    return from === 1 ? near : near + Math.log1p(e);
  }
  while (x < 15) shift *= x++;
  let y = (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI);
  BERNOULLI.forEach((b, k) => {
    y += b / ((2 * k + 2) * (2 * k + 1) * x ** (2 * k + 1));
  });
  return y - Math.log(shift);
}
function zeta(k: number): number {
  let sum = 0;
  for (let n = 1; n < 40; n++) sum += n ** -k;
  return (
    sum +
    40 ** (1 - k) / (k - 1) +
    40 ** -k / 2 +
    (k * 40 ** (-k - 1)) / 12 -
    (k * (k + 1) * (k + 2) * 40 ** (-k - 3)) / 720
  );
}
/** sin(pi x), exact where x is whole. */
function sinPi(x: number): number {
  const r = x - 2 * Math.round(x / 2);
  return Math.abs(r) > 0.5 ? Math.sin(Math.PI * (Math.sign(r) - r)) : Math.sin(Math.PI * r);
}

/** The derivative of log |Gamma|; at 0 infinite with the other sign, NaN at -1, -2, ... as PyTorch has it. */
export function digamma(x: number): number {
  if (x === 0) return Object.is(x, 0) ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (x === Number.NEGATIVE_INFINITY || (x < 0 && Number.isInteger(x))) return Number.NaN;
  if (x < 0) return digamma(1 - x) - Math.PI / Math.tan(Math.PI * (x - Math.round(x)));
  let y = 0;
  for (; x < 15; x++) y -= 1 / x;
  y += Math.log(x) - 0.5 / x;
  BERNOULLI.forEach((b, k) => {
    y -= b / ((2 * k + 2) * x ** (2 * k + 2));
  });
  return y;
}

/** The derivative of digamma, infinite at 0, -1, -2, ... */
export function trigamma(x: number): number {
  if (x === Number.NEGATIVE_INFINITY) return Number.NaN;
  if (x <= 0 && Number.isInteger(x)) return Number.POSITIVE_INFINITY;
  if (x < 0) return (Math.PI / sinPi(x)) ** 2 - trigamma(1 - x);
  let y = 0;
  for (; x < 15; x++) y += 1 / (x * x);
  y += 1 / x + 0.5 / (x * x);
  BERNOULLI.forEach((b, k) => {
    y += b / x ** (2 * k + 3);
  });
  return y;
}

/** x^y as C has it: 1^NaN and (-1)^inf are 1, unlike in JavaScript. */
export function pow(x: number, y: number): number {
  return x === 1 || (x === -1 && !Number.isFinite(y) && !Number.isNaN(y)) ? 1 : x ** y;
}

/** Of two numbers between which x lies as near, the even one. */
export function round(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0);
  const y = Number.isFinite(x) ? (up ? below + 1 : below) : x;
  return y === 0 && (x < 0 || Object.is(x, -0)) ? -0 : y;
}

/** a - b floor(a / b), by C's fmod as Python has it. */
export function remainder(a: number, b: number): number {
  const m = a % b;
  return m !== 0 && m < 0 !== b < 0 ? m + b : m;
}
export function floorDivide(a: number, b: number): number {
  if (b === 0) return a / b;
  const m = a % b;
  const d = (a - m) / b - Number(m !== 0 && m < 0 !== b < 0);
  return Number.isFinite(d) ? Math.round(d) : d;
}
