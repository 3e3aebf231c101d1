// The table at the head of RESULTS.md: for each workload our time, its share of the peak, and our speed over the others.
import type { Entrant, Measured } from "./results.ts";
import { best, NAMES, ofWhat, share, shares, speed } from "./tables.ts";
import { type Grid, median, percent, show, span, time } from "./timing.ts";

const HEAD = [
  ...["", "time", "range", "share", "best round", "our speed over PyTorch", "best round"],
  "our speed over the fastest wasm library",
];

const sizes = [64, 256, 512, 1024, 2048];
const maps = ["exp", "sigmoid", "softmax", "layernorm"];

/** Cases, and the way of ours where it is not the faster one. */
const LINES: readonly (readonly [string, Entrant?])[] = [
  ...["nn", "nt", "tn"].flatMap((form) => sizes.map((n) => [`W1 ${form} ${n}`] as const)),
  ["W1 nn 64x10x784"],
  ["W1 nn 785x17x333"],
  ["W1 nn 10x25x36864"],
  ["W2 train 64"],
  ["W2 train 1024"],
  ["W3 train 64"],
  ["W4 train 64"],
  ["W4 train 512"],
  ["W4 forward 64"],
  ["W5 train 32"],
  ["W5 train 1000"],
  ["W5 train 32", "eager"],
  ["W5 train 1000", "eager"],
  ...maps.map((op) => [`W6 ${op} 1M`] as const),
  ...["1M", "16M"].flatMap((n) => ["add", "relu", "sum"].map((op) => [`W6 ${op} ${n}`] as const)),
  ["W7 forward"],
  ["W7 forward+backward"],
  ...["gelu", "silu", "mish", "huber", "BCE with logits"].map((of) => [`${of} 1M`] as const),
  ["smoothed cross entropy 8192x128"],
  ...["RMSprop", "Adagrad", "NAdam", "Adam", "AdamW"].map((of) => [`${of} 1M`] as const),
];

const WASM: readonly Entrant[] = ["tfjs", "jax", "ort"];

const fastest = (values: readonly number[]): number => Math.min(...values);

function line(m: Measured, e: Entrant): string[] {
  const ms = m.ms[e]!;
  const s = span(ms);
  const part = share(m, e);
  const peer = WASM.filter((p) => m.ms[p] !== undefined).sort((a, b) => median(m.ms[a]!) - median(m.ms[b]!))[0];
  const mode = e === best(m) ? "" : `, ${e}`;
  return [
    ...[m.name + mode, time(s.median), `${time(s.min)} - ${time(s.max)}`],
    part === null ? "" : `${shares(part)}${ofWhat(m) === "share of peak" ? "" : " of the same streams"}`,
    m.ms.peak === undefined ? "" : percent(fastest(m.ms.peak) / fastest(ms)),
    m.ms.torch === undefined ? "" : show(span(speed(m, e, "torch"))),
    m.ms.torch === undefined ? "" : (fastest(m.ms.torch) / fastest(ms)).toPrecision(3),
    peer === undefined ? "" : `${show(span(speed(m, e, peer)))}, ${NAMES[peer]}`,
  ];
}

/** Of one build on one thread of one Node. Lines whose case is not measured are left out. */
export function summaryGrid(cases: readonly Measured[]): Grid {
  const byName = new Map(cases.map((m) => [m.name, m]));
  const rows = LINES.flatMap(([name, way]) => {
    const m = byName.get(name);
    const e = m && (way ?? best(m));
    return m === undefined || e === undefined || m.ms[e] === undefined ? [] : [line(m, e)];
  });
  return [HEAD, rows];
}
