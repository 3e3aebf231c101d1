// Parts of the bench: what loses most comes first, results are held to PyTorch's, and what two threads gain and wait.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type GainsData, gainsGrid, stillness } from "../bench/gains.ts";
import { alike, lost, type SweepRow, sweepEntries, sweepGrid, sweepText } from "../bench/sweep.ts";
import { waitsGrid, waitsOf } from "../bench/waits.ts";

const span = (t: number) => ({ median: t, min: 0.9 * t, max: 1.1 * t });

const row = (name: string, ms: number, torch: number | null, share = 0.5): SweepRow => ({
  ...{ name, flops: 2e6, bytes: 2 ** 20, ms: span(ms), torch: torch === null ? null : span(torch) },
  ...{ speed: torch === null ? null : span(torch / ms), share: span(share), bound: "bytes" },
});

test("what loses most against PyTorch comes first", () => {
  const rows = [row("slow", 4, 1), row("fast", 1, 4), row("slower", 20, 15)];
  const [head, lines] = sweepGrid({ rows, torch: "2.9", skipped: [] });
  assert.equal(
    lines.map((line) => [line[0], line[head.indexOf("lost in a call")]]),
    [
      ["slower", "5.00 ms"],
      ["slow", "3.00 ms"],
      ["fast", ""],
    ],
  );
  assert.is(lines[0]![head.indexOf("best round")], "0.750");
  const text = sweepText({ rows, torch: "2.9", skipped: ["odd: why"] });
  assert.match(text, /2 of 3 are slower than there/);
  // (1/4 * 4 * 3/4)^(1/3)
  assert.match(text, /is 0\.909\./);
  assert.match(text, /odd: why/);
});

test("without PyTorch it is the floor that counts", () => {
  const rows = [row("near", 10, null, 0.9), row("far", 4, null, 0.25)];
  assert.is(lost(rows[1]!), 3);
  const [, lines] = sweepGrid({ rows, torch: null, skipped: [] });
  assert.equal(
    lines.map((line) => line[0]),
    ["far", "near"],
  );
  assert.match(sweepText({ rows, torch: null, skipped: [] }), /Without PyTorch/);
});

test("results that differ are not alike", () => {
  const ours = [{ mean: 2, some: [1, -3], tolerance: 1e-3 }];
  assert.ok(alike(ours, [{ mean: 2.001, some: [1.001, -3.004] }]));
  assert.not(alike(ours, [{ mean: 2.1, some: [1, -3] }]));
  assert.not(alike(ours, [{ mean: 2, some: [-3, 1] }]), "another order of dims");
  assert.not(alike(ours, [{ mean: Number.NaN, some: [1, -3] }]));
  assert.not(alike(ours, []));
});

test("names of the sweep choose, and each is there once", () => {
  const all = sweepEntries(() => true).map((e) => e.name);
  assert.is(new Set(all).size, all.length);
  assert.ok(all.length > 80);
  assert.equal(
    sweepEntries((name) => /^exp/.test(name)).map((e) => e.name),
    ["exp 1M", "exp 1M, backward"],
  );
});

test("gains: all rounds, quiet ones, and the same with a busy core", () => {
  const of = (loops: number[], scale: number[]) => [
    { name: "CNN", threads: 2, one: scale.map(() => 3), reads: loops, loops, scale },
  ];
  const data: GainsData = { quiet: of([1.95, 1.2, 1.99], [1.8, 1.1, 1.9]), busy: of([1, 1, 1], [0.8, 0.9, 1]) };
  const [head, [line]] = gainsGrid(data);
  assert.is(line![head.indexOf("one thread")], "3.00 ms");
  assert.is(line![head.indexOf("one thread over two")], "1.80 [1.10-1.90]");
  assert.is(line![head.indexOf("quiet rounds alone")], "1.85 [1.80-1.90]");
  assert.is(line![head.indexOf("of rounds")], "2 of 3");
  assert.is(line![head.lastIndexOf("one thread over two")], "0.900 [0.800-1.00]");
  assert.match(stillness(data), /^The machine was quiet: .* in 67 % of the rounds/);
  assert.match(stillness({ ...data, quiet: data.busy }), /was not quiet/);
});

test("waits: what a thread runs and waits adds up to the walk", () => {
  // Row 1 on both threads, row 2 on thread 0 alone, row 3 on both; 99 is no row of the program.
  const ran = [
    [
      { args: 1, begin: 0, end: 2 },
      { args: 2, begin: 3, end: 4 },
      { args: 3, begin: 4, end: 8 },
    ],
    [
      { args: 99, begin: -5, end: -4 },
      { args: 1, begin: 1, end: 2.5 },
      { args: 3, begin: 4.5, end: 6 },
    ],
  ];
  const walk = waitsOf([1, 2, 3], ran);
  assert.equal(walk, {
    rows: [
      [
        { run: 2, wait: 0 },
        { run: 1.5, wait: 1 },
      ],
      [{ run: 1, wait: 1 }, null],
      [
        { run: 4, wait: 0 },
        { run: 1.5, wait: 2 },
      ],
    ],
    last: [0, 2],
    whole: 8,
  });
  const [, rows] = waitsGrid(
    ["a", "b", "c"].map((name) => [name, "8"]),
    [walk, walk],
  );
  assert.equal(rows[1], ["b", "8", "1000", "1000", "", ""]);
  assert.equal(rows[4], ["sums", "", "7000", "1000", "3000", "5000"]);
});

test.run();
