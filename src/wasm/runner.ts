// Runs scripts: thread 0's walk beside the workers, what happens when they are late, and faults.
//
// Thread 0 comes back from wasm when it has waited a slice at a barrier ("stalled"). An awaited run then lets the event
// loop turn, so that the host may learn of a worker's death; where no event tells of it, and while nothing is awaited,
// time judges.
import { WasmgradError } from "../core/error.ts";
import type { Losses } from "../program/behind.ts";
import { faultMessage } from "../program/fault.ts";
import { FAULT_CLAIM, FAULT_INDEX, FAULT_ROW, FAULT_VALUE, SHARE_BEGAN } from "./control.ts";
import type { Exports } from "./load.ts";
import type { Memory } from "./memory.ts";
import { decode, type EncodedRow, nameOf, type Script } from "./script.ts";
import type { Threads } from "./threads.ts";

/** A barrier may last this long, or this many times thread 0's own share of the row. */
const PATIENCE_MS = 2000;
const PATIENCE_SHARES = 8;
/** A look counts at most so much, so that a machine that slept does not look like a worker that died. */
const LOOK_MS = 250;

/** A script that the threads walk. */
interface Run {
  readonly script: Script;
  readonly rows: Rows;
  readonly nth: number;
  /** Behind the last row of the part that is walked now. */
  end: number;
  /** Parts that are walked behind it, as [begin, end, ..]: between them lie rows that may not run. */
  left: readonly number[];
  /** The row before which thread 0 waits; 0 behind the last. */
  stalledAt: number;
  stalledSince: number;
  looked: number;
  /** Milliseconds that it has waited there. */
  waited: number;
  readonly after: (() => void)[];
}

/** What the host knows of a script's rows. */
export interface Rows {
  /** Op of row n. */
  op(n: number): string | undefined;
  /**
   * Row n failed (-1: none did, but something was lost before). For each row, whether it may run; what the others would have made is
   * lost.
   */
  behind(n: number, fault: WasmgradError | null, rows: readonly EncodedRow[]): boolean[];
}

/** The device's one broken state. */
interface DeviceState {
  /** Threads that walked the last script. */
  readonly counters: { threads: number };
  /** Throws in the broken state: a worker's death may have come in by an event. */
  check(): void;
  /** Enters it and throws. */
  fail(reason: string): never;
}

const NONE: readonly number[] = [];

export class Runner {
  /** What kernels reported and nobody has thrown yet. */
  #faults: WasmgradError[] = [];
  #run: Run | null = null;
  readonly #exports: Exports;
  readonly #memory: Memory;
  readonly #pool: Threads;
  readonly #names: readonly string[];
  readonly #lost: Losses;
  readonly #state: DeviceState;

  constructor(
    exports: Exports,
    memory: Memory,
    pool: Threads,
    names: readonly string[],
    lost: Losses,
    state: DeviceState,
  ) {
    this.#exports = exports;
    this.#memory = memory;
    this.#pool = pool;
    this.#names = names;
    this.#lost = lost;
    this.#state = state;
  }

  /** True while thread 0 is away from a barrier that others have not reached. */
  get stalled(): boolean {
    return this.#run !== null;
  }

  /** The script that was not finished, after a failure. */
  get script(): Script | null {
    return this.#run?.script ?? null;
  }

  /** Begins a script; it has run when this returns, unless it stalled. */
  begin(script: Script, rows: Rows, after?: () => void): void {
    const ready = script.parallel ? this.#pool.ready(script.pieces) : 1;
    const count = ready > 1 ? this.#pool.counts!.of(script.kind) : null;
    const nth = count === null ? ready : count.next(ready);
    const run: Run = {
      script,
      rows,
      nth,
      end: script.limit,
      left: NONE,
      stalledAt: -1,
      stalledSince: 0,
      looked: 0,
      waited: 0,
      after: after === undefined ? [] : [after],
    };
    this.#run = run;
    this.#state.counters.threads = nth;
    if (this.#lost.any) {
      run.left = this.#parts(script, 0, rows.behind(-1, null, decode(this.#memory, script.address, script.limit)));
      this.#proceed(run);
    } else if (count === null) this.#start(run, script.address);
    else {
      const began = performance.now();
      this.#start(run, script.address);
      if (this.#run !== run) count.took((performance.now() - began) / script.work);
    }
  }

  #start(run: Run, row: number): void {
    if (run.nth > 1) this.#exports.start(row, run.end, run.nth);
    this.#walk(run, row, false);
  }

  /** The next part of a script of which some rows may not run. */
  #proceed(run: Run): void {
    if (run.left.length === 0) {
      this.#run = null;
      for (const f of run.after) f();
      return;
    }
    const [begin, end, ...left] = run.left as [number, number, ...number[]];
    run.end = end;
    run.left = left;
    run.stalledAt = -1;
    this.#start(run, begin);
  }

  /** The parts of a script whose rows may run, from row n on. */
  #parts(script: Script, n: number, may: readonly boolean[]): number[] {
    const parts: number[] = [];
    let at = script.address;
    for (let i = 0; i < may.length; i++) {
      const next = at + this.#memory.u32[(at >> 2) + 1]!;
      if (i >= n && may[i]) {
        if (parts[parts.length - 1] === at) parts[parts.length - 1] = next;
        else parts.push(at, next);
      }
      at = next;
    }
    return parts;
  }

  /** Runs `f` when the stalled script has run, before any other. */
  whenDone(f: () => void): void {
    this.#run!.after.push(f);
  }

  /** Waits for a stalled script without blocking. */
  async drain(): Promise<void> {
    while (this.#run !== null) {
      const run = this.#run;
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (this.#run !== run) continue;
      this.#judge(run, !this.#pool.tellsOfDeath);
      this.#walk(run, run.stalledAt, true);
    }
  }

  finish(): void {
    while (this.#run !== null) {
      this.#judge(this.#run, true);
      this.#walk(this.#run, this.#run.stalledAt, true);
    }
  }

  /** Thread 0's walk, up to the end or to a barrier where the others are late. */
  #walk(run: Run, row: number, again: boolean): void {
    let stopped = 0;
    try {
      stopped = this.#exports.walk(row, run.end, 0, run.nth, again ? 1 : 0) >>> 0;
    } catch (error) {
      this.#state.fail(`thread 0 trapped: ${(error as Error).message}`);
    }
    if (stopped === run.end) this.#completed(run);
    else {
      const now = performance.now();
      if (run.stalledAt !== stopped) {
        run.stalledAt = stopped;
        run.stalledSince = now;
        run.waited = 0;
      } else run.waited += Math.min(now - run.looked, LOOK_MS);
      run.looked = now;
    }
  }

  #completed(run: Run): void {
    const words = this.#memory.u32;
    const args = words[FAULT_ROW >> 2]!;
    if (args !== 0) {
      const rows = decode(this.#memory, run.script.address, run.script.limit);
      const n = rows.findIndex((r) => r.args === args);
      const fault = this.#describe(rows[n]!, run.rows.op(n));
      for (const word of [FAULT_INDEX, FAULT_VALUE, FAULT_ROW, FAULT_CLAIM]) words[word >> 2] = 0;
      this.#faults.push(fault);
      run.left = this.#parts(run.script, n + 1, run.rows.behind(n, fault, rows));
    }
    this.#proceed(run);
  }

  get reported(): number {
    return this.#faults.length;
  }

  /** Throws the first of what was reported since the last wait, and says how many more there were. */
  throwFault(): void {
    const [first, ...more] = this.#faults;
    if (first === undefined) return;
    this.#faults = [];
    this.#lost.stale.clear();
    throw more.length === 0 ? first : new WasmgradError(`${first.message} (and ${more.length} more since)`);
  }

  #describe(row: EncodedRow, op: string | undefined): WasmgradError {
    const { u32, i32 } = this.#memory;
    const name = nameOf(row, this.#names);
    const text = faultMessage(name, op ?? name, row.extents, u32[FAULT_INDEX >> 2]!, i32[FAULT_VALUE >> 2]!);
    return new WasmgradError(text);
  }

  /** Fails when the others will not come: one trapped, or is later than patience allows. */
  #judge(run: Run, byTime: boolean): void {
    this.#state.check();
    const trapped = this.#exports.trapped();
    if (trapped !== 0) this.#state.fail(`worker ${trapped - 1} trapped`);
    if (!byTime) return;
    const began = new Float64Array(this.#memory.memory.buffer, SHARE_BEGAN, 1)[0]!;
    const { waited } = run;
    if (waited > Math.max(PATIENCE_MS, PATIENCE_SHARES * (run.stalledSince - began))) {
      this.#state.fail(
        `a worker did not come to the barrier within ${(waited / 1000).toFixed(1)} s: it has died or hangs`,
      );
    }
  }
}
