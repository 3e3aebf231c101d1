// Charts as SVG text: bars with the range of the rounds, and curves over a size on logarithmic axes.
import { median, time } from "../timing.ts";
import { type Entrant, type Measured, NAMES } from "./report.ts";

const COLORS: Record<Entrant, string> = {
  captured: "#0b6e4f",
  eager: "#6bbf9c",
  torch: "#ee4c2c",
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

const shown = (m: Measured): Entrant[] => (Object.keys(m.ms) as Entrant[]).filter((e) => e !== "peak");

/** A group of bars for each case: times, each group on its own scale, since cases differ by orders of magnitude. */
export function bars(title: string, cases: readonly Measured[]): string {
  const [left, wide] = [170, 470];
  const body: string[] = [];
  let y = 52;
  for (const m of cases) {
    body.push(text(16, y, `${m.name}${m.threads > 1 ? `, ${m.threads} threads` : ""}`, 'font-weight="bold"'));
    y += 10;
    const most = Math.max(...shown(m).flatMap((e) => m.ms[e]!));
    const at = (ms: number): number => left + (ms / most) * wide;
    for (const e of shown(m)) {
      const ms = m.ms[e]!;
      const [middle, low, high] = [median(ms), Math.min(...ms), Math.max(...ms)];
      const [x0, x1] = [at(low).toFixed(1), at(high).toFixed(1)];
      body.push(
        text(left - 8, y + 12, NAMES[e], 'text-anchor="end"'),
        `<rect x="${left}" y="${y + 2}" width="${(at(middle) - left).toFixed(1)}" height="13" fill="${COLORS[e]}"/>`,
        `<path d="M${x0} ${y + 5}v7M${x0} ${y + 8.5}H${x1}M${x1} ${y + 5}v7" stroke="#222" fill="none"/>`,
        text(Math.max(at(high), at(middle)) + 6, y + 12, time(middle)),
      );
      y += 19;
    }
    y += 22;
  }
  body.push(
    text(16, y, "Time, less is better: the median of the rounds, with the range of the rounds.", 'fill="#555"'),
  );
  return svg(740, y + 16, title, body);
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
    body.push(
      `<rect x="${left + wide + 16}" y="${top + 20 * i}" width="12" height="12" fill="${COLORS[e]}"/>`,
      text(left + wide + 34, top + 11 + 20 * i, NAMES[e]),
    );
  }
  return svg(760, top + high + 36, title, body);
}
