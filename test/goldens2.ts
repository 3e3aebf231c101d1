// The second set of cases recorded from PyTorch (../shared/goldens2, or GOLDENS2_DIR): more ops, programs of views and
// writes, runs. `node --import tsx test/goldens2.ts --list` says what is here and fails, and why, and what is not here.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Device, init, optim } from "../src/index.ts";
import { callOf } from "./goldens/calls.ts";
import { checkOp, ELEMENTWISE, type Goldens, type Recorded, SUMS } from "./goldens/compare.ts";
import { KNOWN } from "./goldens/known.ts";
import { checkProgram, lackingIn, type RecordedProgram } from "./goldens/programs.ts";
import { recorded } from "./goldens/recorded.ts";
import {
  checkOptim,
  checkSchedule,
  checkTraining,
  lackingOf,
  type OptimRun,
  type ScheduleRun,
  schedulersOf,
  type TrainingRun,
} from "./goldens/runs.ts";

export const folder2 = resolve(
  process.env.GOLDENS2_DIR ?? fileURLToPath(new URL("../../shared/goldens2", import.meta.url)),
);

const OP_FILES = "elementwise2 reduce2 index2 linalg2 conv2 norm2 loss2 recurrent2 attention2".split(" ");

/** What can be checked, and the names of what does not exist here yet; null when the folder is not there. */
export function goldens2(): Goldens | null {
  if (!existsSync(folder2)) return null;
  const skipped: string[] = [];
  const checks: Goldens["checks"] = [];
  const add = <T extends { name: string }>(
    file: string,
    here: (c: T) => boolean,
    check: (c: T, device: Device) => Promise<void>,
  ): void => {
    for (const c of recorded<T>(folder2, file)) {
      const name = `${file}: ${c.name}`;
      if (here(c)) checks.push({ name, check: (device) => check(c, device) });
      else skipped.push(name);
    }
  };
  for (const file of OP_FILES) {
    const near = file === "elementwise2" ? ELEMENTWISE : SUMS;
    add<Recorded>(
      file,
      (c) => callOf(c.fn) !== null,
      (c, device) => checkOp(c, callOf(c.fn)!, device, near),
    );
  }
  add<RecordedProgram>("views", (c) => lackingIn(c).length === 0, checkProgram);
  add<OptimRun>("optim2", (c) => c.fn in optim, checkOptim);
  add<ScheduleRun>("schedule2", (c) => schedulersOf(c).every((fn) => fn in optim.lrScheduler), checkSchedule);
  add<TrainingRun>("training2", (c) => lackingOf(c).length === 0, checkTraining);
  return { checks, skipped };
}

/** Why a case is known to fail; null where it is not. */
export const known = (name: string): string | null =>
  Object.keys(KNOWN).find((reason) => KNOWN[reason]!.includes(name)) ?? null;

/** A known case must still fail, so that it leaves the list when it is mended. */
export async function checkKnown(
  name: string,
  check: (device: Device) => Promise<void>,
  device: Device,
): Promise<void> {
  const reason = known(name);
  if (reason === null) return check(device);
  const failed = await check(device).then(
    () => false,
    () => true,
  );
  if (!failed) throw new Error(`${name} passes now: take it from KNOWN in goldens/known.ts (${reason})`);
}

async function list(): Promise<void> {
  const found = goldens2();
  if (found === null) return console.log(`no folder ${folder2}`);
  const device = await init();
  const failures: string[] = [];
  for (const { name, check } of found.checks) {
    try {
      await check(device);
    } catch (error) {
      failures.push(`${name}\n    ${(error as Error).message}\n    ${known(name) ?? "NOT IN KNOWN"}`);
    }
  }
  console.log(failures.join("\n"));
  console.log(`\nnot here yet: ${found.skipped.join(", ")}`);
  const passed = found.checks.length - failures.length;
  console.log(`\n${passed} pass, ${failures.length} fail, ${found.skipped.length} are of what is not here yet`);
  await device.dispose();
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv.includes("--list")) await list();
