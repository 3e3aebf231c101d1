// The programs that say what capture, in-place writes, views and the tape mean, on WebGPU.
const FILES = ["captured", "captured-gradients", "captured-host", "meaning", "tape"];

// uvu begins a run whenever a file says so: here one run comes behind the last file.
Object.assign(globalThis, { UVU_DEFER: 1, UVU_INDEX: 0, UVU_QUEUE: [[null]] });
const { exec, test } = await import("uvu");
const { lack } = await import("./webgpu-adapter.ts");
if (lack === null) {
  process.env.PROGRAM_DEVICES = "webgpu";
  for (const file of FILES) await import(`./${file}.test.ts`);
} else {
  for (const file of FILES) {
    test.skip(`${file} on webgpu`);
    console.log(`skipped: ${file}.test.ts on webgpu: ${lack}`);
  }
  test.run();
}
await exec();
