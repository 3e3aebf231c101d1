// Families of programs: which groups of ops are drawn how often, and how a program ends in gradients.
import type { Draw, Drawer, Value } from "./draw.ts";
import { Draw as Drawing } from "./draw.ts";
import { LOSSES } from "./draw-losses.ts";
import { OPS } from "./draw-ops.ts";
import { VIEWS } from "./draw-views.ts";
import type { Program } from "./program.ts";
import { exists } from "./run.ts";

// ------------------------------------------------------------------------------------------------------------- autograd

const differentiable = (v: Value): boolean => v.grad && v.dtype === "f32";
const leaves = (d: Draw): Value[] => d.values.filter((v) => v.name.startsWith("x") && v.grad);
const gradient = (d: Draw, y: Value): object => (y.shape.length === 0 && d.chance(0.5) ? {} : { gradient: d.int(7) });

const backward: Drawer = (d) => {
  const y = d.some((v) => differentiable(v) && !v.leaf) ?? d.some(differentiable);
  if (y === null) return false;
  const flags = d.weighted<object>([
    [{ retain_graph: true }, 5],
    [{}, 4],
    [{ create_graph: true }, 0.5],
  ]);
  d.plain("backward", [y], { ...gradient(d, y), ...flags });
  return true;
};

/** Gradients as values, to be used again. */
const grad: Drawer = (d) => {
  const y = d.some((v) => differentiable(v) && !v.leaf);
  if (y === null) return false;
  const xs = leaves(d).filter(() => d.chance(0.7));
  if (d.chance(0.15)) {
    const inner = d.some((v) => differentiable(v) && !v.leaf && v !== y);
    if (inner !== null) xs.push(inner);
  }
  if (xs.length === 0) return false;
  const create = d.chance(0.8);
  const args = { ...gradient(d, y), create_graph: create, ...(create ? {} : { retain_graph: true }) };
  const results = xs.map((x) => ({
    shape: x.shape,
    lo: -50,
    hi: 50,
    bits: null,
    grad: create,
    special: true,
    lent: true,
    dtype: "f32" as const,
  }));
  return d.step("grad", [y, ...xs], args, results) !== null;
};

const gradOf: Drawer = (d) => {
  const x = d.pick(leaves(d)) as Value | undefined;
  if (x === undefined || !d.steps.some((s) => s.op === "backward")) return false;
  return d.step("grad_of", [x], {}, [{ shape: x.shape, lo: -50, hi: 50, bits: null, grad: false }]) !== null;
};

const dropGrad: Drawer = (d) => {
  const x = d.pick(leaves(d)) as Value | undefined;
  if (x === undefined) return false;
  d.plain("drop_grad", [x], {});
  return true;
};

const detach: Drawer = (d) => {
  const x = d.some((v) => v.grad) ?? d.some(() => true)!;
  return d.step("detach", [x], {}, [{ shape: x.shape, of: x, grad: false }]) !== null;
};

/** On inputs without views: PyTorch says of a view that it requires grad when its base comes to. */
const requiresGrad: Drawer = (d) => {
  const alone = (v: Value): boolean => d.values.every((o) => o === v || o.memory !== v.memory);
  const x = d.some((v) => v.name.startsWith("x") && (v.dtype === "f32" || d.chance(0.1)) && alone(v));
  if (x === null) return false;
  const value = !x.grad || d.chance(0.3);
  d.steps.push({ op: "requires_grad_", args: { value }, in: [x.name], out: x.name });
  x.grad = value;
  return true;
};

const GROUPS: Readonly<Record<string, Readonly<Record<string, Drawer>>>> = {
  ...OPS,
  ...LOSSES,
  view: VIEWS,
  autograd: { backward, grad, grad_of: gradOf, drop_grad: dropGrad, detach, requires_grad_: requiresGrad },
};

// ------------------------------------------------------------------------------------------------------------- families

type Weights = Readonly<Record<string, number>>;
interface Family {
  /** Of groups. */
  readonly groups: Weights;
  /** Of single ops; 1 where nothing is said. */
  readonly ops?: Weights;
  readonly begin?: (d: Draw) => void;
  readonly end?: (d: Draw) => void;
}

/** A base that may be written: a copy or product of a leaf, or a plain buffer. */
function base(d: Draw): void {
  const x = d.input(d.shape(d.chance(0.8) ? 2 : 1), { grad: d.chance(0.8) });
  if (!d.chance(0.85)) return;
  if (d.chance(0.4)) d.step("clone", [x], {}, [{ shape: x.shape }]);
  else d.step("mul", [x], { other: 2 }, [{ shape: x.shape, lo: 2 * x.lo, hi: 2 * x.hi }]);
}

const leaf = (d: Draw): void => void d.input(d.shape(), { grad: d.chance(0.85), special: d.chance(0.04) });

function final(d: Draw): void {
  const first = d.some((v) => differentiable(v) && !v.leaf);
  if (first === null) return;
  const again = d.chance(0.4);
  d.plain("backward", [first], {
    ...gradient(d, first),
    ...(d.chance(again ? 0.8 : 0.2) ? { retain_graph: true } : {}),
  });
  if (!again) return;
  const second = d.some((v) => differentiable(v) && !v.leaf);
  if (second !== null) d.plain("backward", [second], gradient(d, second));
}

function twice(d: Draw): void {
  if (!grad(d)) return;
  const gs = d.values.filter((v) => v.lent && v.grad);
  if (gs.length === 0) return;
  const g = d.pick(gs);
  // A gradient may be a constant; times its leaf there is something to differentiate.
  const x = leaves(d).find((v) => v.shape.join() === g.shape.join());
  const product = { shape: g.shape, lo: -50, hi: 50, bits: null };
  const [m] = x !== undefined && d.chance(0.7) ? (d.step("mul", [g, x], {}, [product]) ?? [g]) : [g];
  const [h] = d.step(d.pick(["tanh", "sin", "clone"]), [m!], {}, [{ shape: m!.shape, lo: -1, hi: 1, bits: null }]) ?? [
    m,
  ];
  d.plain("backward", [h!], { gradient: d.int(7) });
}

export const FAMILIES: Readonly<Record<string, Family>> = {
  views: { groups: { view: 6, unary: 1, binary: 2, reduce: 1, product: 0.5 }, begin: leaf, end: final },
  writes: {
    groups: { view: 3, write: 4, binary: 1, unary: 0.7, reduce: 0.4, autograd: 0.5 },
    ops: { detach: 4, grad: 0.2, backward: 0.5, grad_of: 0.3, drop_grad: 0.1, requires_grad_: 0.2 },
    begin: base,
    end: final,
  },
  reduce: {
    groups: { reduce: 4, unary: 1, binary: 2, view: 1, softmax: 1, choose: 1, compare: 0.5 },
    begin: leaf,
    end: final,
  },
  second: {
    groups: { unary: 3, binary: 3, reduce: 2, view: 1, product: 1, softmax: 0.7, choose: 0.7 },
    begin: leaf,
    end: twice,
  },
  losses: {
    groups: { activate: 4, loss: 3, ctc: 0.3, unary: 1, binary: 1, view: 1, write: 0.5 },
    begin: (d) => void d.input(d.shape(), { grad: d.chance(0.85) }),
    end: (d) => (d.chance(0.5) ? final(d) : twice(d)),
  },
  gradients: {
    groups: { unary: 1.5, binary: 2, reduce: 1, view: 1, autograd: 3, product: 0.5, write: 0.5 },
    ops: { backward: 3, grad: 1, grad_of: 1, drop_grad: 0.5, detach: 1, requires_grad_: 1 },
    begin: leaf,
    end: final,
  },
  dtypes: {
    groups: { cast: 2, binary: 3, compare: 3, reduce: 1, choose: 1, write: 1, view: 0.5, unary: 0.5 },
    begin: integers,
    end: final,
  },
  mixed: {
    groups: {
      view: 2,
      unary: 1,
      binary: 2,
      reduce: 1.5,
      product: 0.7,
      softmax: 0.3,
      choose: 0.5,
      compare: 0.3,
      write: 1.5,
      autograd: 0.7,
      cast: 0.2,
    },
    begin: leaf,
    end: final,
  },
};

function integers(d: Draw): void {
  const shape = d.shape();
  d.input(shape, { grad: true });
  d.input(d.broadcastable(shape), { dtype: d.chance(0.7) ? "i32" : "bool" });
}

/** Which drawers are there, by name of op; `all` has those of ops that are not here too. */
function drawers(family: Family, all: boolean): (readonly [Drawer, number])[] {
  return Object.entries(family.groups).flatMap(([group, weight]) => {
    const ops = Object.entries(GROUPS[group]!).filter(([op]) => all || exists(op.split(" ")[0]!));
    const weights = ops.map(([op]) => family.ops?.[op] ?? 1);
    const sum = weights.reduce((a, b) => a + b, 0);
    return ops.map(([, f], i) => [f, (weight * weights[i]!) / sum] as const);
  });
}
const known = new Map<string, (readonly [Drawer, number])[]>();

/** A program: the same for the same seed, family and number, as long as the same ops are here. */
export function draw(name: string, seed: number, number: number, all = false): Program {
  const family = FAMILIES[name]!;
  const key = `${name} ${all}`;
  if (!known.has(key)) known.set(key, drawers(family, all));
  const list = known.get(key)!;
  const d = new Drawing(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  family.begin?.(d);
  const length = 4 + d.int(7);
  for (let tries = 0; d.steps.length < length && tries < 60; tries++) d.weighted(list)(d);
  family.end?.(d);
  return { name: `${name} ${seed}:${number}`, inputs: d.inputs, steps: d.steps };
}
