// The reference: a device that runs each launch at once as a naive f64 loop, written from the definition of the kernel
// (reference/*.ts). What every other device is checked against. Faults are thrown at the launch.
import type {
  Buffer,
  Device,
  DeviceInfo,
  MemoryUse,
  Program,
  Recorder,
  Row,
  Storage,
  TypedData,
} from "../src/core/device.ts";
import { type DType, WasmgradError } from "../src/index.ts";
import type { Choice } from "../src/program/choices.ts";
import { dense } from "./reference/dense.ts";
import { elementwise, walked } from "./reference/elementwise.ts";
import { norm } from "./reference/norm.ts";
import { optim } from "./reference/optim.ts";
import { random } from "./reference/random.ts";
import { reduce } from "./reference/reduce.ts";
import { type Kernels, ReferenceStorage, View } from "./reference/view.ts";

export { ReferenceStorage } from "./reference/view.ts";

export const kernels: Kernels = { ...elementwise, ...reduce, ...dense, ...norm, ...random, ...optim };

/** A row over views is named after its dense kernel. */
const denseOf = (name: string): string => name.replace(/^walk:/, "");

function run({ kernel: name, buffers, outputs, extents, scalars, op }: Row): void {
  const kernel = kernels[name] ?? (denseOf(name) in kernels ? walked(kernels[denseOf(name)]) : undefined);
  if (!kernel) throw new WasmgradError(`${op}: the reference has no kernel ${name}`);
  const views = buffers.map((b, i) => new View(b, i >= outputs));
  kernel(views.slice(0, outputs), views.slice(outputs), extents, scalars, op);
}

// Tensors are buffers, and may be released later: a row keeps only where they lie.
const plain = ({ storage, offset }: Buffer): Buffer => ({ storage, offset });

export class ReferenceDevice implements Device {
  readonly type = "reference";
  readonly info: DeviceInfo = { device: "reference", build: "f64", threads: 1, why: "naive loops, to compare with" };
  readonly canBlock = true;
  readonly float16: boolean;
  readonly debug = false;
  failed: string | null = null;
  /** Other algorithms that the device to compare with chooses: their errors have other bounds. */
  choices: Readonly<Record<string, Choice>> = {};
  liveBytes = 0;
  readonly losses: Device["losses"] = new Map();
  under = 0;
  readonly untold = false;
  readonly reservedBytes = 2 ** 32;
  /** When the event loop has last turned, as finalizers need it to. */
  #turned = 0;
  readonly #live = new Set<Storage>();
  #recording: Row[] | null = null;
  #suspended = false;

  /** Rows being recorded, or null where launches run at once. */
  get #rows(): Row[] | null {
    return this.#suspended ? null : this.#recording;
  }

  constructor(float16 = false) {
    this.float16 = float16;
  }

  alloc(bytes: number, label: string, width = 4): Storage {
    const storage = new ReferenceStorage(this, bytes, label, this.#rows !== null, width);
    if (!storage.virtual) {
      this.#live.add(storage);
      this.liveBytes += bytes;
    }
    return storage;
  }

  free(storage: Storage): void {
    if (this.#live.delete(storage)) this.liveBytes -= storage.bytes;
  }

  launch(
    kernel: string,
    buffers: readonly Buffer[],
    outputs: number,
    extents: readonly number[],
    scalars: readonly number[],
    op: string,
  ): void {
    for (const { storage } of buffers) {
      if (storage.device !== this) throw new WasmgradError(`${op}: a buffer of another device`);
      if (!storage.virtual && !this.#live.has(storage)) throw new WasmgradError(`${op}: ${kernel} names a freed block`);
    }
    const row = { kernel, buffers: buffers.map(plain), outputs, extents: [...extents], scalars: [...scalars], op };
    if (this.#rows) this.#rows.push(row);
    else for (const r of this.#chosen(row)) run(r);
  }

  #chosen(row: Row): readonly Row[] {
    const between = (bytes: number): Storage => new ReferenceStorage(this, bytes, row.op, false);
    return this.choices[row.kernel]?.(row, between) ?? [row];
  }

  write({ storage, offset }: Buffer, data: ArrayLike<number>): void {
    if (this.#rows) throw new WasmgradError("write: host data cannot be written while a program is recorded");
    (storage as ReferenceStorage).place.data.set(data, offset);
  }

  async read(buffer: Buffer, count: number, dtype: DType): Promise<TypedData> {
    const data = this.readSync(buffer, count, dtype);
    await this.upkeep();
    return data;
  }

  readSync({ storage, offset }: Buffer, count: number, dtype: DType): TypedData {
    if (this.#rows) throw new WasmgradError("read: nothing has run yet while a program is recorded");
    const values = (storage as ReferenceStorage).place.data.slice(offset, offset + count);
    return dtype.startsWith("float") ? values : Int32Array.from(values);
  }

  upkeep(): Promise<void> | null {
    if (performance.now() - this.#turned <= 50) return null;
    return new Promise<void>((resolve) => setTimeout(resolve, 0)).then(() => {
      this.#turned = performance.now();
    });
  }

  async flush(): Promise<void> {}

  async handOver(): Promise<void> {}

  flushSync(): void {}

  record(): Recorder {
    if (this.#recording) throw new WasmgradError("record: a program is being recorded already");
    const rows: Row[] = [];
    this.#recording = rows;
    const end = (): void => {
      this.#recording = null;
    };
    return {
      suspend: (on) => {
        this.#suspended = on;
      },
      bind: (storage, target) => {
        const virtual = storage as ReferenceStorage;
        if (!target) {
          target = new ReferenceStorage(this, virtual.bytes, virtual.label, false, virtual.width);
          this.#live.add(target);
          this.liveBytes += target.bytes;
        }
        virtual.alias = target;
        return target;
      },
      finish: (slots, results) => {
        if (!this.#recording) throw new WasmgradError("finish: no program is being recorded");
        end();
        return this.#program(rows, slots, results);
      },
      abandon: end,
    };
  }

  #program(rows: Row[], slots: readonly Buffer[], results: readonly { buffer: Buffer; count: number }[]): Program {
    const slot = slots.map(plain);
    const chosen = (row: Row): readonly Row[] => this.#chosen(row);
    const result = results.map(({ buffer, count }) => ({ ...plain(buffer), count }));
    return {
      rows,
      run(inputs, outputs) {
        const bind = (b: Buffer): Buffer => {
          const i = slot.findIndex((s) => s.storage === b.storage);
          return i < 0 ? b : { storage: inputs[i].storage, offset: inputs[i].offset + b.offset - slot[i].offset };
        };
        for (const row of rows.flatMap(chosen)) {
          const buffers = row.buffers.map(bind);
          run({ ...row, buffers });
          for (const b of buffers.slice(0, row.outputs)) (b.storage as ReferenceStorage).place.version++;
        }
        result.forEach((from, i) => {
          const buffers = [outputs[i], bind(from)];
          run({ kernel: "copy_b32", buffers, outputs: 1, extents: [from.count], scalars: [], op: "capture" });
        });
      },
      dispose() {},
    };
  }

  memory(): MemoryUse {
    const byOp: MemoryUse["byOp"] = {};
    for (const { label, bytes } of this.#live) {
      byOp[label] ??= { bytes: 0, storages: 0 };
      byOp[label].bytes += bytes;
      byOp[label].storages++;
    }
    return { liveBytes: this.liveBytes, reservedBytes: this.reservedBytes, storages: this.#live.size, byOp };
  }

  async dispose(): Promise<void> {
    this.failed = "it was disposed";
    this.#live.clear();
    this.liveBytes = 0;
  }
}
