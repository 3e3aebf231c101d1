// Runs scripts: thread 0's walk beside the workers, what happens when they are late, and faults.
//
// Thread 0 comes back from wasm when it has waited a slice at a barrier ("stalled"). An awaited run then lets the event
// loop turn, so that the host may learn of a worker's death; where no event tells of it, and while nothing is awaited,
// time judges.
import { WasmgradError } from "../core/error.ts";
import { faultMessage } from "../program/fault.ts";
import { walking } from "../row/nest.ts";
import { FAULT_CLAIM, FAULT_INDEX, FAULT_ROW, FAULT_VALUE, SHARE_BEGAN } from "./control.ts";
import { type Exports, FIRST_KERNEL } from "./load.ts";
import type { Memory } from "./memory.ts";
import type { Pool } from "./pool.ts";
import { decode, type Script } from "./script.ts";

/** A barrier may last this long, or this many times thread 0's own share of the row. */
const PATIENCE_MS = 2000;
const PATIENCE_SHARES = 8;
/** A look counts at most so much, so that a machine that slept does not look like a worker that died. */
const LOOK_MS = 250;

/** A script that the threads walk. */
interface Run {
  readonly script: Script;
  /** Op of row n, for messages. */
  readonly op: (n: number) => string | undefined;
  readonly nth: number;
  /** The row before which thread 0 waits; 0 behind the last. */
  stalledAt: number;
  stalledSince: number;
  looked: number;
  /** Milliseconds that it has waited there. */
  waited: number;
  readonly after: (() => void)[];
}

/** The device's one broken state. */
interface DeviceState {
  /** Throws in the broken state: a worker's death may have come in by an event. */
  check(): void;
  /** Enters it and throws. */
  fail(reason: string): never;
}

export class Runner {
  /** What a kernel reported and nobody has thrown yet. */
  fault: WasmgradError | null = null;
  private run: Run | null = null;
  private readonly exports: Exports;
  private readonly memory: Memory;
  private readonly pool: Pool;
  private readonly names: readonly string[];
  private readonly state: DeviceState;

  constructor(exports: Exports, memory: Memory, pool: Pool, names: readonly string[], state: DeviceState) {
    this.exports = exports;
    this.memory = memory;
    this.pool = pool;
    this.names = names;
    this.state = state;
  }

  /** True while thread 0 is away from a barrier that others have not reached. */
  get stalled(): boolean {
    return this.run !== null;
  }

  /** The script that was not finished, after a failure. */
  get script(): Script | null {
    return this.run?.script ?? null;
  }

  /** Begins a script; it has run when this returns, unless it stalled. */
  begin(script: Script, op: (n: number) => string | undefined, after?: () => void): void {
    const nth = script.parallel ? this.pool.ready() : 1;
    const run: Run = {
      script,
      op,
      nth,
      stalledAt: -1,
      stalledSince: 0,
      looked: 0,
      waited: 0,
      after: after === undefined ? [] : [after],
    };
    this.run = run;
    if (nth > 1) this.exports.start(script.address, script.limit, nth);
    this.walk(run, script.address, false);
  }

  /** Runs `f` when the stalled script has run, before any other. */
  whenDone(f: () => void): void {
    this.run!.after.push(f);
  }

  /** Waits for a stalled script without blocking. */
  async drain(): Promise<void> {
    while (this.run !== null) {
      const run = this.run;
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (this.run !== run) continue;
      this.judge(run, !this.pool.tellsOfDeath);
      this.walk(run, run.stalledAt, true);
    }
  }

  finish(): void {
    while (this.run !== null) {
      this.judge(this.run, true);
      this.walk(this.run, this.run.stalledAt, true);
    }
  }

  /** Thread 0's walk, up to the end or to a barrier where the others are late. */
  private walk(run: Run, row: number, again: boolean): void {
    let stopped = 0;
    try {
      stopped = this.exports.walk(row, run.script.limit, 0, run.nth, again ? 1 : 0) >>> 0;
    } catch (error) {
      this.state.fail(`thread 0 trapped: ${(error as Error).message}`);
    }
    if (stopped === run.script.limit) this.completed(run);
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

  private completed(run: Run): void {
    this.run = null;
    const words = this.memory.u32;
    const row = words[FAULT_ROW >> 2]!;
    if (row !== 0) {
      this.fault = this.describe(run, row);
      for (const word of [FAULT_INDEX, FAULT_VALUE, FAULT_ROW, FAULT_CLAIM]) words[word >> 2] = 0;
    }
    for (const f of run.after) f();
  }

  private describe(run: Run, args: number): WasmgradError {
    const { u32, i32 } = this.memory;
    const rows = decode(this.memory, run.script.address, run.script.limit);
    const n = rows.findIndex((r) => r.args === args);
    const { kernel, walks, extents } = rows[n]!;
    const dense = this.names[kernel - FIRST_KERNEL]!;
    const name = walks ? walking(dense) : dense;
    const text = faultMessage(name, run.op(n) ?? name, extents, u32[FAULT_INDEX >> 2]!, i32[FAULT_VALUE >> 2]!);
    return new WasmgradError(text);
  }

  /** Fails when the others will not come: one trapped, or is later than patience allows. */
  private judge(run: Run, byTime: boolean): void {
    this.state.check();
    const trapped = this.exports.trapped();
    if (trapped !== 0) this.state.fail(`worker ${trapped - 1} trapped`);
    if (!byTime) return;
    const began = new Float64Array(this.memory.memory.buffer, SHARE_BEGAN, 1)[0]!;
    const { waited } = run;
    if (waited > Math.max(PATIENCE_MS, PATIENCE_SHARES * (run.stalledSince - began))) {
      this.state.fail(
        `a worker did not come to the barrier within ${(waited / 1000).toFixed(1)} s: it has died or hangs`,
      );
    }
  }
}
