// A whole program as a captured function: called five times with other inputs, it must give what plain calls give.
import { capture, type Device, noGrad, setDefaultDevice, type Tensor, tensor } from "../../src/index.ts";
import { number } from "../goldens/recorded.ts";
import { type Mismatch, rule } from "./compare.ts";
import { type Held, type Input, type Program, pattern } from "./program.ts";
import { type Env, held, made, runStep } from "./run.ts";

const CALLS = 5;
/** Passes may round otherwise. */
const NEAR = 1e-5;

type Values = Record<string, Tensor>;
type Call = { values: Record<string, Held>; grads: Record<string, Held | null> } | { refused: string };

/** The same values in other places, so that a call that repeats the last one's result is seen. */
const turned = (x: Input, k: number): Input => ({ ...x, data: x.data.map((_, i) => x.data[(i + k) % x.data.length]!) });

/** What changes whether an input requires grad is host state before a captured function, not in it. */
export const capturable = (p: Program): boolean => p.steps.every((s) => s.op !== "requires_grad_");

/**
 * Whether the function leaves the gradients of the call before, to add to them: every other program, as long as they have no
 * graph, which a captured function does not carry from call to call.
 */
const accumulates = (p: Program): boolean =>
  [...p.name].reduce((sum, c) => sum + c.charCodeAt(0), 0) % 2 === 1 &&
  !p.steps.some((s) => s.op === "backward" && s.args.create_graph === true) &&
  !(p.steps.some((s) => s.op === "grad_of") && p.steps.some((s) => s.op.endsWith("_")));

async function calls(p: Program, captured: boolean, gradients: Map<string, Tensor>): Promise<Call[]> {
  const leaves = new Map(p.inputs.flatMap((x, i) => (x.grad ? [[`x${i}`, made(x).keep()] as const] : [])));
  const others = p.inputs.map((x, i) => ({ x, name: `x${i}` })).filter(({ x }) => !x.grad);
  const gradient = (k: unknown, y: Tensor): Tensor | undefined => {
    if (k === undefined) return undefined;
    const key = `${k} ${y.shape}`;
    // Plain calls come first and make them all.
    if (!gradients.has(key))
      gradients.set(key, tensor(Float64Array.from(pattern(k as number, y.numel)), { shape: y.shape }).keep());
    return gradients.get(key);
  };
  const body = (...inputs: Tensor[]): Values => {
    if (!accumulates(p)) for (const leaf of leaves.values()) leaf.grad = null;
    const env: Env = new Map([...leaves, ...others.map(({ name }, i) => [name, inputs[i]!] as const)]);
    for (const step of p.steps) runStep(step, env, [], gradient);
    return Object.fromEntries(env);
  };
  const f = captured ? capture(body) : async (...inputs: Tensor[]) => body(...inputs);
  const found: Call[] = [];
  for (let k = 0; k < CALLS; k++) {
    noGrad(() => {
      for (const [name, leaf] of leaves)
        leaf.copy_(made({ ...turned(p.inputs[Number(name.slice(1))]!, k), grad: undefined! }));
    });
    const inputs = others.map(({ x }) => made(turned(x, k)));
    try {
      const result = await f(...inputs);
      const values = Object.fromEntries(Object.entries(result).map(([name, x]) => [name, held(x)]));
      const grads = Object.fromEntries(
        [...leaves].map(([name, leaf]) => [name, leaf.grad === null ? null : held(leaf.grad)]),
      );
      found.push({ values, grads });
      const lent = new Set([...leaves.values()].flatMap((leaf) => [leaf, leaf.ownGrad]));
      for (const x of Object.values(result)) if (x.gone === null && !lent.has(x)) x.dispose();
    } catch (error) {
      found.push({ refused: (error as Error).message });
    }
    for (const x of inputs) if (x.gone === null) x.dispose();
  }
  if (captured) (f as { dispose?: () => void }).dispose?.();
  for (const leaf of leaves.values()) if (leaf.gone === null) leaf.dispose();
  return found;
}

function difference(got: Held | null, ref: Held | null): string | null {
  if (got === null || ref === null) return got === ref ? null : "one is there, one is not";
  if (got.shape.join() !== ref.shape.join() || got.dtype !== ref.dtype)
    return `${got.dtype} [${got.shape}], plain calls ${ref.dtype} [${ref.shape}]`;
  const values = ref.data.map(number);
  const size = values.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 1);
  for (let i = 0; i < values.length; i++) {
    const [x, y] = [number(got.data[i]!), values[i]!];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y)) || Math.abs(x - y) <= NEAR * size) continue;
    return `at ${i} got ${x}, plain calls ${y}`;
  }
  return null;
}

/** Null where captured and plain calls agree. */
export async function compareCaptured(p: Program, device: Device): Promise<Mismatch | null> {
  setDefaultDevice(device);
  const gradients = new Map<string, Tensor>();
  const plain = await calls(p, false, gradients);
  const captured = await calls(p, true, gradients);
  for (const g of gradients.values()) g.dispose();
  for (let k = 0; k < CALLS; k++) {
    const [ref, got] = [plain[k]!, captured[k]!];
    const tell = (kind: Mismatch["kind"], cause: string, text: string): Mismatch => ({
      ...{ kind, cause, text: `call ${k + 1}: ${text}`, step: null, value: null },
    });
    if ("refused" in got) {
      if ("refused" in ref) continue;
      return tell("refused here", rule(got.refused), `the captured one is refused: ${got.refused}`);
    }
    if ("refused" in ref) return tell("answered here", rule(ref.refused), `the plain one is refused: ${ref.refused}`);
    for (const [name, x] of Object.entries(ref.values)) {
      const text = difference(got.values[name]!, x);
      if (text !== null) return tell("value", "captured", `${name}: ${text}`);
    }
    for (const [name, x] of Object.entries(ref.grads)) {
      const text = difference(got.grads[name]!, x);
      if (text !== null) return tell("gradient", "captured", `${name}.grad: ${text}`);
    }
  }
  return null;
}
