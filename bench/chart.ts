// Charts as SVG text: bars with the range of the rounds, curves of time over a size on logarithmic axes, and rates of
// square products over their size.
import type { Entrant, Measured } from "./results.ts";
import { best, entrants, NAMES } from "./tables.ts";
import { digits, median, time } from "./timing.ts";

const COLORS: Record<Entrant, string> = {
  captured: "#0b6e4f",
  eager: "#6bbf9c",
  torch: "#ee4c2c",
  kept: "#f6a08f",
  tfjs: "#ff9f1c",
  jax: "#7b5ea7",
  ort: "#4a7fb5",
  peak: "#999999",
};

const quote = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const text = (x: number, y: number, content: string, more = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${quote(content)}</text>`;

function svg(width: number, height: number, title: string, body: string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${text(16, 24, title, 'font-size="15" font-weight="bold"')}
${body.join("\n")}
</svg>
`;
}

const shown = (m: Measured): Entrant[] => entrants(m).filter((e) => e !== "peak");

/** A bar this many times as long as ours is cut: what is far behind would leave the others without length. */
const LONGEST_BAR = 8;

/** A group of bars for each case: times, each group on its own scale, since cases differ by orders of magnitude. */
export function bars(title: string, cases: readonly Measured[]): string {
  const [left, wide] = [170, 440];
  const body: string[] = [];
  let y = 52;
  for (const m of cases) {
    body.push(text(16, y, m.name, 'font-weight="bold"'));
    y += 10;
    const most = Math.min(Math.max(...shown(m).flatMap((e) => m.ms[e]!)), LONGEST_BAR * median(m.ms[best(m)]!));
    const at = (ms: number): number => left + Math.min(1, ms / most) * wide;
    for (const e of shown(m)) {
      const ms = m.ms[e]!;
      const [middle, low, high] = [median(ms), Math.min(...ms), Math.max(...ms)];
      const [x0, x1] = [at(low).toFixed(1), at(high).toFixed(1)];
      const cut = middle > most;
      body.push(
        text(left - 8, y + 12, NAMES[e], 'text-anchor="end"'),
        `<rect x="${left}" y="${y + 2}" width="${(at(middle) - left).toFixed(1)}" height="13" fill="${COLORS[e]}"/>`,
        cut
          ? `<path d="M${left + wide - 20} ${y + 18}l6 -19h6l-6 19z" fill="white"/>`
          : `<path d="M${x0} ${y + 5}v7M${x0} ${y + 8.5}H${x1}M${x1} ${y + 5}v7" stroke="#222" fill="none"/>`,
        text(Math.max(at(high), at(middle)) + 6, y + 12, time(middle)),
      );
      y += 19;
    }
    y += 22;
  }
  const note = "Time, less is better: the median of the rounds, with the range of the rounds. Broken bars are longer.";
  body.push(text(16, y, note, 'fill="#555"'));
  return svg(740, y + 16, title, body);
}

const legend = (x: number, y: number, color: string, name: string, dashes = ""): string[] => [
  `<path d="M${x} ${y + 6}h18" stroke="${color}" stroke-width="3"${dashes}/>`,
  text(x + 24, y + 10, name),
];

/** GFLOP/s of square products over their size: each library's in form nn, ours in all three, and the peak. */
export function rates(title: string, cases: readonly Measured[]): string {
  const square = cases.filter((m) => /^W1 (nn|nt|tn) \d+$/.test(m.name));
  const sizes = [...new Set(square.map((m) => Number(m.name.split(" ")[2])))].sort((a, b) => a - b);
  const [left, top, wide, high] = [60, 50, 500, 320];
  const rate = (m: Measured, e: Entrant): number[] => m.ms[e]!.map((t) => (m.work / t) * 1e-6);
  const lines: { name: string; e: Entrant; form: string; dash: string }[] = [];
  const has = (form: string, e: Entrant): boolean =>
    square.some((m) => m.name.startsWith(`W1 ${form} `) && m.ms[e] !== undefined);
  const add = (name: string, e: Entrant, form: string, dash = ""): void => {
    if (has(form, e)) lines.push({ name, e, form, dash });
  };
  add("wasm FMA peak", "peak", "nn", "2 3");
  add("wasmgrad, nn", "captured", "nn");
  add("wasmgrad, nt", "captured", "nt", "7 3");
  add("wasmgrad, tn", "captured", "tn", "3 3");
  for (const e of ["torch", "tfjs", "jax", "ort"] as const) add(`${NAMES[e]}, nn`, e, "nn");
  const most = Math.max(10, ...square.flatMap((m) => entrants(m).map((e) => median(rate(m, e))))) * 1.05;
  const x = (n: number): number => left + (sizes.indexOf(n) / Math.max(1, sizes.length - 1)) * wide;
  const y = (r: number): number => top + high - (r / most) * high;
  const body: string[] = [text(left, top - 8, "GFLOP/s, more is better", 'fill="#555"')];
  const step = most > 200 ? 50 : most > 60 ? 20 : 10;
  for (let r = 0; r <= most; r += step) {
    body.push(`<path d="M${left} ${y(r).toFixed(1)}h${wide}" stroke="#ddd"/>`);
    body.push(text(left - 8, y(r) + 4, digits(r).replace(/\.0+$/, ""), 'text-anchor="end"'));
  }
  for (const n of sizes) body.push(text(x(n), top + high + 18, String(n), 'text-anchor="middle"'));
  body.push(text(left + wide / 2, top + high + 36, "n of n x n times n x n", 'text-anchor="middle" fill="#555"'));
  for (const [i, { name, e, form, dash }] of lines.entries()) {
    const found = square.filter((m) => m.name.startsWith(`W1 ${form} `) && m.ms[e] !== undefined);
    const path = found.map((m, j) => {
      const n = Number(m.name.split(" ")[2]);
      return `${j === 0 ? "M" : "L"}${x(n).toFixed(1)} ${y(median(rate(m, e))).toFixed(1)}`;
    });
    const dashes = dash === "" ? "" : ` stroke-dasharray="${dash}"`;
    body.push(`<path d="${path.join("")}" stroke="${COLORS[e]}" stroke-width="2" fill="none"${dashes}/>`);
    if (dash === "") {
      for (const m of found) {
        const [r, at] = [rate(m, e), x(Number(m.name.split(" ")[2])).toFixed(1)];
        const [y0, y1] = [y(Math.max(...r)).toFixed(1), y(Math.min(...r)).toFixed(1)];
        body.push(`<path d="M${at} ${y0}V${y1}" stroke="${COLORS[e]}"/>`);
        body.push(`<circle cx="${at}" cy="${y(median(r)).toFixed(1)}" r="3" fill="${COLORS[e]}"/>`);
      }
    }
    body.push(...legend(left + wide + 16, top + 20 * i, COLORS[e], name, dashes));
  }
  return svg(740, top + high + 50, title, body);
}

/** Time over size for each library, both logarithmic. */
export function curves(title: string, cases: readonly Measured[], size: (m: Measured) => number): string {
  const [left, top, wide, high] = [70, 44, 520, 340];
  const all = [...new Set(cases.flatMap(shown))];
  const times = cases.flatMap((m) => shown(m).flatMap((e) => m.ms[e]!));
  const sizes = cases.map(size);
  const [n0, n1] = [Math.min(...sizes), Math.max(...sizes)];
  const [d0, d1] = [Math.floor(Math.log10(Math.min(...times))), Math.ceil(Math.log10(Math.max(...times)))];
  const x = (n: number): number => left + (Math.log(n / n0) / Math.log(n1 / n0 || 2)) * wide;
  const y = (ms: number): number => top + high - ((Math.log10(ms) - d0) / (d1 - d0 || 1)) * high;
  const body: string[] = [];
  for (let d = d0; d <= d1; d++) {
    const at = y(10 ** d);
    body.push(
      `<path d="M${left} ${at.toFixed(1)}h${wide}" stroke="#ddd"/>`,
      text(left - 8, at + 4, time(10 ** d), 'text-anchor="end"'),
    );
  }
  for (const n of sizes) body.push(text(x(n), top + high + 18, String(n), 'text-anchor="middle"'));
  for (const [i, e] of all.entries()) {
    const points = cases.filter((m) => m.ms[e] !== undefined);
    const path = points.map(
      (m, j) => `${j === 0 ? "M" : "L"}${x(size(m)).toFixed(1)} ${y(median(m.ms[e]!)).toFixed(1)}`,
    );
    body.push(`<path d="${path.join("")}" stroke="${COLORS[e]}" stroke-width="2" fill="none"/>`);
    for (const m of points) {
      const [ms, at] = [m.ms[e]!, x(size(m)).toFixed(1)];
      body.push(
        `<path d="M${at} ${y(Math.max(...ms)).toFixed(1)}V${y(Math.min(...ms)).toFixed(1)}" stroke="${COLORS[e]}"/>`,
        `<circle cx="${at}" cy="${y(median(ms)).toFixed(1)}" r="3" fill="${COLORS[e]}"/>`,
      );
    }
    body.push(...legend(left + wide + 16, top + 20 * i, COLORS[e], NAMES[e]));
  }
  const note = "Time of a step over the size, both logarithmic; less is better. Bars are the range of the rounds.";
  body.push(text(16, top + high + 40, note, 'fill="#555"'));
  return svg(760, top + high + 52, title, body);
}
