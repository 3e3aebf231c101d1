// What devices.ts found, as tables and as a chart with the crossovers marked. Pages use it too. A software adapter is
// named in every title, so that nobody takes its times for a GPU's.
import { crossover, type DevicePoint, type DevicesData, type Kind, type Network } from "./devices.ts";
import { digits, type Grid, markdown, time } from "./timing.ts";

const COLORS = ["#6bbf9c", "#0b6e4f", "#d1495b"];
const KINDS: Record<Kind, string> = { forward: "forward", step: "training step, captured" };
const MODELS: Record<Network, string> = {
  softmax: "softmax 784-10",
  mlp: "MLP 784-520-320-240-120-10",
  cnn: "MNIST CNN",
};
const NETWORKS = Object.keys(MODELS) as Network[];

const isSoftware = (data: DevicesData): boolean => data.entrants.some((e) => e.software);
/** Behind every title. */
const mark = (data: DevicesData): string => (isSoftware(data) ? " (WebGPU on a software adapter)" : "");

const pointsOf = (data: DevicesData, model: Network, kind: Kind): DevicePoint[] =>
  data.points.filter((p) => p.model === model && p.kind === kind);

/** Where WebGPU becomes the faster one, in words, with the sizes that were measured. */
export function crossoverText(data: DevicesData, model: Network, kind: Kind): string {
  const gpu = data.entrants.find((e) => e.name.startsWith("WebGPU"));
  if (gpu === undefined) return "No WebGPU.";
  const sizes = pointsOf(data, model, kind).filter((p) => p.ms[gpu.name] !== undefined);
  if (sizes.length === 0) return `${gpu.name}: not measured.`;
  const range = `measured at batches ${sizes[0]!.batch} to ${sizes.at(-1)!.batch}`;
  const from = crossover(data, model, kind);
  if (from === null) return `${gpu.name} is not the faster one (${range}).`;
  return `${gpu.name} is the faster one ${from === 1 ? "at every batch" : `from batch ${from} on`} (${range}).`;
}

function rows(data: DevicesData, points: readonly DevicePoint[]): string[][] {
  return points.map((p) => [
    `${p.batch}`,
    ...data.entrants.map(({ name }) => {
      const s = p.ms[name];
      return s === undefined ? "-" : `${time(s.median)} [${time(s.min)} - ${time(s.max)}]`;
    }),
    p.difference < 1e-6 ? "< 1e-6" : p.difference.toExponential(0),
  ]);
}

/** One table of everything, for a terminal. */
export function devicesGrid(data: DevicesData): Grid {
  const all = NETWORKS.flatMap((model) =>
    (Object.keys(KINDS) as Kind[]).flatMap((kind) =>
      rows(data, pointsOf(data, model, kind)).map(([batch, ...rest]) => [`${model} ${kind} ${batch}`, ...rest]),
    ),
  );
  return [[`batch${mark(data)}`, ...data.entrants.map((e) => e.name), "loss apart"], all];
}

/** The section of RESULTS.md below its heading; `chart` is the picture's address. */
export function devicesText(data: DevicesData, chart: string): string {
  const title = `wasm and WebGPU over the batch size${mark(data)}`;
  const text = [data.entrants.map((e) => `- ${e.name}: ${e.why}`).join("\n")];
  if (data.missing !== null) text.push(`No WebGPU here: ${data.missing}`);
  text.push(`![${title}](${chart})`);
  for (const model of NETWORKS) {
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const points = pointsOf(data, model, kind);
      if (points.length === 0) continue;
      text.push(`### ${MODELS[model]}, ${KINDS[kind]}${mark(data)}`, crossoverText(data, model, kind));
      text.push(markdown(["batch", ...data.entrants.map((e) => e.name), "loss apart"], rows(data, points)));
    }
  }
  if (data.ended.length > 0) text.push(`Left out: ${data.ended.join("; ")}.`);
  return text.join("\n\n");
}

// ------------------------------------------------------------------------------------------------------------- chart

const quote = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const label = (x: number, y: number, content: string, more = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${quote(content)}</text>`;

const [PANEL, WIDE, HIGH, LEFT, TOP] = [340, 260, 200, 64, 84];

/** Time over batch, both logarithmic: a column for each model, forward above the step; dashed where WebGPU takes over. */
export function devicesChart(data: DevicesData, machine: string): string {
  const adapters = data.entrants.filter((e) => e.name.startsWith("WebGPU")).map((e) => e.why);
  const body = [
    label(16, 24, `wasm and WebGPU over the batch size${mark(data)}`, 'font-size="15" font-weight="bold"'),
    label(16, 42, [machine, ...adapters].join("; WebGPU: "), 'fill="#555"'),
  ];
  data.entrants.forEach(({ name }, i) => {
    const x = 16 + 230 * i;
    body.push(`<path d="M${x} 54h18" stroke="${colorOf(data, i)}" stroke-width="3"/>`, label(x + 24, 58, name));
  });
  (Object.keys(KINDS) as Kind[]).forEach((kind, row) => {
    NETWORKS.forEach((model, column) => {
      body.push(...panel(data, model, kind, LEFT + column * PANEL, TOP + row * (HIGH + 70)));
    });
  });
  const [width, height] = [3 * PANEL + 10, TOP + 2 * (HIGH + 70)];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
${body.join("\n")}
</svg>
`;
}

const colorOf = (data: DevicesData, i: number): string =>
  data.entrants[i]!.name.startsWith("WebGPU") ? COLORS[2]! : COLORS[Math.min(i, 1)]!;

function panel(data: DevicesData, model: Network, kind: Kind, left: number, top: number): string[] {
  const points = pointsOf(data, model, kind);
  const body = [label(left, top + 2, `${MODELS[model]}, ${kind}`, 'font-weight="bold"')];
  if (points.length === 0) return [...body, label(left, top + 30, "not measured")];
  const times = points.flatMap((p) => Object.values(p.ms).flatMap((s) => [s.min, s.max]));
  const [d0, d1] = [Math.floor(Math.log10(Math.min(...times))), Math.ceil(Math.log10(Math.max(...times)))];
  const most = Math.max(2, ...points.map((p) => p.batch));
  const base = top + 14 + HIGH;
  const x = (batch: number): number => left + (Math.log2(batch) / Math.log2(most)) * WIDE;
  const y = (ms: number): number => base - ((Math.log10(ms) - d0) / (d1 - d0 || 1)) * HIGH;
  for (let d = d0; d <= d1; d++) {
    const at = y(10 ** d);
    body.push(`<path d="M${left} ${at.toFixed(1)}h${WIDE}" stroke="#ddd"/>`);
    body.push(label(left - 6, at + 4, time(10 ** d).replace(/\.0+ /, " "), 'text-anchor="end"'));
  }
  for (let n = 1; n <= most; n *= 8) body.push(label(x(n), base + 16, String(n), 'text-anchor="middle"'));
  body.push(label(left + WIDE / 2, base + 30, "batch", 'text-anchor="middle" fill="#555"'));
  data.entrants.forEach(({ name }, i) => {
    const found = points.filter((p) => p.ms[name] !== undefined);
    const color = colorOf(data, i);
    const path = found.map(
      (p, j) => `${j === 0 ? "M" : "L"}${x(p.batch).toFixed(1)} ${y(p.ms[name]!.median).toFixed(1)}`,
    );
    body.push(`<path d="${path.join("")}" stroke="${color}" stroke-width="2" fill="none"/>`);
    for (const p of found) {
      const { median, min, max } = p.ms[name]!;
      const at = x(p.batch).toFixed(1);
      body.push(`<path d="M${at} ${y(max).toFixed(1)}V${y(min).toFixed(1)}" stroke="${color}"/>`);
      body.push(`<circle cx="${at}" cy="${y(median).toFixed(1)}" r="2.5" fill="${color}"/>`);
    }
  });
  const from = crossover(data, model, kind);
  if (from !== null) {
    const at = x(from).toFixed(1);
    body.push(`<path d="M${at} ${top + 14}V${base}" stroke="${COLORS[2]}" stroke-dasharray="4 3"/>`);
    const end = from > Math.sqrt(most) ? "end" : "start";
    body.push(
      label(Number(at) + (end === "end" ? -5 : 5), top + 26, `from batch ${digits(from)}`, `text-anchor="${end}"`),
    );
  }
  return body;
}
