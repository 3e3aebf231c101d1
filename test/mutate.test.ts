// The mutations of `npm run mutate`: where the operators find their places, what a seed draws, which tests concern a file, and a
// sample of two that are really tried.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KNOWN } from "./mutate/known.ts";
import { OPERATORS } from "./mutate/operators.ts";
import { allSites, areaName, drawn, keyOf, mutate, sitesIn } from "./mutate/sites.ts";
import { suitesOf } from "./mutate/suites.ts";
import { Trials } from "./mutate/trial.ts";
import { sources } from "./source.ts";

/** The line of a text that an operator changes, as each of its mutations leaves it. */
const mutations = (operator: string, line: string, file = "src/core/some.ts"): string[] =>
  sitesIn(file, `function f() {\n  ${line}\n}\n`)
    .filter((s) => s.operator === operator)
    .map((s) => s.after);

test("each operator changes what it is named after, and nothing in comments, texts and types", () => {
  assert.equal(mutations("sign", 'const x = a + b; // c + d "e - f"'), ['const x = a - b; // c + d "e - f"']);
  assert.equal(mutations("sign", "x += -y;"), ["x -= -y;", "x += y;"]);
  assert.equal(mutations("sign", "v = f32x4.add(v, w);", "assembly/some.ts"), ["v = f32x4.sub(v, w);"]);
  assert.equal(mutations("sign", 'fail(op, "a + b" + `c - d`);'), []);
  assert.equal(mutations("bound", "if (a < b && c >= <u32>d) return (x) => x;"), [
    "if (a <= b && c >= <u32>d) return (x) => x;",
    "if (a < b && c > <u32>d) return (x) => x;",
  ]);
  assert.equal(mutations("bound", "const m: Map<string, Set<number>> = new Map();"), []);
  assert.equal(mutations("off by one", "for (let i = 0; i < x.length; i++) y[i - 1] = x[i];"), [
    "for (let i = 0; i < x.length; i++) y[i] = x[i];",
    "for (let i = 1; i < x.length; i++) y[i - 1] = x[i];",
    "for (let i = 0; i < x.length - 1; i++) y[i - 1] = x[i];",
  ]);
  assert.equal(mutations("swapped operand", "const n = a.b - c[i];"), ["const n = c[i] - a.b;"]);
  assert.equal(mutations("swapped operand", "return div(g, y);"), ["return div(y, g);"]);
  assert.equal(mutations("swapped operand", "const n = a * b - c;"), []);
  assert.equal(mutations("dropped barrier", "const meet = i > 0 && rival > 0;", "src/program/some.ts"), [
    "const meet = false;",
  ]);
  assert.equal(mutations("dropped barrier", "atomic.store<u32>(ARRIVED, 0);", "assembly/some.ts"), ["0;"]);
  assert.equal(mutations("dropped version bump", "y.storage.version++;"), ["void 0;"]);
  assert.equal(mutations("dropped guard", "const m = f(guard(() => g(a, b)), c);"), ["const m = f((g(a, b)), c);"]);
  assert.equal(mutations("dropped guard", 'if (!f(x)) fail("op", x);'), ['if (false) fail("op", x);']);
  assert.equal(mutations("dropped release", 'if (a) g.release("b"); else h.i.free(j);'), [
    "if (a) void 0; else h.i.free(j);",
    'if (a) g.release("b"); else void 0;',
  ]);
  assert.equal(mutations("dropped release", "const x = free(y);"), []);
  assert.equal(mutations("wrong dim", "return sum(x, dim, x.shape[i]!);"), [
    "return sum(x, dim, x.shape[i + 1]!);",
    "return sum(x, dim - 1, x.shape[i]!);",
  ]);
  assert.equal(mutations("kernel tail", "for (; i < n; i++) put(y, r, m);", "assembly/some.ts"), [
    "for (; false; i++) put(y, r, m);",
    "for (; i < n; i++) 0;",
  ]);
});

test("no mutation moves a line, each is found again, and each operator has places", () => {
  const sites = allSites();
  for (const { name } of OPERATORS) assert.ok(sites.filter((s) => s.operator === name).length >= 5, name);
  const long = "if (\n    !a ||\n    b\n  )\n    fail(op, c);";
  const [site] = sitesIn("src/core/some.ts", `function f() {\n  ${long}\n}\n`);
  assert.is(site!.operator, "dropped guard");
  assert.is(mutate(`function f() {\n  ${long}\n}\n`, site!).split("\n").length, 8);
});

test("a seed draws the same again, each line once an operator, from all operators and areas alike", () => {
  const sites = allSites();
  const once = drawn(sites, "1").slice(0, 150);
  assert.equal(
    drawn([...sites].reverse(), "1")
      .slice(0, 150)
      .map(keyOf),
    once.map(keyOf),
  );
  assert.not.equal(drawn(sites, "2").slice(0, 150).map(keyOf), once.map(keyOf));
  assert.is(new Set(once.map((s) => `${s.file}:${s.line} ${s.operator}`)).size, 150);
  const most = (of: (s: (typeof once)[number]) => string): number =>
    Math.max(...[...new Set(once.map(of))].map((name) => once.filter((s) => of(s) === name).length));
  assert.ok(most((s) => s.operator) <= 30, "operators");
  assert.ok(most((s) => areaName(s.file)) <= 50, "areas");
  assert.ok(most((s) => s.file) <= 12, "files");
});

test("every mutated file has tests that are there", () => {
  const files = sources("test").map((f) => f.slice("test/".length));
  for (const file of new Set(allSites().map((s) => s.file))) {
    const suites = suitesOf(file);
    assert.ok(suites.length >= 8, file);
    for (const s of suites) assert.ok(files.includes(s.file), `${file}: ${s.file}`);
  }
});

test("what is known to change nothing is still there", () => {
  const keys = new Set(allSites().map(keyOf));
  assert.equal(KNOWN.filter((k) => !keys.has(keyOf(k))).map(keyOf), []);
});

test("two that are tried are caught, and what does not parse is no mutation", async () => {
  const copy = new Trials();
  try {
    const sites = allSites();
    const find = (file: string, operator: string) => sites.find((s) => s.file === file && s.operator === operator)!;
    for (const [file, operator] of [
      ["src/program/barriers.ts", "bound"],
      ["src/optim/lr/warm.ts", "sign"],
    ]) {
      const verdict = await copy.try(find(file!, operator!));
      assert.is(verdict.outcome, "caught", `${file}: ${operator}`);
      assert.match(verdict.by!, /^(barriers|optim)\.test\.ts$/);
    }
    const broken = { ...find("src/core/op.ts", "sign"), by: ")" };
    assert.is((await copy.try(broken)).outcome, "not viable");
  } finally {
    copy.dispose();
  }
});

test.run();
