// What memory and captured runs do inside: how memory grows ahead, and how many objects a replay makes.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { count } from "../src/core/lifetime.ts";
import * as w from "../src/index.ts";
import { nn, optim } from "../src/index.ts";
import { Growth } from "../src/memory/growth.ts";

test("memory grows ahead for what is seen twice, and a collection comes before it grows again", () => {
  const MB = 1 << 20;
  const growth = new Growth();
  let [reserved, live] = [8 * MB, 4 * MB];
  const step = (more: number): void => {
    live += more;
    reserved = Math.max(reserved, live); // as the allocator grows
    reserved = Math.max(reserved, growth.observe(live, reserved));
    if (growth.crowded) live = 6 * MB;
    growth.settle(live);
  };
  step(0);
  step(30 * MB); // once: a data set
  assert.is(reserved, 34 * MB, "once is not expected again");
  step(24 * MB); // batches, whose results wait for the collector
  for (let i = 0; i < 3; i++) step(24 * MB);
  const early = reserved;
  for (let i = 0; i < 1000; i++) {
    step((i % 7) * 4 * MB);
    assert.ok(live <= early - 24 * MB, `step ${i}: ${live / MB} MB live`);
  }
  assert.is(reserved, early);
  assert.ok(early <= 100 * MB, `${early / MB} MB`);
});

test("tensors are collected by their number, at twice of what a collection leaves, and behind a request that failed", async () => {
  const growth = new Growth();
  const [few, bytes] = [24576, 1 << 20];
  const collected = async (left: { held: number; tensors: number }): Promise<number> => {
    let turns = 0;
    const turn = async (): Promise<void> => void turns++;
    await growth.collect(
      () => true,
      turn,
      () => left.held,
      () => left.tensors,
    );
    growth.settle(left.held, left.held, left.tensors);
    return turns;
  };
  const crowded = (tensors: number): boolean => {
    growth.observe(bytes, 8 * bytes, bytes, tensors);
    return growth.crowded;
  };
  assert.not.ok(crowded(few));
  assert.ok(crowded(few + 1));
  assert.is(await collected({ held: bytes, tensors: 20 }), 1, "all that there is to find went at once");
  assert.not.ok(crowded(few));
  assert.ok(crowded(few + 1));
  assert.is(await collected({ held: bytes, tensors: 20_000 }), 6, "it waits for the finalizers of what somebody holds");
  assert.not.ok(crowded(40_000));
  assert.ok(crowded(40_001));
  await collected({ held: bytes, tensors: 20 });
  assert.ok(crowded(few + 1), "what went lets it settle lower");
  // A request that failed: whatever is held, and however much it was before.
  growth.settle(400 * bytes, 400 * bytes, 5);
  growth.observe(400 * bytes, 512 * bytes);
  await collected({ held: 400 * bytes, tensors: 5 });
  growth.observe(400 * bytes, 512 * bytes);
  assert.not.ok(growth.crowded);
  growth.press();
  assert.ok(growth.crowded);
  assert.is(await collected({ held: 400 * bytes, tensors: 5 }), 6);
});

test("collections for tensors take half of the time at most, however large the heap is", () => {
  const growth = new Growth();
  const bytes = 1 << 20;
  let now = 0;
  let collections = 0;
  /** A millisecond makes a thousand tensors; a collection takes as long as is said. */
  const run = (ms: number, takes: number): void => {
    let tensors = 0;
    for (const end = now + ms; now < end; ) {
      now++;
      tensors += 1000;
      growth.observe(bytes, 8 * bytes, bytes, tensors);
      if (!growth.crowded) continue;
      collections++;
      growth.took(now, now + takes);
      growth.took(now, now + takes); // asked for once more
      now += takes;
      growth.settle(bytes, bytes, 0);
      tensors = 0;
    }
  };
  run(10_000, 4);
  assert.ok(collections > 300, `${collections}`);
  collections = 0;
  run(5000, 200);
  collections = 0;
  run(50_000, 200);
  assert.ok(collections <= 125, `${collections} collections in 50 s, of 200 ms each`);
  assert.ok(collections >= 60, `${collections}`);
});

test("of a plain step the loss alone is left to the collector", async () => {
  const device = await w.init({ threads: 1 });
  const net = new nn.Sequential(new nn.Linear(8, 16), new nn.ReLU(), new nn.Linear(16, 4));
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 });
  const [x, t] = [w.randn([16, 8]), w.randn([16, 4])];
  const y = w.zeros([16], { dtype: "int32" });
  const losses: Record<string, () => w.Tensor> = {
    "a loss": () => w.crossEntropy(net.forward(x), y),
    ops: () => net.forward(x).sub(t).abs().mean(),
    "a penalty": () => w.mseLoss(net.forward(x), t).add(net.parameters()[0]!.abs().sum().mul(0.1)),
    views: () => net.forward(x).t().reshape([64]).view([8, 8]).sum(),
  };
  for (const [name, loss] of Object.entries(losses)) {
    const step = (): void => {
      optimizer.zeroGrad();
      const l = loss();
      l.backward();
      optimizer.step();
    };
    for (let i = 0; i < 3; i++) step();
    const before = count.tensors;
    for (let i = 0; i < 10; i++) step();
    assert.is(count.tensors - before, 10, name);
  }
  await device.dispose();
});

test("where a collection can only be asked for, it is asked for again until nothing more comes", async () => {
  /** Turns and requests until it ends, with `falls` saying at which turns something is released. */
  const collected = async (falls: (turn: number) => boolean): Promise<[number, number]> => {
    const growth = new Growth();
    let [held, turns, asked] = [2 ** 30, 0, 0];
    growth.observe(held, held);
    assert.ok(growth.crowded);
    const ask = (): boolean => {
      asked++;
      return false;
    };
    const turn = async (): Promise<void> => {
      assert.ok(++turns < 1000, "it ends");
      if (falls(turns)) held -= 1000;
    };
    await growth.collect(ask, turn, () => held);
    return [turns, asked];
  };
  assert.equal(await collected(() => false), [24, 7]);
  assert.equal(await collected((i) => i === 10), [33, 9]);
});

test("a collection takes what has just been made and dropped", async () => {
  const device = await w.init({ threads: 1 });
  for (let i = 0; i < 120; i++) w.zeros([1 << 18]);
  assert.ok(device.liveBytes >= 120 << 20);
  await device.upkeep();
  assert.ok(device.liveBytes <= 8 << 20, `${device.liveBytes >> 20} MB are live`);
  await device.dispose();
});

test("what is disposed of while it is read goes when it has been read", async () => {
  const device = await w.init({ threads: 1 });
  const before = device.liveBytes;
  const x = w.full([3], 2);
  const reading = x.data();
  x.dispose();
  assert.ok(device.liveBytes > before, "not before");
  assert.equal([...(await reading)], [2, 2, 2]);
  assert.is(device.liveBytes, before);
  await device.dispose();
});

test("a device that was disposed of holds none of the host's memory", async () => {
  const device = await w.init({ threads: 1, fresh: true });
  await w.ones([1000]).add(1).sum().item();
  assert.ok(w.memory(device).reservedBytes > 0);
  await device.dispose();
  assert.is(w.memory(device).reservedBytes, 0);
});

test("a replay makes a number of objects that does not depend on the rows", async () => {
  const device = await w.init({ threads: 1 });
  const perReplay: number[] = [];
  for (const layers of [1, 12]) {
    const model = new nn.Sequential(...Array.from({ length: layers }, () => new nn.Linear(8, 8)));
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
    const step = w.capture((x: w.Tensor) => {
      optimizer.zeroGrad();
      const loss = w.mean(model.forward(x));
      loss.backward();
      optimizer.step();
      return loss;
    });
    const x = w.ones([4, 8]);
    for (let i = 0; i < 5; i++) await step(x);
    const before = count.made;
    for (let i = 0; i < 10; i++) await step(x);
    perReplay.push((count.made - before) / 10);
  }
  assert.is(perReplay[0], perReplay[1]);
  assert.is(perReplay[0], 1, "one tensor a replay: the result");
  await device.dispose();
});

test.run();
