// How many threads walk a script: as many as are fastest, by trials of their own; the clock is handed over here.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ThreadCount, ThreadCounts } from "../src/wasm/count.ts";

/** Runs so often: each takes what `cost` says for its number of threads. Returns these numbers. */
function runs(
  count: ThreadCount,
  times: number,
  ready: number,
  cost: (threads: number, run: number) => number,
): number[] {
  return Array.from({ length: times }, (_, run) => {
    const threads = count.next(ready);
    count.took(cost(threads, run));
    return threads;
  });
}
/** Longer than any trial here. */
const TRIAL = 100;
const last = (list: readonly number[]): number => list.at(-1)!;

test("the fastest number is chosen, fewer where more gain nothing", () => {
  const chosen = (ready: number, cost: (threads: number) => number): number =>
    last(runs(new ThreadCount(), TRIAL, ready, cost));
  assert.is(
    chosen(2, (n) => 1 / n),
    2,
  );
  assert.is(
    chosen(2, () => 1),
    1,
  );
  assert.is(
    chosen(2, (n) => n),
    1,
  );
  assert.is(
    chosen(2, (n) => (n === 1 ? 1 : 0.99)),
    1,
  );
  assert.is(
    chosen(16, (n) => Math.abs(n - 4) + 1),
    4,
  );
  assert.is(
    chosen(6, (n) => 1 / n),
    6,
  );
});

test("all are tried first, and each in turns; what wakes threads does not count", () => {
  const seen = runs(new ThreadCount(), 24, 2, () => 1);
  assert.is(seen[0], 2);
  assert.is(seen.filter((n) => n === 1).length, 12);
  const waking = new ThreadCount();
  let before = 0;
  const cost = (threads: number): number => {
    const woken = threads === 2 && before !== 2;
    before = threads;
    return woken ? 100 : 1 / threads;
  };
  assert.is(last(runs(waking, TRIAL, 2, cost)), 2);
});

test("one slow run among others does not count", () => {
  assert.is(last(runs(new ThreadCount(), TRIAL, 2, (n, run) => (run % 9 === 4 ? 50 : 1 / n))), 2);
});

test("where runs become slower it looks again, and now and then", () => {
  const count = new ThreadCount();
  assert.is(last(runs(count, TRIAL, 2, (n) => 1 / n)), 2);
  // Another process has a core now: one thread is faster.
  assert.is(last(runs(count, 1000, 2, (n) => n)), 1);
  // It is gone; nothing became slower.
  assert.is(last(runs(count, 5000, 2, (n) => 1 / n)), 2);
});

test("workers that come later are taken into account", () => {
  const count = new ThreadCount();
  assert.is(last(runs(count, TRIAL, 2, (n) => 1 / n)), 2);
  assert.is(last(runs(count, TRIAL, 4, (n) => 1 / n)), 4);
});

test("each kind of script is learnt of by itself; of too many nothing is kept", () => {
  const counts = new ThreadCounts();
  const [a, b] = [counts.of(1)!, counts.of(2)!];
  assert.is.not(a, b);
  assert.is(counts.of(1), a);
  for (let kind = 3; kind < 1000; kind++) counts.of(kind);
  assert.is.not(counts.of(1), a);
  counts.learns = false;
  assert.is(counts.of(1), null);
});

test.run();
