// Devices as a page with hot reload makes them, one after the other: equal ones are one, and fresh ones that nobody holds end.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { collect } from "./heap.ts";
import { inPage } from "./place.ts";

/** Workers of this page that have not been ended. */
let workers = 0;
if (inPage) {
  globalThis.Worker = class extends Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      workers++;
    }
    override terminate(): void {
      workers--;
      super.terminate();
    }
  };
}

test("40 reloads that ask for a device are one device", async () => {
  const devices = new Set<w.Device>();
  for (let i = 0; i < 40; i++) {
    devices.add(await w.init({ threads: 2 }));
    await w.randn([4, 4]).sum().item();
  }
  assert.is(devices.size, 1);
  assert.ok(workers <= 1, `${workers} workers`);
  for (const device of devices) await device.dispose();
  assert.is(workers, 0, "dispose() ends them");
});

test("40 reloads that ask for a fresh one leave a few", async () => {
  const watched: WeakRef<w.Device>[] = [];
  const living = (): number => watched.filter((r) => r.deref() !== undefined).length;
  let most = 0;
  const reload = async (): Promise<void> => {
    watched.push(new WeakRef(await w.init({ threads: 2, fresh: true })));
    await w.randn([4, 4]).sum().item();
  };
  for (let i = 0; i < 40; i++) {
    await reload();
    most = Math.max(most, workers);
  }
  // A page can only ask for a collection: when one comes is the browser's affair, as long as it comes before all are there.
  assert.ok(most < 40, `${most} workers at a time`);
  const last = await w.init({ threads: 1, fresh: true });
  for (let i = 0; i < 20 && living() > 0; i++) await collect();
  assert.is(living(), 0);
  assert.is(workers, 0);
  await last.dispose();
});

test.run();
