// Makes a program that mismatches shorter: steps are dropped, bypassed, leaves no longer differentiated, inputs that nobody
// reads dropped, as long as it mismatches in the same way.
import type { Mismatch } from "./compare.ts";
import type { Input, Program, Step } from "./program.ts";

/** What mismatches in each program. */
export type Judge = (programs: readonly Program[]) => Promise<(Mismatch | null)[]>;

const made = (s: Step): readonly string[] => (s.out === null || s.op.endsWith("_") ? [] : [s.out].flat());

/** Without step k and what needs its results. */
function dropped(p: Program, k: number): Program {
  const gone = new Set<string>();
  const steps = p.steps.filter((s, i) => {
    if (i !== k && !s.in.some((name) => gone.has(name))) return true;
    for (const name of made(s)) gone.add(name);
    return false;
  });
  return { ...p, steps };
}

/** Step k left out, its first operand in the place of its result. */
function bypassed(p: Program, k: number): Program | null {
  const { in: names, out, op } = p.steps[k]!;
  if (typeof out !== "string" || op.endsWith("_") || names.length === 0) return null;
  const renamed = (name: string): string => (name === out ? names[0]! : name);
  const steps = p.steps
    .filter((_, i) => i !== k)
    .map((s) => {
      const to = typeof s.out === "string" && s.op.endsWith("_") ? renamed(s.out) : s.out;
      return { ...s, in: s.in.map(renamed), out: to };
    });
  return { ...p, steps };
}

function withInput(p: Program, i: number, input: Input): Program {
  return { ...p, inputs: p.inputs.map((x, j) => (j === i ? input : x)) };
}

/** Without inputs that no step reads. */
function trimmed(p: Program): Program {
  const used = p.inputs.map((_, i) => p.steps.some((s) => s.in.includes(`x${i}`)));
  const places = new Map<string, string>();
  used.forEach((u, i) => void (u && places.set(`x${i}`, `x${places.size}`)));
  const renamed = (name: string): string => places.get(name) ?? name;
  const steps = p.steps.map((s) => {
    const out = s.out === null ? null : typeof s.out === "string" ? renamed(s.out) : s.out.map(renamed);
    return { ...s, in: s.in.map(renamed), out };
  });
  return { ...p, inputs: p.inputs.filter((_, i) => used[i]), steps };
}

function candidates(p: Program): Program[] {
  const steps = p.steps.map((_, k) => k).reverse();
  const shorter = [...steps.map((k) => dropped(p, k)), ...steps.flatMap((k) => bypassed(p, k) ?? [])];
  shorter.sort((a, b) => a.steps.length - b.steps.length);
  const simpler = p.inputs.flatMap((x, i): Program[] => {
    const { grad, ...rest } = x;
    const plain = grad ? [withInput(p, i, rest)] : [];
    const special = x.data.some((v) => typeof v === "string");
    return special
      ? [...plain, withInput(p, i, { ...x, data: x.data.map((v) => (typeof v === "string" ? 1 : v)) })]
      : plain;
  });
  return [...shorter, ...simpler];
}

const ROUNDS = 24;

export async function shrunk(
  p: Program,
  first: Mismatch,
  judge: Judge,
): Promise<{ program: Program; mismatch: Mismatch }> {
  let program = p;
  let mismatch = first;
  const alike = (m: Mismatch | null): boolean =>
    m !== null && m.kind === first.kind && (m.cause === first.cause || !/refused|answered|crash/.test(m.kind));
  for (let round = 0; round < ROUNDS; round++) {
    const list = candidates(program);
    const found = await judge(list);
    const i = found.findIndex(alike);
    if (i < 0) break;
    program = list[i]!;
    mismatch = found[i]!;
  }
  const short = trimmed(program);
  const [still] = await judge([short]);
  return still && alike(still) ? { program: short, mismatch: still } : { program, mismatch };
}
