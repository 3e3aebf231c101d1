// A recorded program on the wasm device: its rows encoded once, inputs and outputs patched in at each run.
import type { Buffer, Program, Row, Storage } from "../core/device.ts";
import { readable } from "../core/fault.ts";
import { meetings } from "../program/barriers.ts";
import { CHAIN } from "../program/passes/chain.ts";
import { canBePieces, chains, PAYS } from "../program/passes/chains.ts";
import { straight } from "../program/passes/results.ts";
import { turnWeights } from "../program/passes/turned.ts";
import { plan } from "../program/plan.ts";
import { COPY } from "../row/movers.ts";
import type { WasmDevice } from "./device.ts";
import { Recorded } from "./launched.ts";
import type { WasmStorage } from "./memory.ts";
import { isParallel, Script } from "./script.ts";

/** A word of the script that holds the address of an input or output. */
interface Patch {
  readonly word: number;
  readonly slot: number;
  readonly offset: number;
}

/** A weight that the program keeps a turned copy of, and its version then. */
interface Turned {
  readonly weight: WasmStorage;
  readonly copy: WasmStorage;
  version: number;
}

export class WasmProgram implements Program {
  readonly rows: readonly Row[];
  readonly script = new Script(true);
  /** Encoded rows: what was recorded, then a copy for each output. */
  readonly encoded: readonly Row[];
  readonly #device: WasmDevice;
  readonly #inputs: Patch[] = [];
  readonly #outputs: Patch[] = [];
  /** Lasting storages that the rows write. */
  readonly #written: WasmStorage[];
  /** Lasting storages that threads rely on not to be an input: those written, or all where an input is written. */
  readonly #apart: ReadonlySet<WasmStorage>;
  readonly #code: WasmStorage;
  #arena: WasmStorage | null = null;
  readonly #turned: Turned[];
  readonly #known: Recorded;
  /** Rows that turn the weights. */
  readonly #turningRows: Recorded;
  readonly #turning = new Script(true);
  /** Waits for what makes pieces. */
  readonly #waits: boolean;
  /** The same rows anew, and what came of it when pieces were there, or a worker that takes none. */
  readonly #again: () => WasmProgram;
  #next: WasmProgram | null = null;

  constructor(
    device: WasmDevice,
    rows: readonly Row[],
    inputs: readonly Buffer[],
    outputs: readonly { buffer: Buffer; count: number }[],
  ) {
    this.#device = device;
    this.#again = () => new WasmProgram(device, rows, inputs, outputs);
    this.rows = rows;
    const slots = new Map(inputs.map((b, i) => [b.storage as WasmStorage, i]));
    const results = outputs.map(({ buffer }) => device.placeholder(buffer.storage));
    const resultSlots = new Map(results.map((s, i) => [s, i]));
    const takes = outputs.map(({ buffer, count }, i): Row => {
      const buffers = [{ storage: results[i]!, offset: 0 }, buffer];
      return { kernel: COPY[buffer.storage.width]!, buffers, outputs: 1, extents: [count], scalars: [], op: "capture" };
    });
    const real = (s: WasmStorage): WasmStorage => s.alias ?? s;
    const temporary = (b: Storage): boolean => {
      const s = b as WasmStorage;
      return real(s).virtual && !slots.has(s) && !resultSlots.has(s);
    };
    const improved = straight(device.improve([...rows, ...takes], temporary), takes, temporary).flatMap(
      (r) => device.chosen(r, (bytes) => device.placeholder({ bytes, width: 4 })) ?? [r],
    );
    const { rows: turned, copies } = turnWeights(improved, device.deterministic, (bytes) =>
      device.alloc(bytes, "turned weights"),
    );
    const { threads } = device.info;
    const { made } = device.pieces;
    const pieces = made?.refused ? null : made;
    const encoded = chains(turned, {
      isTemporary: temporary,
      isInput: (s) => slots.has(s as WasmStorage),
      index: (kernel) => device.kernel(kernel).index,
      least: threads === 1 ? PAYS.alone : PAYS.shared,
      pieces,
    });
    this.encoded = encoded;
    this.#waits = made === null && canBePieces(turned);
    if (this.#waits) void device.pieces.load();
    this.#known = new Recorded(encoded, device.losses, turned);
    this.#turningRows = new Recorded(copies, device.losses);
    this.#turned = copies.map(({ buffers: [copy, weight] }) => ({
      weight: weight!.storage as WasmStorage,
      copy: copy!.storage as WasmStorage,
      version: -1,
    }));
    // All inputs may be the same tensor; for one that is a tensor of the program see `run`.
    const bytesOf = (row: Row, j: number): unknown => {
      const storage = row.buffers[j]!.storage as WasmStorage;
      return slots.has(storage) ? slots : real(storage);
    };
    const parallel = (r: Row): boolean => isParallel(device.kernel(r.kernel), r.extents, threads);
    const meets = threads === 1 ? null : meetings(encoded, parallel, bytesOf);
    const { offsets, bytes } = plan(encoded, temporary, meets);
    if (bytes > 0) this.#arena = device.arenas.take(bytes);
    const address = (b: Buffer): number => {
      const storage = real(b.storage as WasmStorage);
      const base =
        storage.block?.address ?? (offsets.has(storage) ? this.#arena!.block!.address + offsets.get(storage)! : 0);
      return base + b.offset * storage.width;
    };

    let words = 0;
    for (const r of [...encoded, ...copies]) {
      words += Script.words(r.buffers.length, r.extents.length, r.scalars.length);
    }
    this.#code = device.allocForHost(words * 4, "captured program");
    this.#code.holders = 1;
    const { memoryOf } = device;
    /** Gives the word of the row's first buffer. */
    const append = (script: Script, r: Row, meet: boolean): number => {
      const { first } = script;
      r.buffers.forEach((b, i) => {
        memoryOf.i32[first + i] = address(b);
      });
      const { buffers, outputs, extents, scalars } = r;
      script.append(memoryOf, device.kernel(r.kernel), buffers.length, outputs, extents, scalars, threads, meet);
      return first;
    };
    this.script.place(this.#code.block!.address, words * 4);
    this.script.pieces = pieces !== null && encoded.some(({ kernel }) => kernel === CHAIN);
    const written = new Set<WasmStorage>();
    const lasting = new Set<WasmStorage>();
    let writesInput = false;
    for (const [i, r] of encoded.entries()) {
      const first = append(this.script, r, meets?.[i] ?? false);
      r.buffers.forEach((b, i) => {
        const storage = b.storage as WasmStorage;
        const [input, output] = [slots.get(storage), resultSlots.get(storage)];
        if (input !== undefined) this.#inputs.push({ word: first + i, slot: input, offset: b.offset * storage.width });
        if (output !== undefined)
          this.#outputs.push({ word: first + i, slot: output, offset: b.offset * storage.width });
        if (i < r.outputs && input !== undefined) writesInput = true;
        if (real(storage).virtual) return;
        lasting.add(real(storage));
        if (i < r.outputs) written.add(real(storage));
      });
    }
    this.#written = [...written];
    this.#apart = threads === 1 ? new Set() : writesInput ? lasting : written;
    this.#turning.place(this.script.limit, words * 4);
    for (const r of copies) append(this.#turning, r, false);
  }

  run(inputs: readonly Buffer[], outputs: readonly Buffer[]): void {
    if (this.#next === null && this.#isOutdated()) {
      this.dispose();
      this.#next = this.#again();
    }
    if (this.#next !== null) {
      this.#next.run(inputs, outputs);
      return;
    }
    const { losses } = this.#device;
    this.#device.settle();
    if (losses.any) {
      // A fault that nobody was told of yet is told now, once.
      if (inputs.some(({ storage }) => losses.has(storage.serial))) this.#device.throwFault();
      for (const { storage } of inputs) readable(storage);
      this.#known.begin();
    }
    this.#patch(this.#inputs, inputs);
    this.#patch(this.#outputs, outputs);
    for (const s of this.#written) s.version++;
    const earlier = this.#device.reported;
    if (this.#turns()) this.#device.execute(this.#turning, this.#turningRows);
    const { parallel } = this.script;
    if (this.#apart.size > 0 && this.#overlaps(inputs)) this.script.parallel = false; // row by row, on thread 0
    try {
      this.#device.execute(this.script, this.#known);
    } finally {
      this.script.parallel = parallel;
    }
    // What was launched before the call and failed is for the next who waits for that.
    if (this.#device.reported > earlier) this.#device.throwFault();
  }

  #isOutdated(): boolean {
    const { made } = this.#device.pieces;
    if (made === null) return false;
    return this.script.pieces ? made.refused : this.#waits && !made.refused;
  }

  /** True when an input is a tensor that the program itself writes: its rows share barriers as if it were not. */
  #overlaps(inputs: readonly Buffer[]): boolean {
    for (let i = 0; i < inputs.length; i++) if (this.#apart.has(inputs[i]!.storage as WasmStorage)) return true;
    return false;
  }

  /** True when a weight has changed since its copy was made. */
  #turns(): boolean {
    let changed = false;
    for (const t of this.#turned) {
      if (t.version !== t.weight.version) changed = true;
      t.version = t.weight.version;
    }
    return changed;
  }

  #patch(patches: readonly Patch[], buffers: readonly Buffer[]): void {
    const words = this.#device.memoryOf.i32;
    for (let i = 0; i < patches.length; i++) {
      const { word, slot, offset } = patches[i]!;
      const b = buffers[slot]!;
      words[word] = (b.storage as WasmStorage).block!.address + b.offset * b.storage.width + offset;
    }
  }

  dispose(): void {
    this.#next?.dispose();
    this.#device.free(this.#code);
    for (const { copy } of this.#turned) this.#device.free(copy);
    if (this.#arena !== null) this.#device.arenas.release(this.#arena);
    this.#arena = null;
  }
}
