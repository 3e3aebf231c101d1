// How many threads walk a script: as many as walk it fastest. Waking the others and waiting for them may cost more than they save, where
// there is little to do or where another process has a core; that is measured, in the first runs and now and then. The bits are the same.

/** A trial: each number of threads so often in turns, with so many runs one after another, of which the first, which wakes, does not count. */
const ROUNDS = 3;
const RUNS = 4;
/** More threads must save so much. */
const WORTH = 0.98;
/** Runs behind a trial until the next, or, where runs have come to take so many times as long, until that is looked into. */
const AGAIN = 2000;
const SOON = 200;
const SLOWER = 1.3;
/** Runs whose mean is compared with what the trial gave. */
const RECENT = 16;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

export class ThreadCount {
  /** Threads that may walk. */
  #ready = 0;
  #candidates: readonly number[] = [];
  #times: readonly number[][] = [];
  /** Runs since the trial began. */
  #runs = 0;
  #chosen = 0;
  /** Milliseconds for a unit of work: in the trial, and of late. */
  #usual = 0;
  #recent = 0;

  /** Threads for the next run, of so many that are ready. */
  next(ready: number): number {
    if (ready !== this.#ready) this.#begin(ready);
    return this.#chosen > 0 ? this.#chosen : this.#candidates[this.#turn]!;
  }

  /** What the last trial chose; 0 before. */
  get chosen(): number {
    return this.#chosen;
  }

  /** The last run took so long for each unit of its work. */
  took(ms: number): void {
    const runs = this.#runs++;
    if (this.#chosen > 0) {
      this.#recent += (ms - this.#recent) / RECENT;
      if (runs >= AGAIN || (runs >= SOON && this.#recent > SLOWER * this.#usual)) this.#begin(this.#ready);
      return;
    }
    if (runs % RUNS > 0) this.#times[Math.floor(runs / RUNS) % this.#candidates.length]!.push(ms);
    if (this.#runs === ROUNDS * RUNS * this.#candidates.length) this.#decide();
  }

  get #turn(): number {
    return Math.floor(this.#runs / RUNS) % this.#candidates.length;
  }

  /** All, and 1, 2, 4, .. below; all at first: of what runs once nothing is learnt. */
  #begin(ready: number): void {
    const candidates: number[] = [];
    for (let n = 1; n < ready; n *= 2) candidates.unshift(n);
    this.#candidates = [ready, ...candidates];
    this.#times = this.#candidates.map(() => []);
    this.#ready = ready;
    this.#runs = this.#chosen = 0;
  }

  #decide(): void {
    const medians = this.#times.map(median);
    let best = medians.length - 1;
    for (let i = best - 1; i >= 0; i--) if (medians[i]! < WORTH * medians[best]!) best = i;
    this.#chosen = this.#candidates[best]!;
    this.#usual = this.#recent = medians[best]!;
    this.#runs = 0;
  }
}

/** Programs of which more than this are replayed in turns learn nothing. */
const MOST = 256;

/** What was learnt of scripts of each kind: captured programs run again, and launched rows come again in a loop. */
export class ThreadCounts {
  /** False: all threads walk each, as tests ask. */
  learns = true;
  readonly #known = new Map<number, ThreadCount>();

  of(kind: number): ThreadCount | null {
    if (!this.learns) return null;
    let count = this.#known.get(kind);
    if (count === undefined) {
      if (this.#known.size >= MOST) this.#known.clear();
      count = new ThreadCount();
      this.#known.set(kind, count);
    }
    return count;
  }
}
