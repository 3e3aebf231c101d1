// What a run shows: a progress bar in a terminal and plain lines elsewhere, a loss curve, a confusion table.
import asciichart from "asciichart";
import progress from "cli-progress";

/** Seconds between lines of progress where there is no terminal. */
const LINE_SECONDS = 10;
const CURVE = { width: 64, height: 10 };

const count = (n: number): string => Math.round(n).toLocaleString("en-US");

export class Display {
  private readonly terminal = process.stderr.isTTY === true;
  private readonly colours = process.stdout.isTTY === true && !process.env.NO_COLOR;
  private bar: progress.SingleBar | null = null;
  private file = "";
  private lastLine = 0;

  /** Lines on standard output. */
  line(...lines: string[]): void {
    for (const text of lines) process.stdout.write(`${text}\n`);
  }

  /** Lines on standard error. */
  note(...lines: string[]): void {
    for (const text of lines) process.stderr.write(`${text}\n`);
  }

  /** Takes away the bar, if there is one. */
  done(): void {
    this.bar?.stop();
    this.bar = null;
    this.file = "";
  }

  private start(format: string, total: number, values: object): void {
    this.done();
    const look = { hideCursor: true, clearOnComplete: true, barsize: 24, format, stream: process.stderr };
    this.bar = new progress.SingleBar(look, progress.Presets.shades_classic);
    this.bar.start(total, 0, values);
  }

  /** A part of a download has come. */
  readonly download = ({ file, received, total }: { file: string; received: number; total: number | null }): void => {
    const kib = (bytes: number): number => Math.round(bytes / 1024);
    if (file !== this.file) {
      if (this.terminal) this.start(`${file} {bar} {value} of {total} KiB`, kib(total ?? 0), {});
      else this.note(`fetching ${file}${total === null ? "" : `, ${kib(total)} KiB`}`);
      this.file = file;
    }
    this.bar?.setTotal(kib(total ?? received));
    this.bar?.update(kib(received));
  };

  /** Training is at image `seen` of `total`, `seconds` into the epoch. */
  training(name: string, seen: number, total: number, seconds: number, loss: number): void {
    const values = { speed: count(seen / Math.max(seconds, 1e-3)), loss: Number.isNaN(loss) ? "-" : loss.toFixed(4) };
    if (this.terminal) {
      const format = `${name} {bar} {value} of {total} images  {speed} images/s  loss {loss}`;
      if (this.bar === null) this.start(format, total, values);
      this.bar!.update(seen, values);
    } else if (seen === 0) {
      this.lastLine = performance.now();
    } else if (performance.now() - this.lastLine > LINE_SECONDS * 1000) {
      this.lastLine = performance.now();
      this.note(`${name}  ${count(seen)} of ${count(total)} images  ${values.speed} images/s  loss ${values.loss}`);
    }
  }

  /** Losses of all batches as a curve on a logarithmic axis; each point is the mean of its share of them. */
  curve(losses: readonly number[]): void {
    const points = Math.min(CURVE.width, losses.length);
    const logs = Array.from({ length: points }, (_, i) => {
      const share = losses.slice((i * losses.length) / points, ((i + 1) * losses.length) / points);
      return Math.log10(share.reduce((sum, x) => sum + x, 0) / share.length);
    });
    if (points < 2 || !logs.every(Number.isFinite)) return;
    const format = (x: number): string => (10 ** x).toFixed(4).padStart(9);
    const plot = asciichart.plot(logs, { height: CURVE.height, format });
    this.line("", `loss (log scale), batches 1 to ${count(losses.length)}`, plot.replace(/ +$/gm, ""));
  }

  /** Rows are the true digits, columns what the model said; off the diagonal are the misses. */
  confusion(table: readonly (readonly number[])[]): void {
    const cell = (value: string, width = 6): string => value.padStart(width);
    this.line("", "test images: true digit (rows), predicted digit (columns)");
    this.line(`   ${table.map((_, i) => cell(String(i))).join("")}${cell("missed", 9)}`);
    table.forEach((row, i) => {
      const cells = row.map((n, j) => {
        const value = cell(n === 0 ? "·" : String(n));
        return i === j ? this.paint(value, 32) : this.paint(value, n === 0 ? 90 : 33);
      });
      const missed = row.reduce((sum, n, j) => (i === j ? sum : sum + n), 0);
      this.line(`${cell(String(i), 3)}${cells.join("")}${cell(String(missed), 9)}`);
    });
    this.line("");
  }

  private paint(value: string, colour: number): string {
    return this.colours ? `\x1b[${colour}m${value}\x1b[0m` : value;
  }
}
