// Messages are part of the API. Every place in src that throws is reached by a case of messages.ts, and what it says stands in
// messages.snap.json (UPDATE=1 writes it): the op, file or option, what was given, and the rule that was broken.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as words from "../src/capture/words.ts";
import * as w from "../src/index.ts";
import * as wrong from "../src/wasm/wrong.ts";
import { cases as bare, ops as shapes } from "./messages.ts";
import { badArguments } from "./messages-arguments.ts";
import { files } from "./messages-files.ts";
import { hints } from "./messages-hints.ts";
import { lossOps } from "./messages-losses.ts";
import { schedules } from "./messages-schedules.ts";
import { options, selecting, views } from "./messages-views.ts";
import { wasmFiles } from "./messages-wasm.ts";
import { hostWords } from "./messages-words.ts";
import { blanked, read, sources } from "./source.ts";

// Messages about sources of MNIST that are not there.
delete process.env.MNIST_DIR;

const cases = {
  ...bare,
  ...views,
  ...selecting,
  ...options,
  ...badArguments,
  ...schedules,
  ...wasmFiles,
  ...files,
  ...hints,
};
const snapshot = fileURLToPath(new URL("messages.snap.json", import.meta.url));
const expected: Record<string, string> = existsSync(snapshot) ? JSON.parse(readFileSync(snapshot, "utf8")) : {};
const found: Record<string, string> = {};
/** Frames of all stacks, as `src/core/op.ts:32`. */
const frames = new Set<string>();
Error.stackTraceLimit = 40;

test("every message is as it was", async () => {
  await w.init({ threads: 1 });
  const device = w.defaultDevice();
  const wrong: string[] = [];
  for (const [name, f] of Object.entries(cases)) {
    w.setDefaultDevice(device);
    let error: unknown;
    try {
      await f();
    } catch (e) {
      error = e;
    }
    if (!(error instanceof w.WasmgradError)) {
      wrong.push(`${name}: ${error === undefined ? "nothing was thrown" : (error as Error).stack}`);
      continue;
    }
    for (const [, file, line] of (error.stack ?? "").matchAll(/\/(src\/[\w/]+\.ts):(\d+):\d+/g))
      frames.add(`${file}:${line}`);
    found[name] = hostWords(error.message);
  }
  await device.dispose();
  assert.is(wrong.join("\n"), "");
  if (process.env.UPDATE) writeFileSync(snapshot, `${JSON.stringify(found, null, 2)}\n`);
  else assert.equal(found, expected);
});

/** Before a device is made there is a message of its own. */
test("no device yet", async () => {
  const { execFileSync } = await import("node:child_process");
  const code = 'import("./src/index.ts").then((w) => { try { w.zeros([1]); } catch (e) { console.log(e.message); } })';
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const out = execFileSync(process.execPath, ["--import", "tsx", "-e", code], { cwd, encoding: "utf8" });
  assert.is(out.trim(), "wasmgrad: no device yet: `await init()` comes first");
});

/** Rules that stand in the same part as what was given. */
const RULE = /expected|must|at most|at least|outside|differ|was released/;

test("each message names the op, file or option, what was given, and the rule", () => {
  for (const [name, message] of Object.entries(found)) {
    const [subject, given, rule] = message.split(": ");
    assert.match(subject!, /^[\w./<>() -]+$/, `${name}: ${message}: it begins with the op or file`);
    assert.ok(given !== undefined && given !== "", `${name}: ${message}: what was given`);
    assert.ok(rule !== undefined || RULE.test(given!), `${name}: ${message}: the rule`);
    if (name in shapes || name in lossOps || name in views || name in selecting)
      assert.match(given!, /\[[\d,]*\]|\d|^(reduction|dtype) /, `${name}: ${message}: shapes or values`);
    const prose = message.replace(/`[^`]*`/g, ""); // beside code that is to be written
    assert.not.match(prose, /undefined|\[object|=>/, `${name}: ${message}`);
  }
});

interface Site {
  readonly file: string;
  readonly first: number;
  readonly last: number;
  readonly text: string;
}

const CALL =
  /(?<!function |\.#?)\b(fail|say|differ|expectRule|unavailable|refuse|new (?:WasmgradError|DownloadError|UnavailableError))\(|\.refuse\(/g;

/** Calls that throw. */
function sites(file: string): Site[] {
  const text = read(file);
  const code = blanked(text);
  const line = (at: number): number => code.slice(0, at).split("\n").length;
  const list: Site[] = [];
  for (const m of code.matchAll(CALL)) {
    const begin = m.index;
    let depth = 0;
    let end = begin + m[0].length - 1;
    do {
      if (code[end] === "(") depth++;
      if (code[end] === ")") depth--;
      end++;
    } while (depth > 0);
    // A declaration, such as a method's or a parameter's.
    if (/^\s*(:|=>|\{)/.test(code.slice(end))) continue;
    list.push({ file, first: line(begin), last: line(end), text: text.slice(begin, end).replace(/\s+/g, " ") });
  }
  return list;
}

/** Places that no case reaches, by a part of their text, and why. */
const UNREACHED: Record<string, string> = {
  "new WasmgradError(`${subject}: ${detail}`)": "fail itself",
  "a part of the package could not be loaded": "tests of sources find every part",
  "the address of a script is expected": "pages alone need one",
  "integrity cannot be checked here": "the tests run where it can",
  "this host has no file system": "the tests run where there is one",
  "crypto.subtle is missing": "the tests run where it is",
  "this host has not as many in one piece": "it takes all memory that there is",
  "this host has no files": "the tests run where there are some",
  "no device yet": "reached in a process of its own",
  "`${of()} came: it is cut short`": "Node's fetch notices by itself that an answer is cut short",
};

/** Sentences that no case has, by their names in wrong.ts and words.ts, and why. */
const UNSAID: Record<string, string> = {
  policy: "pages alone have one: published.test.ts",
  unshared: "every host of the tests shares memory: host.test.ts has it",
  slower: "it is a warning: threads.test.ts has it",
  auto: "a note: calibrate.test.ts has it",
  restless: "it is a warning: captured-host.test.ts has it",
  difference: "one of several, each of which is reached",
  nowhere: "sources know where they lie",
  noWhole: "pages alone stream: published-bad.test.ts has it",
  none: "every host of the tests has SIMD",
  noRelaxed: "every host of the tests has relaxed SIMD",
  noSimd: "every host of the tests has relaxed SIMD",
};

/** What needs an adapter: webgpu.test.ts has its messages. */
const ON_A_GPU = /^src\/(webgpu\/|host\/gpu\.ts)/;

test("every place that throws is reached by a case", () => {
  const unreached: string[] = [];
  const used = new Set<string>();
  for (const file of sources("src").filter((f) => !ON_A_GPU.test(f))) {
    // It puts into words what is thrown elsewhere.
    if (file === "src/program/difference.ts") continue;
    for (const { first, last, text } of sites(file)) {
      let reached = false;
      for (let i = first; i <= last; i++) reached ||= frames.has(`${file}:${i}`);
      const reason = Object.keys(UNREACHED).find((part) => text.includes(part));
      if (reason !== undefined) used.add(reason);
      if (!reached && reason === undefined) unreached.push(`${file}:${first}: ${text}`);
    }
  }
  assert.is(unreached.join("\n"), "");
  for (const part of Object.keys(UNREACHED)) {
    assert.ok(used.has(part), `no such place any more: ${part}`);
  }
});

test("every sentence that is loaded when it is needed is said in a case", () => {
  const said = Object.values(found).join("\n");
  const parts = (sentence: string): string[] => hostWords(sentence).replaceAll("{...}", "\0").split("\0");
  const bare = { describe: () => "\0" };
  for (const [name, sentence] of Object.entries({ ...wrong, ...words })) {
    if (name in UNSAID) continue;
    const args = name in words ? [0, bare] : [name === "noWasm" ? new Uint8Array() : "\0", "\0", "\0"];
    const [longest] = parts((sentence as (...args: unknown[]) => string)(...args)).sort((a, b) => b.length - a.length);
    assert.ok(said.includes(longest!), `${name}: ${longest}`);
  }
  const differences = sites("src/program/difference.ts").flatMap(({ text }) => [...text.matchAll(/[`"](.*?)[`"]/g)]);
  assert.ok(differences.length >= 10);
  for (const [, text] of differences)
    for (const part of text!.split(/\$\{.*?\}/)) assert.ok(said.includes(part), `difference: ${part}`);
});

test.run();
