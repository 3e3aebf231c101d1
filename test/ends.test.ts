// Nothing is read or written behind the end of memory: each row that a case launches runs again with one of its storages in the
// memory's last bytes, where a load that reaches further traps. What is in memory behind a storage otherwise hides it.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Buffer, Storage } from "../src/core/device.ts";
import { init } from "../src/init.ts";
import type { WasmDevice } from "../src/wasm/device.ts";
import { type Memory, WasmStorage } from "../src/wasm/memory.ts";
import { cases as complete } from "./cases/index.ts";
import { execute } from "./harness.ts";

const families = process.env.CASES_FAMILIES?.split(",");
if (families !== undefined) console.log(`skipped: cases of other families than ${families}: CASES_FAMILIES`);
const cases = complete.filter((c) => families?.includes(c.family) ?? true);

/** Room for what a case makes. */
const ROOM = 192 << 20;

/** From now on rows run again, once for each of their storages. Returns the number of those runs. */
function atTheEnd(device: WasmDevice): () => number {
  const memory = (device as unknown as { memoryOf: Memory }).memoryOf;
  memory.reserve(2 * ROOM);
  const end = memory.reservedBytes;
  const room = device.alloc(ROOM, "room");
  const { address, size } = (room as WasmStorage).block!; // behind it nothing is taken
  device.alloc(end - address - size, "the last bytes");
  device.free(room); // all that comes lies there
  const bytes = new Uint8Array(memory.memory.buffer);
  const of = (s: Storage): Uint8Array => bytes.subarray((s as WasmStorage).block!.address).subarray(0, s.bytes);
  const moved = (s: Storage): Storage => {
    const [address, size] = [end - s.bytes, s.bytes];
    bytes.set(of(s), address);
    return new WasmStorage(device, size, s.label, s.width, { ...(s as WasmStorage).block!, address, size });
  };
  let [runs, moving] = [0, false];
  const launch = device.launch.bind(device);
  device.launch = (kernel, buffers, outputs, extents, scalars, op) => {
    launch(kernel, buffers, outputs, extents, scalars, op);
    if (moving) return; // rows that stand for one that runs again
    moving = true;
    const results = buffers.slice(0, outputs).map(({ storage }) => ({ storage, values: of(storage).slice() }));
    for (const storage of new Set(buffers.map((b) => b.storage))) {
      if (storage.bytes === 0) continue; // its block has some
      const last = moved(storage);
      const there = (b: Buffer): Buffer => (b.storage === storage ? { storage: last, offset: b.offset } : b);
      runs++;
      try {
        launch(kernel, buffers.map(there), outputs, extents, scalars, op);
      } catch (error) {
        const at = buffers.findIndex((b) => b.storage === storage);
        throw new Error(`${kernel} [${extents}] [${scalars}], buffer ${at} at the end of memory`, { cause: error });
      }
    }
    for (const { storage, values } of results) of(storage).set(values);
    moving = false;
  };
  return () => {
    assert.is(memory.reservedBytes, end, "the memory has grown: its end is elsewhere");
    return runs;
  };
}

for (const build of ["simd", "relaxed"] as const) {
  const all = suite(`${build}, at the end of memory`);
  let device: WasmDevice;
  let runs: () => number;
  const begin = async (): Promise<void> => {
    device = (await init({ simd: build, threads: 1, debug: true })) as WasmDevice;
    runs = atTheEnd(device);
  };
  all.before(begin);
  all.after(() => device.dispose());
  for (const c of cases) {
    all(`${c.family}: ${c.name}: ${build}`, async () => {
      if (device.failed !== null) await begin();
      execute(c, device);
      runs();
    });
  }
  if (families === undefined)
    all(`many rows ran so: ${build}`, () => assert.ok(runs() > 5 * cases.length, `${runs()} runs`));
  all.run();
}
