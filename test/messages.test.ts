// Messages are part of the API. Every place in src that throws is reached by a case of messages.ts, and what it says stands in
// messages.snap.json (UPDATE=1 writes it): the op, file or option, what was given, and the rule that was broken.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as w from "../src/index.ts";
import { cases } from "./messages.ts";
import { blanked, read, sources } from "./source.ts";

const snapshot = fileURLToPath(new URL("messages.snap.json", import.meta.url));
const expected: Record<string, string> = existsSync(snapshot) ? JSON.parse(readFileSync(snapshot, "utf8")) : {};
const found: Record<string, string> = {};
/** Frames of all stacks, as `src/core/op.ts:32`. */
const frames = new Set<string>();
Error.stackTraceLimit = 40;

/** What the host says in its own words, which differ between versions. */
const hostWords = (message: string): string =>
  message
    .replace(/(cannot be (?:read|written): |cannot be read \()(?!there is).*?(\)?: `npm|$)/, "$1<the host's reason>$2")
    .replace(/(not JSON: ).*/, "$1<the host's reason>")
    .replace(
      /(no answer: |bytes came, then |unpacked bytes \().*?(\)?: it is cut short|\)$|$)/,
      "$1<the host's reason>$2",
    )
    .replace(/version \d+/g, "version <n>")
    .replace(/(<mirror>\/[\w.-]*: )/g, "$1");

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

/** Messages that give no value, because the place says it all. */
const NO_VALUE =
  /a captured function was called inside another|returned a promise|reads other state|inside capture this/;
const RULE =
  /expected|must|at most|at least|outside|differ|use |use$|only|requires|takes? |known are|cannot|does not|do not|has run out|no more work|is a copy made|was released|is not|are not|would not|clone\(\)|twice|cut short|too long|there (is|are) no|neither|unless|inside capture|the function|its base|beside|already|wrong|second time|differ|no mirror|stalled|no answer|HTTP status|has \d+|gives?|had?s no|it holds|larger than|lies? behind|lie outside|ragged|to\(device\)|comes first|there is no|must be|count the samples|in use|no holes|has a|has the key|allowed|takes|at a time/;

test("each message names the op, file or option, what was given, and the rule", () => {
  for (const [name, message] of Object.entries(found)) {
    assert.match(message, /^[\w./<>() -]+: [^ ]/, `${name}: begins with the op or file`);
    const [, ...rest] = message.split(": ");
    if (!NO_VALUE.test(message))
      assert.match(
        rest.join(": "),
        /\d|\[|"|string|number|null|undefined|<|object|option|NaN/,
        `${name}: ${message}: what was given`,
      );
    assert.match(message, RULE, `${name}: ${message}: the rule`);
    assert.not.match(message, /undefined|\[object|function \w*\(|=>/, `${name}: ${message}`);
    assert.ok(message.length < 1000 && !message.endsWith("."), name);
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
  "this host has no WebAssembly SIMD": "every host of the tests has it",
  "this host has no relaxed SIMD": "every host of the tests has it",
  "HTTP status ${response.status}: the wasm file": "the file is fetched in pages only",
  "this host has no file system": "the tests run where there is one",
  "crypto.subtle is missing": "the tests run where it is",
  "header of ${length} bytes: at most": "it takes 100 MB of names",
  "the header is not a JSON object": "a header that begins with { and is JSON is an object",
  "no device yet": "reached in a process of its own",
  "thread 0 trapped": "kernels do not trap",
};

test("every place that throws is reached by a case", () => {
  const unreached: string[] = [];
  const used = new Set<string>();
  for (const file of sources("src")) {
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
    if (part !== "thread 0 trapped") assert.ok(used.has(part), `no such place any more: ${part}`);
  }
});

test.run();
